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

export class RunningQueries {
  readonly #store: Store;
  readonly #running = new Map<string, Set<Running>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** @returns whether a query with this id was running */
  cancel(id: string): boolean {
    const found = this.#running.get(id);
    found?.forEach((query) => query.stop('cancelled'));
    return found !== undefined;
  }

  cancelAll(): void {
    for (const id of this.#running.keys()) this.cancel(id);
  }

  /**
   * Streams the chunks of a query to `consume`.
   *
   * @throws DruidHttpError 504 at the time-out, 500 when cancelled or when the query fails
   */
  async run(
    query: QueryToRun,
    consume: (chunks: AsyncIterable<DuckDBDataChunk>) => Promise<void>,
  ): Promise<void> {
    const connection = await this.#store.acquire();
    let stopped: 'cancelled' | 'timeout' | undefined;
    const running: Running = {
      stop: (reason) => {
        stopped ??= reason;
        connection.interrupt();
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
    try {
      await consume(chunks());
      this.#store.release(connection);
    } catch (error) {
      // The connection may still hold a half-read result; a new one is cheap.
      connection.closeSync();
      throw explain(error, stopped);
    } finally {
      clearTimeout(timer);
      this.#unregister(query.id, running);
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
