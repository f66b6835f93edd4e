/**
 * Hands out runs of a statement, one per request; which range comes next is decided in `range-plan.ts`.
 *
 * Invariant 1: a split is in the enumerator's state (as the position before it, or as returned) or in a reader's, never in
 *   both.
 * Invariant 2: a range is made only for a reader that asks for one: no reader has room, no range, no query.
 * Invariant 3: splits are handed out in order of time, those that were returned first.
 */
import type { SplitEnumerator, SplitEnumeratorContext } from '@millrace/core-stream';
import { registerProgress } from '../progress.js';
import { firstPosition, nextStep, stepsLeft, type RangePlan } from './range-plan.js';
import {
  newSplit,
  rangesByTime,
  requireSameStatement,
  type SqlEnumeratorState,
  type SqlSplit,
} from './sql-split.js';

// The time of day may be set meanwhile.
const longestWaitMs = 3_600_000;

export interface SqlEnumeratorOptions {
  readonly context: SplitEnumeratorContext<SqlSplit>;
  readonly plan: RangePlan;
  readonly query: string;
}

export class SqlEnumerator implements SplitEnumerator<SqlSplit, SqlEnumeratorState> {
  private readonly options: SqlEnumeratorOptions;
  private readonly waitingReaders = new Set<number>();
  private returned: SqlSplit[];
  private position: number;
  private isWakeUpScheduled = false;

  constructor(options: SqlEnumeratorOptions, restored: SqlEnumeratorState | undefined) {
    if (restored !== undefined) requireSameStatement(restored.query, options.query);
    this.options = options;
    this.returned = [...(restored?.returned ?? [])];
    this.position = restored?.position ?? firstPosition(options.plan, options.context.clock.now());
    const { plan, context } = options;
    registerProgress(context.metrics, () => {
      const left = stepsLeft(plan, this.position);
      const splitsPending = this.returned.length + (left ?? 0);
      return { splitsTotal: stepsLeft(plan, firstPosition(plan, 0)), splitsPending };
    });
  }

  start(): void {
    this.serve();
  }

  handleSplitRequest(subtaskIndex: number): void {
    this.waitingReaders.add(subtaskIndex);
    this.serve();
  }

  addSplitsBack(splits: readonly SqlSplit[]): void {
    for (const split of splits) requireSameStatement(split.query, this.options.query);
    this.returned = rangesByTime([...splits, ...this.returned]); // invariant 3
    this.serve();
  }

  snapshotState(): SqlEnumeratorState {
    return {
      format: 1,
      query: this.options.query,
      position: this.position,
      returned: [...this.returned],
    };
  }

  private serve(): void {
    const { context, plan, query } = this.options;
    for (const reader of this.waitingReaders) {
      const returned = this.returned.shift();
      if (returned !== undefined) {
        context.assignSplit(returned, reader);
      } else {
        const step = nextStep(plan, this.position, context.clock.now()); // invariant 2
        if (step.kind === 'wait') {
          this.wakeUpAfter(step.delayMs);
          return;
        }
        if (step.kind === 'end') {
          context.signalNoMoreSplits(reader);
        } else {
          this.position = step.position; // invariant 1
          context.assignSplit(newSplit(step.range, query), reader);
        }
      }
      this.waitingReaders.delete(reader);
    }
  }

  private wakeUpAfter(delayMs: number): void {
    if (this.isWakeUpScheduled) return;
    this.isWakeUpScheduled = true;
    this.options.context.callAsync(
      () => Promise.resolve(),
      () => {
        this.isWakeUpScheduled = false;
        this.serve();
      },
      { delayMs: Math.min(delayMs, longestWaitMs) },
    );
  }
}
