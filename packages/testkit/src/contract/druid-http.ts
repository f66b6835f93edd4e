/** Plain `fetch` against a Druid: the contract is about HTTP, so no client stands in between. */
import { randomUUID } from 'node:crypto';

/** An answer, read to its end. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/** Between probes: short at first, for servers that are quick. */
const FIRST_POLL_MS = 5;
const LAST_POLL_MS = 100;

export class DruidHttp {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;

  constructor(url: string, headers: Record<string, string>, timeoutMs: number) {
    this.#url = url;
    this.#headers = headers;
    this.#timeoutMs = timeoutMs;
  }

  /** The same client at another address of the same server, or as somebody else. */
  with(change: { readonly url?: string; readonly headers?: Record<string, string> }): DruidHttp {
    const headers = { ...this.#headers, ...change.headers };
    return new DruidHttp(change.url ?? this.#url, headers, this.#timeoutMs);
  }

  async request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await this.#fetch(method, path, body, headers);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** POSTs, and returns the answer before it is read. */
  open(path: string, body: unknown): Promise<Response> {
    return this.#fetch('POST', path, body, {});
  }

  #fetch(method: string, path: string, body: unknown, headers: Record<string, string>): Promise<Response> {
    return fetch(this.#url + path, {
      method,
      headers: {
        ...this.#headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  get(path: string): Promise<Answer> {
    return this.request('GET', path);
  }

  async json(path: string): Promise<unknown> {
    const answer = await this.get(path);
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`);
    return JSON.parse(answer.text) as unknown;
  }

  sql(query: string, more: Record<string, unknown> = {}): Promise<Answer> {
    return this.request('POST', '/druid/v2/sql', { query, ...more });
  }

  /** Rows as arrays, with integers beyond 2^53 as strings. */
  async rows(query: string, more: Record<string, unknown> = {}): Promise<unknown[][]> {
    const answer = await this.sql(query, { resultFormat: 'array', ...more });
    if (answer.status !== 200) throw new Error(`${query}: ${answer.status} ${answer.text}`);
    return parseExact(answer.text) as unknown[][];
  }

  async native(query: Record<string, unknown>): Promise<unknown> {
    const answer = await this.request('POST', '/druid/v2', query);
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    return parseExact(answer.text);
  }

  submit(task: unknown): Promise<Answer> {
    return this.request('POST', '/druid/indexer/v1/task', task);
  }

  /** The status of a task once it is SUCCESS or FAILED. */
  async ended(id: string): Promise<Record<string, unknown>> {
    return this.until(`task ${id} to end`, async () => {
      const answer = await this.get(`/druid/indexer/v1/task/${id}/status`);
      if (answer.status !== 200) return undefined;
      const { status } = JSON.parse(answer.text) as { status: Record<string, unknown> };
      return status['status'] === 'RUNNING' ? undefined : status;
    });
  }

  /** Submits a task and waits for its end. */
  async run(task: Record<string, unknown>): Promise<Record<string, unknown>> {
    const id = String(task['id'] ?? `contract-${randomUUID()}`);
    let answer = await this.submit({ ...task, id });
    // Derby under load: the task may have been taken all the same, and its id tells.
    const isBusy = answer.status === 500 && answer.text.includes('A lock could not be obtained');
    if (isBusy) answer = await this.submit({ ...task, id });
    const isTaken = isBusy && answer.status === 400;
    if (answer.status !== 200 && !isTaken) throw new Error(`submission: ${answer.status} ${answer.text}`);
    return this.ended(id);
  }

  /** Waits until a query counts `rows` rows: SUCCESS of a task does not mean that the Broker knows its segments. */
  async visible(dataSource: string, rows: number): Promise<void> {
    await this.until(`${rows} rows of ${dataSource} to be visible`, async () => {
      const answer = await this.sql(`SELECT COUNT(*) FROM "${dataSource}"`, { resultFormat: 'array' });
      return answer.status === 200 && answer.text.trim() === `[[${rows}]]` ? true : undefined;
    });
    await this.until(`the published segments of ${dataSource} to be known`, async () => {
      const sums = await this.rows(
        `SELECT SUM(num_rows) FROM sys.segments WHERE datasource = '${dataSource}' AND is_published = 1 AND is_overshadowed = 0 GROUP BY datasource`,
      );
      return sums[0]?.[0] === rows ? true : undefined;
    });
  }

  async until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + this.#timeoutMs;
    for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_POLL_MS)) {
      const found = await probe();
      if (found !== undefined) return found;
      if (Date.now() > end) throw new Error(`waited ${this.#timeoutMs} ms for ${what}`);
      await new Promise((done) => setTimeout(done, pauseMs));
    }
  }
}

/** `JSON.parse` with integers beyond 2^53 as strings, so that none is rounded. */
export const parseExact = (text: string): unknown =>
  JSON.parse(
    text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|(?<=[[:,])-?\d{16,}(?=[,\]}])/g, (token) =>
      token.startsWith('"') ? token : `"${token}"`,
    ),
  );
