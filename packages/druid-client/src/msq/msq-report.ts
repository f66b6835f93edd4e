import { z } from 'zod';
import { optionalNumber, optionalText } from '../management/calls.js';

const fault = z.looseObject({
  errorCode: z.string(),
  errorMessage: optionalText,
});

const errorReport = z
  .looseObject({
    taskId: optionalText,
    host: optionalText,
    stageNumber: optionalNumber,
    error: fault,
    exceptionStackTrace: optionalText,
  })
  .transform(({ error, ...report }): MsqErrorReport => ({
    ...report,
    errorCode: error.errorCode,
    errorMessage: error.errorMessage,
    fault: error,
  }));

/** An error or a warning of a multi-stage query, and who met it. */
export interface MsqErrorReport {
  /** Druid's code, such as `InsertTimeNull`, `TooManyWarnings`, `Canceled` ("Error codes" in Druid's MSQ reference). */
  readonly errorCode: string;
  readonly errorMessage: string | undefined;
  /** The controller's or the worker's task. */
  readonly taskId: string | undefined;
  /** `name:port` of the process. */
  readonly host: string | undefined;
  readonly stageNumber: number | undefined;
  readonly exceptionStackTrace: string | undefined;
  /** The error with the members of its own code, such as `maxSize` of `RowTooLarge`. */
  readonly fault: Readonly<Record<string, unknown>>;
}

const numbers = z
  .array(z.number())
  .nullish()
  .transform((values) => values ?? undefined);

// Channels carry arrays by partition; progress counters have members of their own.
const counter = z.looseObject({
  type: z.string(),
  rows: numbers,
  bytes: numbers,
  frames: numbers,
  files: numbers,
  totalFiles: numbers,
});

/** A counter of a worker. Of channels, the arrays hold one number for each input or partition; bytes are not compressed. */
export type MsqCounter = z.output<typeof counter>;

const counters = z.record(z.string(), z.record(z.string(), z.record(z.string(), counter)));

/** Counters by stage number, worker number and name (`input0`, `output`, `shuffle`, `segmentGenerationProgress`, …). */
export type MsqCounters = z.output<typeof counters>;

const stage = z
  .looseObject({
    stageNumber: z.number(),
    definition: z.looseObject({ input: z.array(z.looseObject({ type: optionalText })).nullish() }).nullish(),
    phase: optionalText,
    workerCount: optionalNumber,
    partitionCount: optionalNumber,
    startTime: optionalText,
    duration: optionalNumber,
  })
  .transform(({ duration, ...rest }) => ({ ...rest, durationMs: duration }));

/** A stage; `phase` is NEW, READING_INPUT, POST_READING, RESULTS_READY, FINISHED or FAILED. Unknown members are kept. */
export type MsqStage = z.output<typeof stage>;

const status = z.looseObject({
  status: z.enum(['RUNNING', 'SUCCESS', 'FAILED']),
  startTime: optionalText,
  durationMs: optionalNumber,
  pendingTasks: optionalNumber,
  runningTasks: optionalNumber,
  errorReport: errorReport.nullish(),
  warnings: z.array(errorReport).nullish(),
});

const results = z.looseObject({
  signature: z.array(z.looseObject({ name: z.string(), type: optionalText })).nullish(),
  sqlTypeNames: z.array(z.string()).nullish(),
  results: z.array(z.array(z.unknown())).nullish(),
  resultsTruncated: z.boolean().nullish(),
});

/** The rows of a SELECT run as a task; Druid keeps the first 3,000 in the report. Use `druid.statements` for more. */
export type MsqReportResults = z.output<typeof results>;

/** The report of a multi-stage query, parsed. */
export interface MsqReport {
  readonly taskId: string;
  readonly status: 'RUNNING' | 'SUCCESS' | 'FAILED';
  /** ISO 8601; undefined before the query runs. */
  readonly startTime: string | undefined;
  /** Undefined before the query runs. */
  readonly durationMs: number | undefined;
  /** Tasks that have no slot yet; undefined while unknown. */
  readonly pendingTasks: number | undefined;
  /** The controller counts too. */
  readonly runningTasks: number | undefined;
  readonly error: MsqErrorReport | undefined;
  /** Rows that could not be parsed, mostly; Druid keeps a few. */
  readonly warnings: readonly MsqErrorReport[];
  readonly stages: readonly MsqStage[];
  readonly counters: MsqCounters;
  readonly totals: MsqTotals;
  readonly results: MsqReportResults | undefined;
  /** The payload as Druid sent it, with what newer versions add (`segmentLoadWaiterStatus`, `segmentReport`, …). */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Sums over all workers. */
export interface MsqTotals {
  /** Rows, bytes and files read from outside and from tables, not those passed between stages. Druid 27 does not count inline rows. */
  readonly rowsRead: number;
  readonly bytesRead: number;
  readonly filesRead: number;
  /** Rows in the segments that were made; 0 for a SELECT, and while none are. */
  readonly rowsWritten: number;
}

const payload = z.looseObject({
  status,
  stages: z.array(stage).nullish(),
  counters: counters.nullish(),
  results: results.nullish(),
});

/** The answer of `task/{id}/reports` for a controller task; undefined if it holds no report of a multi-stage query. */
export const msqReportSchema = z
  .looseObject({ multiStageQuery: z.looseObject({ taskId: z.string(), payload }).nullish() })
  .transform(
    ({ multiStageQuery }) => multiStageQuery && reportOf(multiStageQuery.taskId, multiStageQuery.payload),
  );

function reportOf(taskId: string, found: z.output<typeof payload>): MsqReport {
  const { durationMs, pendingTasks } = found.status;
  const stages = found.stages ?? [];
  const byStage = found.counters ?? {};
  return {
    taskId,
    status: found.status.status,
    startTime: found.status.startTime,
    durationMs: unlessNegative(durationMs),
    pendingTasks: unlessNegative(pendingTasks),
    runningTasks: unlessNegative(found.status.runningTasks),
    error: found.status.errorReport ?? undefined,
    warnings: found.status.warnings ?? [],
    stages,
    counters: byStage,
    totals: totalsOf(stages, byStage),
    results: found.results ?? undefined,
    payload: found,
  };
}

// Druid writes -1 for "not known yet".
function unlessNegative(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 ? value : undefined;
}

/** Sums of a query's counters. Pure. */
function totalsOf(stages: readonly MsqStage[], counters: MsqCounters): MsqTotals {
  const totals = { rowsRead: 0, bytesRead: 0, filesRead: 0, rowsWritten: 0 };
  for (const { stageNumber, definition } of stages) {
    const inputs = (definition?.input ?? []).map(({ type }, i) =>
      type === 'stage' ? undefined : `input${i}`,
    );
    for (const worker of Object.values(counters[stageNumber] ?? {})) {
      for (const name of inputs) {
        const channel = name === undefined ? undefined : worker[name];
        totals.rowsRead += sum(channel?.rows);
        totals.bytesRead += sum(channel?.bytes);
        totals.filesRead += sum(channel?.files);
      }
      const progress = worker['segmentGenerationProgress'];
      // Older versions count merged rows only; later ones what was pushed to deep storage, too.
      totals.rowsWritten += Number(progress?.['rowsPushed'] ?? progress?.['rowsMerged'] ?? 0);
    }
  }
  return totals;
}

function sum(values: readonly number[] | undefined): number {
  return (values ?? []).reduce((total, value) => total + value, 0);
}
