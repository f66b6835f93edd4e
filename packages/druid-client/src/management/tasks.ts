import { z } from 'zod';
import { DruidRemoteError } from '../errors.js';
import { requestJson } from '../json-request.js';
import { poll, type WaitOptions } from '../poll.js';
import { path } from '../request.js';
import type { Transport } from '../transport.js';
import {
  anyObject,
  changeAndRead,
  changeIfThere,
  ifItCanBeHad,
  read,
  readIfThere,
  type AuditOptions,
  type CallOptions,
} from './calls.js';
import { ingestionReportSchema, type IngestionReport } from './ingestion-report.js';
import type { NativeBatchTask } from './native-batch-spec.js';
import { sampledRows, type SampledRows, type SamplerSpec } from './sampler.js';
import { readTaskLog, tailTaskLog, type TailOptions, type TaskLogOptions } from './task-log.js';
import { briefStatuses, taskStatusSchema, type BriefTaskStatus, type TaskStatus } from './task-status.js';

/** A task as Druid's Overlord takes it. With an `id` of its own it may be submitted again without running twice. */
export interface TaskSpec {
  readonly type: string;
  readonly id?: string;
  readonly [key: string]: unknown;
}

/** Which tasks {@link DruidTasks.list} returns; all are optional. */
export interface TaskFilter extends CallOptions {
  readonly state?: 'running' | 'complete' | 'waiting' | 'pending';
  readonly datasource?: string;
  /** The task's type, such as `index_parallel`. */
  readonly type?: string;
  /** `start/end` in ISO 8601; for complete tasks only. Default: Druid's, the last week or so. */
  readonly createdTimeInterval?: string;
  /** At most so many complete tasks, the newest first. */
  readonly max?: number;
}

/** What {@link TaskWaitOptions.onProgress} is told. */
export interface TaskProgress {
  readonly status: TaskStatus;
  /** Rows so far, where the task type reports them while it runs. */
  readonly report: IngestionReport | undefined;
}

/** Options of {@link DruidTasks.waitFor}: by default a look every 500 ms, for an hour. */
export interface TaskWaitOptions extends WaitOptions {
  /** Called, and awaited, after every look at the server, the last one included. */
  readonly onStatus?: (status: TaskStatus) => unknown;
  /** As `onStatus`, with the task's report: one more request a look. Not called while the task has no slot. */
  readonly onProgress?: (progress: TaskProgress) => unknown;
}

const submitSchema = z.looseObject({ task: z.string() });
const statusSchema = z.looseObject({ status: taskStatusSchema.nullish() });
const payloadSchema = z.looseObject({ task: z.string(), payload: anyObject.nullish() });
const lockSchema = z.looseObject({
  type: z.string(),
  groupId: z.string(),
  dataSource: z.string(),
  interval: z.string(),
  version: z.string().nullish(),
  priority: z.number().nullish(),
  revoked: z.boolean().nullish(),
});
const locksSchema = z.looseObject({ datasourceToLocks: z.record(z.string(), z.array(lockSchema)) });

/** A lock that a task group holds; `type` is EXCLUSIVE, SHARED, REPLACE or APPEND. Unknown members are kept. */
export type TaskLock = z.output<typeof lockSchema>;

const api = '/druid/indexer/v1';

/** `/druid/indexer/v1/task` ("Tasks API" in Druid's documentation). */
export class DruidTasks {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /**
   * Submits a task. With an id of its own the POST is repeated on connection errors, 429 and 502–504; without, it is
   * sent exactly once, because a lost answer does not mean a lost task.
   *
   * `alreadyExists` says that the Overlord had this id before: from an earlier call, or from this one where an answer
   * got lost. Ask {@link DruidTasks.status} how it ended; an id stays used after FAILED.
   *
   * @throws DruidRemoteError (400 for a spec that Druid does not understand)
   */
  async submit(
    spec: NativeBatchTask | TaskSpec,
    options: CallOptions = {},
  ): Promise<{ taskId: string; alreadyExists: boolean }> {
    const { id } = spec;
    try {
      const { task } = await requestJson(
        this.transport,
        {
          operation: 'task submission',
          method: 'POST',
          path: `${api}/task`,
          kind: id === undefined ? 'once' : 'identified',
          body: spec,
          ...options,
        },
        submitSchema,
      );
      return { taskId: task, alreadyExists: false };
    } catch (error) {
      if (id !== undefined && isAlreadyExists(error, id)) return { taskId: id, alreadyExists: true };
      throw error;
    }
  }

