/** Which handler answers which method and path. */

import type { AnswerStream } from './answer.js';

export interface Request {
  method: string;
  path: string;
  /** Values of the `{name}` parts of the route. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** The header of that name; empty without one. */
  accept: string;
  body: string;
}

export type Handler = (request: Request, answer: AnswerStream) => Promise<void>;

interface Route {
  method: string;
  parts: string[];
  handler: Handler;
}

export class Router {
  readonly #routes: Route[] = [];

  /** Adds `GET /a/{b}`; the first route that matches wins. */
  on(route: string, handler: Handler): this {
    const [method = '', path = ''] = route.split(' ');
    this.#routes.push({ method, parts: path.split('/').slice(1), handler });
    return this;
  }

  /** The handler and its path values, or the methods that exist for the path. */
  find(
    method: string,
    path: string,
  ): { handler: Handler; params: Record<string, string> } | { allowed: string[] } {
    const parts = path.replace(/\/$/, '').split('/').slice(1);
    const allowed: string[] = [];
    for (const route of this.#routes) {
      const params = match(route.parts, parts);
      if (!params) continue;
      if (route.method === method) return { handler: route.handler, params };
      allowed.push(route.method);
    }
    return { allowed };
  }
}

function match(route: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (route.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of route.entries()) {
    const actual = parts[index] as string;
    if (part.startsWith('{')) params[part.slice(1, -1)] = decodeURIComponent(actual);
    else if (part !== actual) return undefined;
  }
  return params;
}
