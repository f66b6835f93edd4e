/** The tasks of an embedded Druid, in memory and in DuckDB. Ids stay taken for ever. */

import { isoTime } from './time-text.js';
import type { Connection, Store } from './store.js';

export type TaskState = 'RUNNING' | 'SUCCESS' | 'FAILED';

/** One submitted task. */
export interface TaskRecord {
  seq: number;
  id: string;
  type: string;
  dataSource: string;
  status: TaskState;
  createdMs: number;
  durationMs: number;
  error: string | null;
  report: string | null;
}

/** What a restart says about tasks that were running when the process died. */
const INTERRUPTED = 'Task was running when the server stopped; it published nothing';

export class TaskStore {
  readonly #tasks = new Map<string, TaskRecord>();
  readonly #store: Store;
  #lastSeq = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Reads what an earlier process left; its running tasks become FAILED. */
  async load(): Promise<void> {
    await this.#store.write((connection) =>
      connection.run(
        `UPDATE druid_tasks SET status = 'FAILED', duration_ms = 0, error = $1 WHERE status = 'RUNNING'`,
        [INTERRUPTED],
      ),
    );
    const rows = await this.#store.rows(
      'SELECT seq, id, type, datasource, status, created_ms, duration_ms, error, report FROM druid_tasks ORDER BY seq',
    );
    for (const [seq, id, type, dataSource, status, created, duration, error, report] of rows) {
      this.#lastSeq = Number(seq);
      this.#tasks.set(String(id), {
        seq: Number(seq),
        id: String(id),
        type: String(type),
        dataSource: String(dataSource),
        status: status as TaskState,
        createdMs: Number(created),
        durationMs: Number(duration),
        error: error === null ? null : String(error),
        report: report === null ? null : String(report),
      });
    }
  }

  get(id: string): TaskRecord | undefined {
    return this.#tasks.get(id);
  }

  /** All tasks, the latest first. */
  list(): TaskRecord[] {
    return [...this.#tasks.values()].reverse();
  }

  /** Takes the id at once and stores the task before it returns. */
  async add(
    task: Pick<TaskRecord, 'id' | 'type' | 'dataSource' | 'createdMs'>,
    payload: string,
  ): Promise<TaskRecord> {
    this.#lastSeq += 1;
    const record: TaskRecord = {
      ...task,
      seq: this.#lastSeq,
      status: 'RUNNING',
      durationMs: -1,
      error: null,
      report: null,
    };
    this.#tasks.set(task.id, record);
    await this.#store.write((connection) =>
      connection.run('INSERT INTO druid_tasks VALUES ($1, $2, $3, $4, $5, $6, -1, NULL, $7, NULL)', [
        BigInt(record.seq),
        record.id,
        record.type,
        record.dataSource,
        record.status,
        BigInt(record.createdMs),
        payload,
      ]),
    );
    return record;
  }

  async payload(id: string): Promise<string | undefined> {
    const rows = await this.#store.rows('SELECT payload FROM druid_tasks WHERE id = $1', [id]);
    return rows[0] === undefined ? undefined : String(rows[0][0]);
  }
}

/** Writes the end of a task; must share the transaction with what the task publishes. */
export async function storeEnd(connection: Connection, task: TaskRecord, end: TaskEnd): Promise<void> {
  await connection.run(
    'UPDATE druid_tasks SET status = $1, duration_ms = $2, error = $3, report = $4 WHERE seq = $5',
    [end.status, BigInt(end.durationMs), end.error, end.report, BigInt(task.seq)],
  );
}

export type TaskEnd = Pick<TaskRecord, 'status' | 'durationMs' | 'error' | 'report'>;

/** The long form of a task status (`GET task/{id}/status`, `GET tasks`). */
export function statusJson(task: TaskRecord, location: TaskLocation): Record<string, unknown> {
  return {
    id: task.id,
    groupId: task.id,
    type: task.type,
    createdTime: isoTime(task.createdMs),
    queueInsertionTime: '1970-01-01T00:00:00.000Z',
    statusCode: task.status,
    status: task.status,
    runnerStatusCode: task.status === 'RUNNING' ? 'RUNNING' : 'NONE',
    duration: task.durationMs,
    location,
    dataSource: task.dataSource,
    errorMsg: task.error,
  };
}

export interface TaskLocation {
  host: string;
  port: number;
  tlsPort: number;
}
