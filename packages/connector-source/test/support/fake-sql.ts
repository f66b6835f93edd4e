import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeQuery {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

/** What a statement gives: rows (values in the order of the columns), possibly broken off, or an error. */
export type FakeAnswer =
  | { readonly rows: readonly (readonly unknown[])[]; readonly breakAfter?: number }
  | { readonly status: number };

/** Druid's SQL endpoint with the answers of a test. */
export class FakeSql {
  /** Statements received, in order. */
  readonly queries: FakeQuery[] = [];
  cancelled = 0;
  answer: (query: FakeQuery) => FakeAnswer | Promise<FakeAnswer> = () => ({ rows: [] });
  /** Column → SQL type. */
  readonly columns: Readonly<Record<string, string>>;
  private readonly server: Server;

  constructor(columns: Readonly<Record<string, string>>) {
    this.columns = columns;
    this.server = createServer((request, response) => void this.handle(request, response));
  }

  static async start(columns: Readonly<Record<string, string>>): Promise<FakeSql> {
    const druid = new FakeSql(columns);
    druid.server.listen(0, '127.0.0.1');
    await once(druid.server, 'listening');
    return druid;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'DELETE') {
      this.cancelled++;
      response.writeHead(202).end();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as {
      query: string;
      parameters?: { value: unknown }[];
    };
    const query = { text: body.query, parameters: (body.parameters ?? []).map(({ value }) => value) };
    this.queries.push(query);
    const answer = await this.answer(query);
    if ('status' in answer) {
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ error: 'druidException', errorMessage: 'scripted', category: 'DEFENSIVE' }),
      );
      return;
    }
    const types = Object.values(this.columns);
    const rows = answer.rows.slice(0, answer.breakAfter);
    const lines = [Object.keys(this.columns), types, types, ...rows].map((line) => JSON.stringify(line));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`${lines.join('\n')}\n${answer.breakAfter === undefined ? '\n' : ''}`);
  }
}
