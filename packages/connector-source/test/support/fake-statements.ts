import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SubmittedStatement {
  readonly query: string;
  readonly parameters?: readonly { readonly value: unknown }[];
  readonly context: Readonly<Record<string, unknown>>;
}

/** Druid's statements endpoint with one result for every statement, whose progress is the test's. */
export class FakeStatements {
  /** By id, in order of submission. */
  readonly submitted = new Map<string, SubmittedStatement>();
  /** Requests in order: `POST`, `GET status`, `GET page 0`, `DELETE`. */
  readonly requests: string[] = [];
  readonly cancelled: string[] = [];
  state: 'ACCEPTED' | 'RUNNING' | 'SUCCESS' | 'FAILED' = 'SUCCESS';
  /** The lines of each page. */
  pages: readonly (readonly object[])[] = [];
  /** Whether a result says which pages it has; Druid does not where counters are missing in the task's report. */
  hasPageList = true;
  /** How many lines of a page are sent before the connection breaks; undefined: all of them. */
  breakAfter: (page: number) => number | undefined = () => undefined;
  /** Waited for before a page is sent. */
  beforePage: (page: number) => Promise<void> = () => Promise.resolve();
  /** Answers all requests if set, apart from cancellations. */
  status: number | undefined;
  /** Column → SQL type and native type. */
  readonly columns: Readonly<Record<string, readonly [string, string]>>;
  private readonly server: Server;

  constructor(columns: Readonly<Record<string, readonly [string, string]>>) {
    this.columns = columns;
    this.server = createServer((request, response) => void this.handle(request, response));
  }

  static async start(columns: Readonly<Record<string, readonly [string, string]>>): Promise<FakeStatements> {
    const druid = new FakeStatements(columns);
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
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    const [id = '', part] = pathname.replace('/druid/v2/sql/statements', '').split('/').slice(1);
    const json = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method === 'DELETE') {
      this.requests.push('DELETE');
      this.cancelled.push(id);
      response.writeHead(this.submitted.has(id) ? 202 : 404).end();
      return;
    }
    if (request.method === 'POST') {
      this.requests.push('POST');
      if (this.status !== undefined) return json(this.status, scripted);
      const statement = JSON.parse(Buffer.concat(chunks).toString()) as SubmittedStatement;
      const queryId = `query-${String(statement.context['sqlQueryId'])}`;
      if (this.submitted.has(queryId))
        return json(400, { ...scripted, errorMessage: `${queryId} already exists` });
      this.submitted.set(queryId, statement);
      return json(200, { ...this.statusOf(queryId), state: 'ACCEPTED', result: undefined });
    }
    const page = Number(searchParams.get('page'));
    this.requests.push(part === undefined ? 'GET status' : `GET page ${page}`);
    if (this.status !== undefined) return json(this.status, scripted);
    if (!this.submitted.has(id)) return json(404, { ...scripted, errorMessage: 'no such statement' });
    if (part === undefined) return json(200, this.statusOf(id));
    await this.beforePage(page);
    const lines = (this.pages[page] ?? []).map((row) => `${JSON.stringify(row)}\n`);
    const breakAfter = this.breakAfter(page);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(lines.slice(0, breakAfter).join(''));
    if (breakAfter === undefined) response.end('\n');
    else setImmediate(() => response.destroy());
  }

  private statusOf(queryId: string): object {
    const { state, pages, columns } = this;
    const counts = pages.map(({ length }) => length);
    return {
      queryId,
      state,
      createdAt: '2026-01-01T00:00:00.000Z',
      schema: Object.entries(columns).map(([name, [type, nativeType]]) => ({ name, type, nativeType })),
      durationMs: 1,
      ...(state === 'SUCCESS' && {
        result: {
          dataSource: '__query_select',
          ...(this.hasPageList && {
            numTotalRows: counts.reduce((sum, count) => sum + count, 0),
            totalSizeInBytes: 1,
            pages: counts.map((numRows, page) => ({ id: page, numRows, sizeInBytes: 1 })),
          }),
        },
      }),
      ...(state === 'FAILED' && {
        errorDetails: { errorCode: 'Canceled', errorMessage: 'Query canceled by user' },
      }),
    };
  }
}

const scripted = { error: 'druidException', errorMessage: 'scripted', category: 'DEFENSIVE' };
