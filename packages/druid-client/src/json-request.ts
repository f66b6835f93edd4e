import type { z } from 'zod';
import { replaceBigInts, unsafeInteger, type Int64Mode } from './columns.js';
import { DruidDecodeError, DruidRemoteError } from './errors.js';
import { decodeJson } from './json-decode.js';
import { isHtml } from './response-error.js';
import type { DruidRequest } from './request.js';
import type { Transport } from './transport.js';

/** Sends a request and parses its answer with `schema`. @throws DruidDecodeError if the answer has another shape */
export async function requestJson<T>(
  transport: Transport,
  request: DruidRequest,
  schema: z.ZodType<T>,
): Promise<T> {
  const { response, text } = await transport.text(request);
  return parseWith(schema, parseJson(text, request.operation, response), request.operation);
}

/**
 * Whether a 404 means "no such thing" rather than "no such path": Druid's resources answer in JSON, plain text or
 * nothing at all, its web server (a Router without management proxy, say) answers with a page.
 */
export function isUnknownToDruid(error: unknown): boolean {
  if (!DruidRemoteError.is(error) || error.details.status !== 404) return false;
  return !/HTTP ERROR|<html|Servlet/i.test(error.details.bodyExcerpt ?? '');
}

/** Parses JSON; integers beyond 2^53 - 1 are handled by `int64`. @throws DruidDecodeError */
export function parseJson(
  text: string,
  operation: string,
  response: { readonly url: string; readonly headers: { readonly 'content-type'?: string | undefined } },
  int64: Int64Mode = 'bigint',
): unknown {
  try {
    const { value, hasBigInt } = decodeJson(text);
    if (!hasBigInt) return value;
    return replaceBigInts(value, int64, (found) => unsafeInteger(found, operation, {}));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const contentType = response.headers['content-type'] ?? '';
    const hint = isHtml({ contentType, body: text }) ? ' Does this URL point to a Druid Router?' : '';
    throw new DruidDecodeError({
      message: `The ${operation} got no JSON from ${response.url}: ${JSON.stringify(text.slice(0, 80))}.${hint}`,
      details: { operation },
      cause,
      // What began as JSON was cut on its way: the next answer may be whole.
      retryable: /^\s*[[{"]/.test(text),
    });
  }
}

/** Checks a parsed answer against `schema`. @throws DruidDecodeError that names the first field at fault */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, operation: string, row?: number): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const column = issue?.path.join('.') ?? '';
  const where = `${row === undefined ? '' : ` in row ${row}`}${column === '' ? '' : ` at '${column}'`}`;
  throw new DruidDecodeError({
    message: `The answer to the ${operation} has another shape than expected${where}: ${issue?.message}.`,
    details: { operation, ...(column === '' ? {} : { column }), ...(row === undefined ? {} : { row }) },
    cause: parsed.error,
  });
}
