/** Runs DuckDB queries that can be cancelled by id and that end at their time-out. */

import type { DuckDBDataChunk } from '@duckdb/node-api';
import { ClientGone } from './answer.js';
import { DruidHttpError, druidException, queryFailure } from './druid-error.js';
import type { Store } from './store.js';

interface Running {
  stop(reason: 'cancelled' | 'timeout'): void;
}

export interface QueryToRun {
  id: string;
  sql: string;
  timeoutMs: number | undefined;
}

/** Reads the chunks of a result. */
type Consume = (chunks: AsyncIterable<DuckDBDataChunk>) => Promise<void>;

const INTERRUPT_AGAIN_MS = 20;

export class RunningQueries {
  readonly #store: Store;
  readonly #running = new Map<string, Set<Running>>();
  readonly #ends = new Set<Promise<void>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** @returns whether a query with this id was running */
  cancel(id: string): boolean {
    const found = this.#running.get(id);
    this.#running.delete(id); // it takes a moment to end, but is not found a second time
    found?.forEach((query) => query.stop('cancelled'));
    return found !== undefined;
  }

  /** Cancels everything and waits until nothing runs any more. */
  async stop(): Promise<void> {
    for (const id of this.#running.keys()) this.cancel(id);
    await Promise.allSettled(this.#ends);
  }

  /**
   * Streams the chunks of a query to `consume`.
   *
   * @throws DruidHttpError 504 at the time-out, 500 when cancelled or when the query fails
   */
  async run(query: QueryToRun, consume: Consume): Promise<void> {
    const end = this.#run(query, consume);
    this.#ends.add(end);
    try {
      await end;
    } finally {
      this.#ends.delete(end);
    }
  }

  async #run(query: QueryToRun, consume: Consume): Promise<void> {
    const connection = await this.#store.acquire();
    let stopped: 'cancelled' | 'timeout' | undefined;
    let interrupting: NodeJS.Timeout | undefined;
    const running: Running = {
      stop: (reason) => {
        stopped ??= reason;
        connection.interrupt();
        // An interrupt that comes just before DuckDB starts is lost, so it is repeated until the query has ended.
        interrupting ??= setInterval(() => connection.interrupt(), INTERRUPT_AGAIN_MS);
      },
    };
    this.#register(query.id, running);
    const timer =
      query.timeoutMs === undefined ? undefined : setTimeout(() => running.stop('timeout'), query.timeoutMs);
    async function* chunks(): AsyncGenerator<DuckDBDataChunk> {
      const result = await connection.stream(query.sql);
      for (;;) {
        if (stopped) throw new Error(stopped);
        const chunk = await result.fetchChunk();
        if (!chunk || chunk.rowCount === 0) return;
        yield chunk;
      }
    }
    let isReusable = false;
    try {
      await consume(chunks());
      isReusable = stopped === undefined;
    } catch (error) {
      throw explain(error, stopped);
    } finally {
      clearTimeout(timer);
      clearInterval(interrupting);
      this.#unregister(query.id, running);
      // After a failure the connection may hold a half-read result or a late interrupt; a new one is cheap.
      if (isReusable) this.#store.release(connection);
      else connection.closeSync();
    }
  }

  #register(id: string, running: Running): void {
    const set = this.#running.get(id) ?? new Set();
    set.add(running);
    this.#running.set(id, set);
  }

  #unregister(id: string, running: Running): void {
    const set = this.#running.get(id);
    set?.delete(running);
    if (set?.size === 0) this.#running.delete(id);
  }
}

function explain(error: unknown, stopped: 'cancelled' | 'timeout' | undefined): unknown {
  if (stopped === 'timeout') {
    return queryFailure(
      'Query timeout',
      'org.apache.druid.query.QueryTimeoutException',
      'TIMEOUT',
      'Query timed out',
    );
  }
  if (stopped === 'cancelled') {
    return queryFailure(
      'Query cancelled',
      'org.apache.druid.query.QueryInterruptedException',
      'CANCELED',
      'Query cancelled',
    );
  }
  if (error instanceof DruidHttpError || error instanceof ClientGone) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (message.includes('/ by zero'))
    return queryFailure('Unknown exception', 'java.lang.ArithmeticException', 'RUNTIME_FAILURE', '/ by zero');
  return druidException(message, { errorCode: 'general', persona: 'ADMIN', category: 'UNCATEGORIZED' });
}
