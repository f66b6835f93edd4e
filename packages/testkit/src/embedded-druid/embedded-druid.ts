/**
 * An Apache Druid for tests that runs inside the Node process: the same HTTP API, on DuckDB, without Java.
 *
 * This class only wires the parts together. What it answers and where it differs from the real server is in the
 * README of this package; whatever it cannot answer faithfully it refuses with 404 or 501.
 */

import { totalmem } from 'node:os';
import { addCoordinatorRoutes } from './coordinator-api.js';
import { Catalog } from './catalog.js';
import { type Fault, Faults } from './faults.js';
import { HttpServer } from './http-server.js';
import type { EmbeddedDruidOptions } from './options.js';
import { addOverlordRoutes } from './overlord-api.js';
import { addQueryRoutes } from './query-api.js';
import { Router } from './router.js';
import { RunningQueries } from './running-queries.js';
import { Store } from './store.js';
import { Supervisors } from './supervisors.js';
import { TaskRunner } from './task-runner.js';
import { TaskStore } from './task-store.js';

/** The version whose behaviour is imitated. */
const VERSION = '33.0.0';

function memoryStatus() {
  const { heapTotal, heapUsed, external } = process.memoryUsage();
  const freeMemory = heapTotal - heapUsed;
  return {
    maxMemory: totalmem(),
    totalMemory: heapTotal,
    freeMemory,
    usedMemory: heapUsed,
    directMemory: external,
  };
}

interface Parts {
  url: string;
  server: HttpServer;
  store: Store;
  runner: TaskRunner;
  queries: RunningQueries;
  faults: Faults;
}

/**
 * A running embedded Druid.
 *
 * @example
 * const druid = await EmbeddedDruid.start();
 * const answer = await fetch(`${druid.url}/status/health`);
 * await answer.json(); // true
 * await druid.stop();
 */
export class EmbeddedDruid {
  /** Base URL, for example `http://127.0.0.1:40123`. */
  readonly url: string;
  readonly #parts: Parts;
  #stopped: Promise<void> | undefined;

  private constructor(parts: Parts) {
    this.url = parts.url;
    this.#parts = parts;
  }

  /** Opens the database and listens; takes some tens of milliseconds. */
  static async start(options: EmbeddedDruidOptions = {}): Promise<EmbeddedDruid> {
    const { port = 0, dataDir, logger = {}, clock = { now: () => Date.now() }, ingestDelayMs = 0 } = options;
    const store = await Store.open(dataDir);
    try {
      const [catalog, tasks, supervisors] = [new Catalog(), new TaskStore(store), new Supervisors(store)];
      await Promise.all([catalog.load(store), tasks.load(), supervisors.load()]);
      const runner = new TaskRunner({ store, catalog, tasks, clock, logger, ingestDelayMs });
      const queries = new RunningQueries(store);
      const faults = new Faults();
      const router = new Router();
      const server = new HttpServer(router, faults, logger);
      const bound = await server.listen(port);
      const location = { host: '127.0.0.1', port: bound, tlsPort: -1 };
      const url = `http://127.0.0.1:${bound}`;
      const now = (): number => clock.now();
      const system = { catalog, tasks, supervisors, location, startedMs: clock.now() };
      router
        .on('GET /status', (_, answer) =>
          answer.json({ version: VERSION, modules: [], memory: memoryStatus(), embedded: true }),
        )
        .on('GET /status/health', (_, answer) => answer.json(true));
      addOverlordRoutes(router, { store, catalog, tasks, runner, supervisors, location, url, now });
      addCoordinatorRoutes(router, { store, catalog, url, server: `127.0.0.1:${bound}`, now });
      addQueryRoutes(router, { catalog, system, queries, store, server: `127.0.0.1:${bound}`, now });
      return new EmbeddedDruid({ url, server, store, runner, queries, faults });
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /**
   * Makes the next matching request (or the next `times` ones) go wrong.
   *
   * @example
   * druid.failNext({ path: '/druid/v2/sql', status: 503 });
   * druid.failNext({ method: 'POST', path: '/druid/indexer/v1/task', dropConnection: 'after-handling' });
   */
  failNext(fault: Fault): void {
    this.#parts.faults.add(fault);
  }

  /** Forgets all faults that have not happened yet. */
  clearFaults(): void {
    this.#parts.faults.clear();
  }

  /** Stops answering, ends running tasks (they become FAILED) and closes the database. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const { server, runner, queries, store } = this.#parts;
    await server.close();
    await queries.stop();
    await runner.stop();
    await store.close();
  }
}
