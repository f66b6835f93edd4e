/**
 * Finds the segments to read and hands them out, one per request. Decisions are in `pin-segments.ts` (bounded) and
 * `poll-segments.ts` (unbounded); Druid is asked by `segment-lister.ts`; this keeps the state.
 *
 * Invariant 1: bounded, the set of segments is pinned once per job, not once per start: a restored job reads what the
 *   first one pinned.
 * Invariant 2: a split is in the enumerator's state or in a reader's, never in both; in unbounded mode its id is
 *   remembered from the turn in which it became a split.
 * Invariant 3: bounded, splits are handed out in order of time, so that no reader is ahead of the others by more than
 *   one segment's interval, and a watermark that lags by that much makes no row late.
 * Invariant 4: unbounded, once the columns have been checked nothing is polled for while segments wait for a reader that
 *   has room.
 */
import type { Counter, SplitEnumerator, SplitEnumeratorContext } from '@millrace/core-stream';
import type { ColumnReading } from './druid-columns.js';
import { requireSameQuery, rowsLeft, splitsByTime, type DruidSplit, type TimeRange } from './druid-split.js';
import { metadataError, missingError, replacedError } from './enumerator-failure.js';
import { pinSegments, type SplitScope } from './pin-segments.js';
import { foundMore, registerProgress, sum, type FoundSplits } from './progress.js';
import { planPoll, type OnReplaced, type ReplacementConflict } from './poll-segments.js';
import type { QuestionTools } from './scan-tools.js';
import { SegmentLister, type Listing } from './segment-lister.js';
import type { SeenSegment } from './segment-replacement.js';
import type { OpenClient } from './split-reader.js';

/** What a checkpoint stores of the enumerator. Plain data. */
export interface DruidEnumeratorState {
  readonly format: 1;
  /** Fingerprint of datasource, filter and interval. */
  readonly query: string;
  /** Bounded: whether `pending` holds all that is left. */
  readonly isPinned: boolean;
  /** Splits that no reader has. */
  readonly pending: readonly DruidSplit[];
  /** Unbounded: segments that were handed out or passed over. */
  readonly seen: readonly SeenSegment[];
  /** For metrics. */
  readonly found?: FoundSplits;
}

/** Unbounded reading: how often to look for new segments and what to do about replaced data. */
export interface UnboundedSettings {
  readonly pollIntervalMs: number;
  readonly onReplaced: OnReplaced;
  readonly forgetAfterMs: number;
}

export interface SegmentEnumeratorOptions {
  readonly context: SplitEnumeratorContext<DruidSplit>;
  readonly openClient: OpenClient;
  readonly dataSource: string;
  readonly readings: Readonly<Record<string, ColumnReading>>;
  readonly range: TimeRange | undefined;
  readonly query: string;
  readonly unbounded: UnboundedSettings | undefined;
  /** Bounded: cuts the pinned splits down to a limit, if there is one. */
  readonly takeFirst?:
    ((splits: readonly DruidSplit[], tools: QuestionTools) => Promise<DruidSplit[]>) | undefined;
}

// A poll that finds something is soon followed by another: segments of one task are not all loaded at once.
const shortestPollMs = 250;
// About the time in which a Broker restarts; polls back off meanwhile.
const maxFailedPolls = 20;

export class SegmentEnumerator implements SplitEnumerator<DruidSplit, DruidEnumeratorState> {
  private readonly options: SegmentEnumeratorOptions;
  private readonly scope: SplitScope;
  private readonly client: ReturnType<OpenClient>;
  private readonly lister: SegmentLister;
  private readonly waitingReaders = new Set<number>();
  private pending: DruidSplit[];
  private seen: readonly SeenSegment[];
  private isPinned: boolean;
  private failedPolls = 0;
  private found: FoundSplits;
  private waitingSegments: number | undefined;
  private listedAtMs: number | undefined;
  private readonly failedListings: Counter;
  private pollDelayMs = shortestPollMs;
  private isPollDue = false;

  constructor(options: SegmentEnumeratorOptions, restored: DruidEnumeratorState | undefined) {
    if (restored !== undefined) requireSameQuery(restored.query, options.query);
    this.options = options;
    this.scope = { range: options.range, query: options.query };
    this.pending = [...(restored?.pending ?? [])];
    this.seen = restored?.seen ?? [];
    this.isPinned = restored?.isPinned ?? false;
    this.found = restored?.found ?? { splits: 0, rows: 0 };
    this.failedListings = this.registerMetrics();
    this.client = options.openClient();
    this.lister = new SegmentLister(options, this.client.druid);
  }

  start(): void {
    const { unbounded, context } = this.options;
    if (unbounded !== undefined) this.schedulePoll(0, unbounded);
    else if (!this.isPinned)
      context.callAsync(
        (signal) => this.lister.list(this.seen, signal),
        (listing) => this.pin(listing),
      ); // invariant 1
    else this.serve();
  }

  handleSplitRequest(subtaskIndex: number): void {
    this.waitingReaders.add(subtaskIndex);
    this.serve();
    this.pollOn();
  }

  addSplitsBack(splits: readonly DruidSplit[]): void {
    for (const split of splits) requireSameQuery(split.query, this.options.query);
    this.pending = splitsByTime([...splits, ...this.pending]); // invariant 3
    this.serve();
  }

