import { z } from 'zod';
import { DruidRemoteError } from './errors.js';
import { requestJson, requestJsonOrUndefined } from './json-request.js';
import { poll, type WaitOptions } from './poll.js';
import { path } from './request.js';
import type { Transport } from './transport.js';

/** A task as Druid's Overlord takes it. With an `id` of its own it may be submitted again without running twice. */
export interface TaskSpec {
  readonly type: string;
  readonly id?: string;
  readonly [key: string]: unknown;
}

const nullableText = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);

const taskStatusSchema = z
  .object({
    id: z.string(),
    groupId: nullableText,
    type: nullableText,
    dataSource: nullableText,
    createdTime: nullableText,
    statusCode: z.enum(['RUNNING', 'SUCCESS', 'FAILED']),
    runnerStatusCode: nullableText,
    duration: z.number().nullish(),
    errorMsg: nullableText,
    location: z.looseObject({ host: z.string().nullish(), port: z.number() }).nullish(),
  })
  .transform(({ duration, location, ...status }) => ({
    ...status,
    durationMs: typeof duration === 'number' && duration >= 0 ? duration : undefined,
    location: location?.host ? { host: location.host, port: location.port } : undefined,
  }));

/** Druid's words for where a task is; SUCCESS and FAILED are final. */
export type TaskStatusCode = 'RUNNING' | 'SUCCESS' | 'FAILED';

/** What the Overlord knows of a task. */
export interface TaskStatus {
  readonly id: string;
  readonly groupId: string | undefined;
  readonly type: string | undefined;
  readonly dataSource: string | undefined;
  /** ISO 8601. */
  readonly createdTime: string | undefined;
  /** RUNNING from submission on; see `runnerStatusCode` for whether it has a slot. */
  readonly statusCode: TaskStatusCode;
  /** WAITING, PENDING (no slot yet), RUNNING or NONE. */
  readonly runnerStatusCode: string | undefined;
  /** Milliseconds; undefined until the task is over. */
  readonly durationMs: number | undefined;
  readonly errorMsg: string | undefined;
  /** Where it runs or ran. */
  readonly location: { readonly host: string; readonly port: number } | undefined;
}

/** Options of {@link DruidTasks.waitFor}: by default a look every 500 ms, for an hour. */
export interface TaskWaitOptions extends WaitOptions {
  /** Called after every look at the server, the last one included. */
  readonly onStatus?: (status: TaskStatus) => void;
}

const submitSchema = z.looseObject({ task: z.string() });
const statusSchema = z.looseObject({ status: taskStatusSchema.nullish() });
const reportsSchema = z.record(z.string(), z.unknown());

/** `/druid/indexer/v1/task`. */
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
  async submit(spec: TaskSpec): Promise<{ taskId: string; alreadyExists: boolean }> {
    const { id } = spec;
    try {
      const { task } = await requestJson(
        this.transport,
        {
          operation: 'task submission',
          method: 'POST',
          path: '/druid/indexer/v1/task',
          kind: id === undefined ? 'once' : 'identified',
          body: spec,
        },
        submitSchema,
      );
      return { taskId: task, alreadyExists: false };
    } catch (error) {
      if (id !== undefined && isAlreadyExists(error, id)) return { taskId: id, alreadyExists: true };
      throw error;
    }
  }

  /** The task's status, or undefined if the Overlord does not know the id. */
  async status(
    taskId: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<TaskStatus | undefined> {
    const answer = await requestJsonOrUndefined(
      this.transport,
      {
        operation: 'task status',
        method: 'GET',
        path: path`/druid/indexer/v1/task/${taskId}/status`,
        kind: 'read',
        signal: options.signal,
      },
      statusSchema,
    );
    return answer?.status ?? undefined;
  }

  /** The task's reports by name (such as `ingestionStatsAndErrors`), or undefined while there are none. */
  reports(taskId: string): Promise<Record<string, unknown> | undefined> {
    return requestJsonOrUndefined(
      this.transport,
      {
        operation: 'task reports',
        method: 'GET',
        path: path`/druid/indexer/v1/task/${taskId}/reports`,
        kind: 'read',
      },
      reportsSchema,
    );
  }

  /** Asks a task to stop; it ends as FAILED. False if the Overlord does not know the id. */
  async shutdown(taskId: string): Promise<boolean> {
    const answer = await requestJsonOrUndefined(
      this.transport,
      {
        operation: 'task shutdown',
        method: 'POST',
        path: path`/druid/indexer/v1/task/${taskId}/shutdown`,
        kind: 'once',
        body: {},
      },
      z.unknown(),
    );
    return answer !== undefined;
  }

  /**
   * Waits until the task is over and returns its last status, SUCCESS and FAILED alike. SUCCESS means published, not
   * yet queryable: see `datasources.waitUntilQueryable`. Aborting ends the wait, not the task.
   *
   * @throws DruidTimeoutError, DruidAbortedError, DruidRemoteError (404 for an unknown id)
   */
  async waitFor(taskId: string, options: TaskWaitOptions = {}): Promise<TaskStatus> {
    const { pollIntervalMs = 500, timeoutMs = 3_600_000, signal } = options;
    const operation = `task '${taskId}'`;
    const limits = { pollIntervalMs, timeoutMs, ...(signal && { signal }) };
    return poll(this.transport.runtime, operation, limits, async () => {
      const status = await this.status(taskId, signal && { signal });
      if (status === undefined) throw this.unknownTask(taskId);
      options.onStatus?.(status);
      return status.statusCode === 'RUNNING' ? { pending: status } : { done: status };
    });
  }

  private unknownTask(taskId: string): DruidRemoteError {
    const url = `${this.transport.baseUrl}${path`/druid/indexer/v1/task/${taskId}/status`}`;
    return new DruidRemoteError({
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