  /**
   * Reads a few rows as a task or a supervisor of this specification would, and stores nothing ("Sampler" in Druid's
   * source): for a look at input, formats and dimensions before anything is loaded.
   *
   * @example (await druid.tasks.sample({ type: 'index', spec, samplerConfig: { numRows: 10 } })).data[0]?.parsed
   * @throws DruidRemoteError (400 where the input cannot be read)
   */
  sample(spec: SamplerSpec, options: CallOptions = {}): Promise<SampledRows> {
    const call = { operation: 'sampling', method: 'POST', path: `${api}/sampler`, body: spec } as const;
    return read(this.transport, call, sampledRows, options);
  }

  /** The task's status, or undefined if the Overlord does not know the id. */
  async status(taskId: string, options: CallOptions = {}): Promise<TaskStatus | undefined> {
    const call = { operation: 'task status', path: path`/druid/indexer/v1/task/${taskId}/status` };
    return (await readIfThere(this.transport, call, statusSchema, options))?.status ?? undefined;
  }

  /** The statuses of several tasks in one request, by id; ids that the Overlord does not know are left out. */
  async statuses(
    taskIds: readonly string[],
    options: CallOptions = {},
  ): Promise<ReadonlyMap<string, BriefTaskStatus>> {
    const call = {
      operation: 'task statuses',
      method: 'POST',
      path: `${api}/taskStatus`,
      body: taskIds,
    } as const;
    const found = await read(this.transport, call, briefStatuses, options);
    return new Map(Object.entries(found));
  }

  /**
   * Tasks, the newest first within a state.
   *
   * @example await druid.tasks.list({ state: 'running', datasource: 'edits' })
   */
  list(filter: TaskFilter = {}): Promise<TaskStatus[]> {
    const { state, datasource, type, createdTimeInterval, max, ...options } = filter;
    const query = { state, datasource, type, createdTimeInterval, max: max?.toString() };
    const call = { operation: 'task list', path: `${api}/tasks`, query };
    return read(this.transport, call, z.array(taskStatusSchema), options);
  }

  /** The task as it was submitted, with what Druid filled in; undefined if the Overlord does not know the id. */
  async payload(taskId: string, options: CallOptions = {}): Promise<Record<string, unknown> | undefined> {
    const call = { operation: 'task payload', path: path`/druid/indexer/v1/task/${taskId}` };
    return (await readIfThere(this.transport, call, payloadSchema, options))?.payload ?? undefined;
  }

  /** The task's reports by name (such as `ingestionStatsAndErrors`), or undefined while there are none. */
  reports(taskId: string, options: CallOptions = {}): Promise<Record<string, unknown> | undefined> {
    return readIfThere(this.transport, this.reportsCall(taskId), anyObject, options);
  }

  /** Rows read, thrown away and unparseable, of a native batch or streaming task; undefined while there is no report. */
  async ingestionReport(taskId: string, options: CallOptions = {}): Promise<IngestionReport | undefined> {
    const schema = z.looseObject({ ingestionStatsAndErrors: ingestionReportSchema.nullish() });
    const reports = await readIfThere(this.transport, this.reportsCall(taskId), schema, options);
    return reports?.ingestionStatsAndErrors ?? undefined;
  }

  /** The task's log, or undefined while there is none (tasks in an Indexer process have none). */
  async log(taskId: string, options: TaskLogOptions = {}): Promise<string | undefined> {
    return (await readTaskLog(this.transport, taskId, options))?.toString('utf8');
  }

  /**
   * Follows a task's log: pieces of text as they are written, until the task is over. A piece may end within a line.
   * Leaving the loop, or aborting, leaves the task alone.
   *
   * @example for await (const text of druid.tasks.tailLog(taskId)) process.stdout.write(text);
   * @throws DruidRemoteError (404 for an unknown id), DruidAbortedError
   */
  tailLog(taskId: string, options: TailOptions = {}): AsyncIterable<string> {
    const { signal } = options;
    const statusOf = () => this.requireStatus(taskId, signal && { signal });
    return {
      [Symbol.asyncIterator]: () => tailTaskLog(this.transport, taskId, options, statusOf),
    };
  }