  snapshotState(): DruidEnumeratorState {
    const { query } = this.options;
    const { isPinned, pending, seen, found } = this;
    return { format: 1, query, isPinned, pending: [...pending], seen: [...seen], found };
  }

  close(): void {
    this.client.release();
  }

  /** Hands out what there is to whoever waits. */
  private serve(): void {
    const { context, unbounded } = this.options;
    for (const reader of this.waitingReaders) {
      const split = this.pending.shift();
      if (split !== undefined)
        context.assignSplit(split, reader); // invariant 2
      else if (unbounded === undefined && this.isPinned) context.signalNoMoreSplits(reader);
      else return;
      this.waitingReaders.delete(reader);
    }
  }

  /** The next poll, once nothing is left to hand out (invariant 4). */
  private pollOn(): void {
    const { unbounded } = this.options;
    if (unbounded === undefined || !this.isPollDue) return;
    if (this.lister.hasCheckedColumns && this.pending.length > 0) return;
    this.isPollDue = false;
    this.schedulePoll(this.pollDelayMs, unbounded);
  }

  private pin(listing: Listing): void {
    const { dataSource, context, takeFirst } = this.options;
    if ('failed' in listing) throw metadataError(dataSource, listing.failed);
    if ('missing' in listing) throw missingError(dataSource);
    const splits = pinSegments(listing.segments, this.scope);
    if (takeFirst === undefined) return this.hold(splits);
    const { clock, logger } = context;
    const { druid } = this.client;
    context.callAsync(
      (signal) => takeFirst(splits, { druid, clock, logger, signal }),
      (taken) => this.hold(taken),
    );
  }

  /** From here on these are the splits of the job (invariant 1). */
  private hold(splits: DruidSplit[]): void {
    const { dataSource, context } = this.options;
    this.pending = splits;
    this.found = foundMore(this.found, splits.map(rowsOf));
    this.isPinned = true;
    context.logger.info('Druid segments pinned', { dataSource, segments: splits.length });
    this.serve();
  }

  private schedulePoll(delayMs: number, unbounded: UnboundedSettings): void {
    this.options.context.callAsync(
      (signal) => this.lister.list(this.seen, signal),
      (listing) => {
        this.poll(listing, unbounded);
        this.isPollDue = true;
        this.pollOn();
      },
      { delayMs },
    );
  }

  private poll(listing: Listing, unbounded: UnboundedSettings): void {
    const { dataSource, context } = this.options;
    this.pollDelayMs = Math.min(unbounded.pollIntervalMs, this.pollDelayMs * 2);
    if ('failed' in listing) {
      this.failedListings.inc();
      if (++this.failedPolls >= maxFailedPolls) throw metadataError(dataSource, listing.failed);
      const cause = listing.failed instanceof Error ? listing.failed.message : String(listing.failed);
      context.logger.warn('Druid segments could not be listed, trying again', { dataSource, cause });
      return;
    }
    this.failedPolls = 0;
    this.listedAtMs = context.clock.now();
    if ('missing' in listing) return; // not created yet: wait
    const plan = planPoll(this.seen, listing.segments, {
      ...this.scope,
      ...unbounded,
      nowMs: context.clock.now(),
    });
    this.report(plan.conflicts, unbounded.onReplaced);
    if (plan.compacted.length > 0) {
      context.logger.info('Compacted Druid segments passed over', {
        dataSource,
        segments: plan.compacted.length,
      });
    }
    this.seen = plan.seen;
    this.waitingSegments = plan.waiting;
    this.found = foundMore(this.found, plan.splits.map(rowsOf));
    this.pending = [...this.pending, ...plan.splits]; // invariant 2
    if (plan.splits.length > 0) this.pollDelayMs = Math.min(shortestPollMs, unbounded.pollIntervalMs);
    this.serve();
  }

  private registerMetrics(): Counter {
    const { context, unbounded } = this.options;
    const { metrics, clock } = context;
    registerProgress(metrics, () => ({
      splitsTotal: this.found.splits,
      splitsPending: this.pending.length,
      rowsTotal: this.found.rows,
      rowsPending: sum(this.pending.map(rowsOf)),
    }));
    if (unbounded !== undefined) {
      metrics.gauge('segmentsWaiting', () => this.waitingSegments, {
        description: 'Segments that are published but cannot be read yet.',
      });
      metrics.gauge('pollAgeMs', () => this.listedAtMs && clock.now() - this.listedAtMs, {
        description: 'Milliseconds since the published segments were last listed.',
      });
    }
    return metrics.counter('numFailedPolls', { description: 'Listings of the segments that failed.' });
  }

  private report(conflicts: readonly ReplacementConflict[], onReplaced: OnReplaced): void {
    const [conflict] = conflicts;
    if (conflict === undefined) return;
    const { dataSource, context } = this.options;
    const { interval } = conflict;
    if (onReplaced === 'fail') {
      throw replacedError(dataSource, conflict);
    }
    context.logger.warn('Druid data that was read has been replaced', {
      dataSource,
      interval,
      action: onReplaced,
      intervals: conflicts.length,
    });
  }
}

const rowsOf = (split: DruidSplit): number => rowsLeft(split, split.position);
