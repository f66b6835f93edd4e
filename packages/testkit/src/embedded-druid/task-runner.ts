/**
 * Accepts and runs ingestion tasks.
 *
 * Invariants
 * 1. A task id is taken before the submission is answered and never becomes free again.
 * 2. Rows, segments and SUCCESS commit in one transaction (`Store`, invariant 1); the catalog and the status in memory
 *    change after that commit, in one turn of the event loop.
 * 3. A task that was shut down publishes nothing, unless its commit had already begun.
 */

import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Catalog } from './catalog.js';
import { druidException, notSupported, refusedSpec } from './druid-error.js';
import { checkId, type IngestionSpec, parseIngestionSpec } from './ingestion-spec.js';
import { prepareRows, writeSegments } from './publish.js';
import { collectGarbage } from './retirement.js';
import { failureReport, successReport } from './task-report.js';
import type { Clock, EmbeddedLogger } from './options.js';
import { noRows, type RowStats } from './row-reader.js';
import { exactPathIn, stageRows, TooManyParseExceptions } from './staging.js';
import { type Connection, inTransaction, type Store } from './store.js';
import { fetchInput, type TaskInput } from './task-input.js';
import { storeEnd, type TaskRecord, type TaskStore } from './task-store.js';
import { isoTime } from './time-text.js';

const KNOWN_TYPES =
  'archive, compact, index, index_hadoop, index_kafka, index_parallel, index_sub, kill, move, noop, partial_dimension_cardinality, partial_dimension_distribution, partial_index_generate, partial_index_generic_merge, partial_range_index_generate, restore, single_phase_sub_task';
const CONSTRUCT_TASK =
  'Cannot construct instance of `org.apache.druid.indexing.common.task.batch.parallel.ParallelIndexSupervisorTask`, problem: ';

export interface TaskRunnerOptions {
  store: Store;
  catalog: Catalog;
  tasks: TaskStore;
  clock: Clock;
  logger: EmbeddedLogger;
  /** How long a task stays RUNNING before it reads its input. */
  ingestDelayMs: number;
}

export class TaskRunner {
  readonly #options: TaskRunnerOptions;
  readonly #running = new Map<string, { abort: AbortController; done: Promise<void> }>();

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
  }

  get runningIds(): string[] {
    return [...this.#running.keys()];
  }

  /**
   * Accepts a task and starts it.
   *
   * @returns the id of the task
   * @throws DruidHttpError when the spec is refused or the id is taken (400 `entryAlreadyExists`)
   */
  async submit(body: unknown): Promise<string> {
    if (typeof body !== 'object' || body === null) throw refusedSpec('A task must be a JSON object');
    const { type, id: wanted, spec, context } = body as Record<string, unknown>;
    if (type !== 'index_parallel' && type !== 'index') throw refuseType(type);
    const parsed = parseIngestionSpec(type, spec, context);
    const { clock, tasks } = this.#options;
    const createdMs = clock.now();
    const id =
      wanted === undefined || wanted === null
        ? `${type}_${parsed.dataSource}_${randomUUID().slice(0, 8)}_${isoTime(createdMs)}`
        : checkId('task ID', String(wanted), CONSTRUCT_TASK);
    if (tasks.get(id))
      throw druidException(`Task[${id}] already exists`, { errorCode: 'entryAlreadyExists' });
    const record = await tasks.add(
      { id, type, dataSource: parsed.dataSource, createdMs },
      JSON.stringify({ groupId: id, ...body, id }),
    );
    const abort = new AbortController();
    this.#running.set(id, {
      abort,
      done: this.#run(record, parsed, abort.signal).finally(() => this.#running.delete(id)),
    });
    return id;
  }

  /** Asks a running task to stop; does nothing when it has ended. */
  async shutdown(id: string): Promise<void> {
    const running = this.#running.get(id);
    running?.abort.abort(new Error('Task shut down by user request'));
    await running?.done;
  }

  /** Waits for all tasks, after asking them to stop. */
  async stop(): Promise<void> {
    for (const { abort } of this.#running.values()) abort.abort(new Error('The server was stopped'));
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  async #run(task: TaskRecord, spec: IngestionSpec, signal: AbortSignal): Promise<void> {
    const { store, catalog, clock, logger, ingestDelayMs } = this.#options;
    const path = join(store.scratchDir, `input-${task.seq}.ndjson`);
    let stats: RowStats = noRows();
    try {
      await delay(ingestDelayMs, signal);
      const input = await fetchInput(spec.input, path, signal);
      await store.load((connection) =>
        this.#load(connection, task, spec, input, signal, (found) => (stats = found)),
      );
      await collectGarbage(store, catalog, spec.dataSource, clock.now());
      logger.info?.('task succeeded', { id: task.id, rows: stats.processed });
    } catch (error) {
      if (error instanceof TooManyParseExceptions) ({ stats } = error);
      const message = describe(error, signal);
      const end = {
        status: 'FAILED' as const,
        durationMs: clock.now() - task.createdMs,
        error: message,
        report: failureReport(task, spec, stats, message, clock.now()),
      };
      await store
        .transaction((connection) => storeEnd(connection, task, end))
        .catch((cause: unknown) => {
          logger.error?.('the end of a task could not be stored', { id: task.id, cause });
        });
      Object.assign(task, end);
      logger.warn?.('task failed', { id: task.id, message });
    } finally {
      await Promise.all([
        rm(path, { force: true }),
        rm(exactPathIn(store.scratchDir, String(task.seq)), { force: true }),
      ]);
    }
  }

  async #load(
    connection: Connection,
    task: TaskRecord,
    spec: IngestionSpec,
    input: TaskInput,
    signal: AbortSignal,
    found: (stats: RowStats) => void,
  ): Promise<void> {
    const { store, catalog, clock } = this.#options;
    signal.throwIfAborted();
    const exactPath = exactPathIn(store.scratchDir, String(task.seq));
    const staged = await stageRows(connection, spec, input, 'staged', exactPath);
    const rows = await prepareRows(connection, spec, staged, 'prepared');
    const { thrownAway } = rows;
    const stats = { ...staged.stats, processed: staged.stats.processed - thrownAway, thrownAway };
    found(stats);
    signal.throwIfAborted();
    const { publication, end } = await inTransaction(connection, async () => {
      const nowMs = clock.now();
      const written = await writeSegments(connection, catalog, spec, rows, nowMs);
      const report = successReport(task, spec, stats, input.bytes, written.segments.length, nowMs);
      const success = { status: 'SUCCESS' as const, durationMs: nowMs - task.createdMs, error: null, report };
      await storeEnd(connection, task, success);
      return { publication: written, end: success };
    });
    if (publication.newTable) catalog.addTable(publication.newTable);
    catalog.publish(publication.segments);
    Object.assign(task, end);
    await connection.run('DROP TABLE IF EXISTS staged');
    await connection.run('DROP TABLE IF EXISTS prepared');
  }
}

function refuseType(type: unknown): Error {
  if (typeof type === 'string' && KNOWN_TYPES.split(', ').includes(type))
    return notSupported(`Task type [${type}]`);
  return refusedSpec(
    `Please make sure to load all the necessary extensions and jars with type '${String(type)}' on 'druid/coordinator' service. ` +
      `Could not resolve type id '${String(type)}' as a subtype of \`org.apache.druid.indexing.common.task.Task\` known type ids = [${KNOWN_TYPES}]`,
  );
}

function describe(error: unknown, signal: AbortSignal): string {
  const cause: unknown = signal.aborted ? signal.reason : error;
  return cause instanceof Error ? cause.message : String(cause);
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}
