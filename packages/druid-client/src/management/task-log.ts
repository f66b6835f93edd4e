import { StringDecoder } from 'node:string_decoder';
import { poll } from '../poll.js';
import type { Transport } from '../transport.js';
import { path } from '../request.js';
import { isUnknownToDruid } from '../json-request.js';
import type { CallOptions } from './calls.js';
import type { TaskStatus } from './task-status.js';

/** Options of {@link DruidTasks.log}. */
export interface TaskLogOptions extends CallOptions {
  /** Bytes to leave out at the beginning; negative: that many bytes from the end. Default 0, the whole log. */
  readonly offset?: number;
}

/** Options of {@link DruidTasks.tailLog}: by default a look every second, without a time limit. */
export interface TailOptions {
  /** Bytes to leave out at the beginning; negative: begins so many bytes before its present end. Default 0. */
  readonly offset?: number;
  /** Milliseconds between looks at the server. */
  readonly pollIntervalMs?: number;
  readonly signal?: AbortSignal;
}

/** The log's bytes from `offset` on, or undefined while there is none. */
export async function readTaskLog(
  transport: Transport,
  taskId: string,
  options: TaskLogOptions,
): Promise<Buffer | undefined> {
  const { offset = 0, signal, timeoutMs } = options;
  try {
    return await transport.bytes({
      operation: 'task log',
      method: 'GET',
      path: path`/druid/indexer/v1/task/${taskId}/log`,
      query: { offset: String(offset) },
      kind: 'read',
      signal,
      timeoutMs,
    });
  } catch (error) {
    if (isUnknownToDruid(error)) return undefined;
    throw error;
  }
}

/** What is new in a task's log, until the task is over and its log read to the end. */
export async function* tailTaskLog(
  transport: Transport,
  taskId: string,
  options: TailOptions,
  statusOf: () => Promise<TaskStatus>,
): AsyncGenerator<string, void, undefined> {
  const { pollIntervalMs = 1_000, signal } = options;
  const limits = { pollIntervalMs, timeoutMs: Infinity, ...(signal && { signal }) };
  let offset = options.offset ?? 0;
  // Of what is there now, so that the log may grow.
  if (offset < 0) {
    const log = await readTaskLog(transport, taskId, { ...(signal && { signal }) });
    offset = Math.max(0, (log?.length ?? 0) + offset);
  }
  // A running task's log may end inside a UTF-8 sequence: the decoder keeps its bytes until the others are there.
  const decoder = new StringDecoder('utf8');
  for (let isOver = false; !isOver;) {
    const { bytes, hasEnded } = await poll(transport, `log of task '${taskId}'`, limits, async () => {
      // The status comes first: what was written before the task ended is then in the log that is read after.
      const { statusCode } = await statusOf();
      const ended = statusCode !== 'RUNNING';
      const log = await readTaskLog(transport, taskId, { offset, ...(signal && { signal }) });
      if (!log?.length && !ended) return { pending: statusCode };
      return { done: { bytes: log ?? Buffer.alloc(0), hasEnded: ended } };
    });
    offset += bytes.length;
    isOver = hasEnded;
    const text = decoder.write(bytes) + (isOver ? decoder.end() : '');
    if (text !== '') yield text;
  }
}
