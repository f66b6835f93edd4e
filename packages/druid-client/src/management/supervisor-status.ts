import { z } from 'zod';
import { optionalNumber, optionalText } from './calls.js';

/** A supervisor as the list shows it. */
export const summarySchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  detailedState: z.string(),
  healthy: z.boolean(),
  suspended: z.boolean(),
});

/** A supervisor's state. `state` is PENDING, RUNNING, SUSPENDED, IDLE, STOPPING, UNHEALTHY_SUPERVISOR or UNHEALTHY_TASKS. */
export interface SupervisorSummary {
  readonly id: string;
  readonly state: string;
  readonly detailedState: string;
  readonly healthy: boolean;
  readonly suspended: boolean;
  readonly [key: string]: unknown;
}

const payloadSchema = z.looseObject({
  dataSource: optionalText,
  stream: optionalText,
  state: z.string(),
  detailedState: z.string(),
  healthy: z.boolean(),
  suspended: z.boolean(),
  aggregateLag: optionalNumber,
  recentErrors: z
    .array(z.unknown())
    .nullish()
    .transform((errors) => errors ?? []),
});

/** The answer of `supervisor/{id}/status`. */
export const supervisorStatusSchema = z
  .looseObject({ id: z.string(), generationTime: optionalText, payload: payloadSchema })
  .transform(({ id, generationTime, payload }): SupervisorStatus => ({
    ...payload,
    id,
    generationTime,
    dataSource: payload.dataSource,
    stream: payload.stream,
    aggregateLag: payload.aggregateLag,
  }));

/** A supervisor's full status; fields of the supervisor's own type are passed through. */
export interface SupervisorStatus extends SupervisorSummary {
  /** When the Overlord made this report, ISO 8601. */
  readonly generationTime: string | undefined;
  readonly dataSource: string | undefined;
  readonly stream: string | undefined;
  /** Records not read yet, over all partitions; undefined while unknown. */
  readonly aggregateLag: number | undefined;
  readonly recentErrors: readonly unknown[];
}

const movingAverage = z.looseObject({
  processed: z.number(),
  processedWithError: z.number(),
  unparseable: z.number(),
  thrownAway: z.number(),
});

const taskStats = z.looseObject({
  movingAverages: z.record(z.string(), z.record(z.string(), movingAverage)).nullish(),
  totals: z.record(z.string(), movingAverage).nullish(),
});

/** Rows of a reading task: `totals`, and `movingAverages` a second over `1m`, `5m` and `15m`, by phase (`buildSegments`). */
export type SupervisorTaskStats = z.output<typeof taskStats>;

/** The answer of `supervisor/{id}/stats`: by task group, then by task id. A task that does not answer is left out. */
export const supervisorStatsSchema = z.record(z.string(), z.record(z.string(), taskStats));

const parseError = z.looseObject({
  timeOfExceptionMillis: optionalNumber,
  errorType: optionalText,
  input: optionalText,
  details: z.array(z.string()).nullish(),
});

/** A record that could not be parsed. `timeOfExceptionMillis` is epoch milliseconds. */
export type SupervisorParseError = z.output<typeof parseError>;

/** The answer of `supervisor/{id}/parseErrors`. */
export const parseErrorsSchema = z.array(parseError);

const historyEntry = z.looseObject({ spec: z.looseObject({}).nullish(), version: z.string() });

/** A version of a supervisor's specification; `version` is when it was stored, ISO 8601. `spec.type` is `noop` for a termination. */
export type SupervisorHistoryEntry = z.output<typeof historyEntry>;

/** The answer of `supervisor/{id}/history`. */
export const historySchema = z.array(historyEntry);
