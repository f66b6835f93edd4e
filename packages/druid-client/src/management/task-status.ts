import { z } from 'zod';
import { optionalNumber, optionalText } from './calls.js';

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

const statusCode = z.enum(['RUNNING', 'SUCCESS', 'FAILED']);
const location = z.looseObject({ host: z.string().nullish(), port: z.number() }).nullish();

/** A task as the Overlord's lists and `task/{id}/status` show it. */
export const taskStatusSchema = z
  .object({
    id: z.string(),
    groupId: optionalText,
    type: optionalText,
    dataSource: optionalText,
    createdTime: optionalText,
    // Lists of pending and waiting tasks leave the code out in some versions: such a task is not over.
    statusCode: statusCode.nullish().transform((code): TaskStatusCode => code ?? 'RUNNING'),
    runnerStatusCode: optionalText,
    duration: z.number().nullish(),
    errorMsg: optionalText,
    location,
  })
  .transform(({ duration, location: at, ...status }): TaskStatus => ({
    ...status,
    durationMs: typeof duration === 'number' && duration >= 0 ? duration : undefined,
    location: at?.host ? { host: at.host, port: at.port } : undefined,
  }));

/** What `POST taskStatus` tells of a task: less than {@link TaskStatus}. */
export interface BriefTaskStatus {
  readonly id: string;
  readonly statusCode: TaskStatusCode;
  /** Milliseconds; undefined until the task is over. */
  readonly durationMs: number | undefined;
  readonly errorMsg: string | undefined;
}

/** An answer of `POST taskStatus`, by task id. */
export const briefStatuses = z.record(
  z.string(),
  z
    .looseObject({ id: z.string(), status: statusCode, duration: optionalNumber, errorMsg: optionalText })
    .transform(({ id, status, duration, errorMsg }): BriefTaskStatus => ({
      id,
      statusCode: status,
      durationMs: duration !== undefined && duration >= 0 ? duration : undefined,
      errorMsg,
    })),
);
