/** Task reports in the shape of `GET task/{id}/reports` (`ingestionStatsAndErrors`). */

import type { IngestionSpec } from './ingestion-spec.js';
import type { ParseEvent, RowStats } from './row-reader.js';
import type { TaskRecord } from './task-store.js';

const ZERO = { processed: 0, processedBytes: 0, processedWithError: 0, thrownAway: 0, unparseable: 0 };

/** The report of a task that published `segments` segments from `bytes` bytes of rows. */
export function successReport(
  task: TaskRecord,
  spec: IngestionSpec,
  stats: RowStats,
  bytes: number,
  segments: number,
  nowMs: number,
): string {
  const { processed, processedWithError, thrownAway, unparseable } = stats;
  const build = { processed, processedBytes: bytes, processedWithError, thrownAway, unparseable };
  // Druid scans the input a first time to find the intervals; values are not converted yet, so none is in error.
  const determine =
    spec.intervals.length > 0
      ? ZERO
      : { ...build, processed: processed + processedWithError, processedWithError: 0 };
  return report(task, spec, {
    ingestionState: 'COMPLETED',
    unparseableEvents: events(spec, stats, nowMs),
    rowStats: { determinePartitions: determine, buildSegments: build },
    errorMsg: null,
    segmentsPublished: segments,
  });
}

/** The report of a task that failed and published nothing. */
export function failureReport(
  task: TaskRecord,
  spec: IngestionSpec,
  stats: RowStats,
  message: string,
  nowMs: number,
): string {
  const { processed, unparseable } = stats;
  return report(task, spec, {
    ingestionState: 'DETERMINE_PARTITIONS',
    unparseableEvents: events(spec, stats, nowMs),
    rowStats: { determinePartitions: { ...ZERO, processed, unparseable }, buildSegments: ZERO },
    errorMsg: message,
  });
}

function events(spec: IngestionSpec, stats: RowStats, nowMs: number): Record<string, unknown[]> {
  const shown = (list: ParseEvent[]): unknown[] =>
    list.map((event) => ({ ...event, timeOfExceptionMillis: nowMs })).reverse();
  const found: Record<string, unknown[]> = {};
  if (spec.intervals.length === 0 && stats.events.length > 0)
    found['determinePartitions'] = shown(stats.events);
  if (stats.withErrorEvents.length > 0) found['buildSegments'] = shown(stats.withErrorEvents);
  return found;
}

function report(task: TaskRecord, spec: IngestionSpec, payload: Record<string, unknown>): string {
  return JSON.stringify({
    ingestionStatsAndErrors: {
      type: 'ingestionStatsAndErrors',
      taskId: task.id,
      payload: {
        ...payload,
        segmentAvailabilityConfirmed: false,
        segmentAvailabilityWaitTimeMs: 0,
        recordsProcessed: {},
      },
    },
    taskContext: {
      type: 'taskContext',
      taskId: task.id,
      payload: { forceTimeChunkLock: true, useLineageBasedSegmentAllocation: true, ...spec.context },
    },
  });
}