  /** Asks a task to stop; it ends as FAILED. False if the Overlord does not know the id. Sent exactly once. */
  shutdown(taskId: string, options: CallOptions = {}): Promise<boolean> {
    const call = { operation: 'task shutdown', path: path`/druid/indexer/v1/task/${taskId}/shutdown` };
    return changeIfThere(this.transport, call, options);
  }

  /** Asks all tasks of a datasource to stop. False if it has none. Sent exactly once. */
  shutdownAll(datasource: string, options: CallOptions = {}): Promise<boolean> {
    const at = path`/druid/indexer/v1/datasources/${datasource}/shutdownAllTasks`;
    return changeIfThere(this.transport, { operation: 'shutdown of all tasks', path: at }, options);
  }

  /**
   * Locks that tasks hold now, by datasource, of those asked about (since Druid 30). Datasources without locks are
   * left out.
   *
   * @example (await druid.tasks.locks(['edits']))['edits'] // [{ type: 'EXCLUSIVE', interval: '2026-01-01…', … }]
   */
  async locks(
    datasources: readonly string[],
    options: CallOptions = {},
  ): Promise<Record<string, TaskLock[]>> {
    const call = {
      operation: 'task locks',
      method: 'POST',
      path: `${api}/activeLocks`,
      body: datasources.map((datasource) => ({ datasource })),
    } as const;
    return (await read(this.transport, call, locksSchema, options)).datasourceToLocks;
  }

  /** Removes ids of segments that were announced in the interval but never published. Returns how many. Sent exactly once. */
  async deletePendingSegments(
    datasource: string,
    interval: string,
    options: AuditOptions = {},
  ): Promise<number> {
    const call = {
      operation: 'deletion of pending segments',
      method: 'DELETE',
      path: path`/druid/indexer/v1/pendingSegments/${datasource}`,
      query: { interval },
    } as const;
    const schema = z.looseObject({ numDeleted: z.number() });
    return (await changeAndRead(this.transport, call, schema, options)).numDeleted;
  }

  /**
   * Waits until the task is over and returns its last status, SUCCESS and FAILED alike. SUCCESS means published, not
   * yet queryable: see `datasources.waitUntilQueryable`. Aborting ends the wait, not the task.
   *
   * @throws DruidTimeoutError, DruidAbortedError, DruidRemoteError (404 for an unknown id)
   */
  async waitFor(taskId: string, options: TaskWaitOptions = {}): Promise<TaskStatus> {
    const { pollIntervalMs = 500, timeoutMs = 3_600_000, signal, onStatus, onProgress } = options;
    const withSignal = signal && { signal };
    const limits = { pollIntervalMs, timeoutMs, ...withSignal };
    return poll(this.transport, `task '${taskId}'`, limits, async () => {
      const status = await this.requireStatus(taskId, withSignal);
      await onStatus?.(status);
      const hasReport = status.statusCode !== 'RUNNING' || status.runnerStatusCode === 'RUNNING';
      if (onProgress && hasReport) {
        const report = await ifItCanBeHad(this.transport, signal, () =>
          this.ingestionReport(taskId, withSignal),
        );
        await onProgress({ status, report });
      }
      return status.statusCode === 'RUNNING' ? { pending: status } : { done: status };
    });
  }

  private reportsCall(taskId: string) {
    return { operation: 'task reports', path: path`/druid/indexer/v1/task/${taskId}/reports` };
  }

  private async requireStatus(taskId: string, options: CallOptions = {}): Promise<TaskStatus> {
    const status = await this.status(taskId, options);
    if (status !== undefined) return status;
    const url = `${this.transport.baseUrl}${path`/druid/indexer/v1/task/${taskId}/status`}`;
    throw new DruidRemoteError({
      message: `The Overlord knows no task '${taskId}'. Was it submitted to this cluster?`,
      details: { method: 'GET', url, status: 404, druid: {} },
    });
  }
}

function isAlreadyExists(error: unknown, id: string): boolean {
  if (!DruidRemoteError.is(error) || error.details.status !== 400) return false;
  const { errorCode, errorMessage, error: legacy } = error.details.druid;
  if (errorCode !== undefined && errorCode !== 'general') return errorCode === 'entryAlreadyExists';
  // Before Druid 28 there is only prose: "Task[id] already exists!"
  const words = errorMessage ?? legacy ?? '';
  return words.includes(id) && /already exists/i.test(words);
}
