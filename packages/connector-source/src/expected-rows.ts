import { z } from 'zod';
import { isAway, judgeCount, judgeScan, type ScanEnd, type SegmentAvailability } from './completeness.js';
import { formatRange, type DruidSplit } from './druid-split.js';
import { DruidSourceError } from './errors.js';
import type { DruidFilter } from './filters.js';
import { endOf, scanFailure } from './scan-failure.js';
import {
  descriptorOf,
  filterOf,
  isSelective,
  waitBeforeRetry,
  type QuestionTools,
  type ScanSettings,
} from './scan-tools.js';
import { lookUpAvailability } from './segment-catalog.js';

/**
 * The number of rows that reading the split yields in all, proven (invariants 1 to 3 of `completeness.ts`). Waits for a
 * segment that is not on a Historical yet.
 *
 * @throws DruidSourceIncompleteError, DruidSourceSegmentGoneError, DruidSourceReadError
 */
export async function proveExpectedRows(
  split: DruidSplit,
  settings: ScanSettings,
  tools: QuestionTools,
): Promise<number> {
  const startedMs = tools.clock.now();
  const { pinnedRows } = split;
  let availability: SegmentAvailability = 'unknown';
  let fruitlessAttempts = 0;
  for (let attempt = 1; ; attempt++) {
    let cause: unknown;
    let end: ScanEnd = 'clean';
    try {
      if (pinnedRows === 0 || attempt > 1) {
        availability = 'unknown';
        availability = await lookUpAvailability(
          tools.druid,
          settings.dataSource,
          split.splitId,
          tools.signal,
        );
      }
      const isServed = availability === 'available' || (availability === 'unknown' && pinnedRows > 0); // invariant 1
      if (isServed && pinnedRows > 0 && !isSelective(split, settings)) return pinnedRows;
      if (isServed) {
        const { total, matching } = await countRows(split, settings, tools);
        const verdict = judgeCount(pinnedRows, total, matching);
        if (verdict.kind === 'proven') return verdict.expectedRows;
        if (verdict.kind === 'contradiction') {
          throw scanFailure('contradiction', split, { expected: pinnedRows, delivered: total });
        }
      }
    } catch (error) {
      if (DruidSourceError.is(error)) throw error;
      tools.signal.throwIfAborted();
      cause = error;
      end = endOf(error);
    }
    if (!isAway({ end, availability })) fruitlessAttempts++;
    const verdict = judgeScan(
      {
        expectedRows: Number.POSITIVE_INFINITY,
        delivered: split.position,
        end,
        availability,
        fruitlessAttempts,
        waitedMs: tools.clock.now() - startedMs,
      },
      settings.policy,
    );
    if (verdict.kind === 'fail') {
      throw scanFailure(verdict.reason, split, { expected: pinnedRows, delivered: split.position, cause });
    }
    await waitBeforeRetry(split, attempt, availability, tools, cause);
  }
}

const countResult = z.array(z.object({ result: z.object({ total: z.number(), matching: z.number() }) }));

/** All rows of the segment and those that the scan will yield, from one answer (invariant 2). */
async function countRows(
  split: DruidSplit,
  settings: ScanSettings,
  tools: QuestionTools,
): Promise<{ readonly total: number; readonly matching: number }> {
  const { range, virtualColumns } = settings;
  const filter = filterOf(split, settings);
  const fields: DruidFilter[] = [
    ...(range === undefined
      ? []
      : [{ type: 'interval' as const, dimension: '__time', intervals: [formatRange(range)] }]),
    ...(filter === undefined ? [] : [filter]),
  ];
  const count = { type: 'count', name: 'matching' };
  const [row] = await tools.druid.native.query(
    {
      queryType: 'timeseries',
      dataSource: settings.dataSource,
      intervals: { type: 'segments', segments: [descriptorOf(split, split.segment.interval)] },
      granularity: 'all',
      aggregations: [
        { type: 'count', name: 'total' },
        fields.length === 0
          ? count
          : { type: 'filtered', name: 'matching', filter: { type: 'and', fields }, aggregator: count },
      ],
      ...(virtualColumns.length > 0 && { virtualColumns }),
      context: settings.queryContext,
    },
    { schema: countResult, signal: tools.signal },
  );
  return row?.result ?? { total: 0, matching: 0 };
}
