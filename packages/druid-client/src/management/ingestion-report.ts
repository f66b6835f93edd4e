import { z } from 'zod';
import { optionalNumber, optionalText } from './calls.js';

const count = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);

const rowStats = z.looseObject({
  processed: count,
  processedWithError: count,
  thrownAway: count,
  unparseable: count,
  processedBytes: optionalNumber,
});

/** Rows that one phase of a native batch or streaming task has seen. Unknown members are kept. */
export type IngestionRowStats = z.output<typeof rowStats>;

const payload = z.looseObject({
  ingestionState: optionalText,
  errorMsg: optionalText,
  segmentAvailabilityConfirmed: z.boolean().nullish(),
  segmentsRead: optionalNumber,
  segmentsPublished: optionalNumber,
  rowStats: z
    .looseObject({
      determinePartitions: rowStats.nullish(),
      buildSegments: rowStats.nullish(),
      // While the task runs, the same counts lie one level deeper.
      totals: z
        .looseObject({ determinePartitions: rowStats.nullish(), buildSegments: rowStats.nullish() })
        .nullish(),
    })
    .nullish(),
  unparseableEvents: z.record(z.string(), z.array(z.unknown()).nullish()).nullish(),
});

/** The report `ingestionStatsAndErrors` of a native batch or streaming task. */
export interface IngestionReport {
  readonly taskId: string;
  /** NOT_STARTED, DETERMINE_PARTITIONS, BUILD_SEGMENTS, SEGMENT_AVAILABILITY_WAIT or COMPLETED. */
  readonly ingestionState: string | undefined;
  readonly errorMsg: string | undefined;
  /** Rows read into segments so far; undefined before that phase, or where the task type does not count them. */
  readonly buildSegments: IngestionRowStats | undefined;
  /** Rows read to choose partitions (hashed and range partitioning only). */
  readonly determinePartitions: IngestionRowStats | undefined;
  /** Of compaction and reindexing. */
  readonly segmentsRead: number | undefined;
  readonly segmentsPublished: number | undefined;
  /** Whether the task itself waited for its segments to be loaded (`awaitSegmentAvailabilityTimeoutMillis`). */
  readonly segmentAvailabilityConfirmed: boolean | undefined;
  /** By phase; Druid keeps a few (`maxSavedParseExceptions`). */
  readonly unparseableEvents: Readonly<Record<string, readonly unknown[]>>;
}

/** The member `ingestionStatsAndErrors` of a task's reports. */
export const ingestionReportSchema = z
  .looseObject({ taskId: z.string(), payload })
  .transform(({ taskId, payload: report }): IngestionReport => ({
    taskId,
    ingestionState: report.ingestionState,
    errorMsg: report.errorMsg,
    buildSegments: report.rowStats?.buildSegments ?? report.rowStats?.totals?.buildSegments ?? undefined,
    determinePartitions:
      report.rowStats?.determinePartitions ?? report.rowStats?.totals?.determinePartitions ?? undefined,
    segmentsRead: report.segmentsRead,
    segmentsPublished: report.segmentsPublished,
    segmentAvailabilityConfirmed: report.segmentAvailabilityConfirmed ?? undefined,
    unparseableEvents: Object.fromEntries(
      Object.entries(report.unparseableEvents ?? {}).map(([phase, events]) => [phase, events ?? []]),
    ),
  }));
