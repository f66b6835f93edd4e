/** Takes rows that do not fit to where the caller wants them, and counts them. */
import type { Counter, MetricGroup, OutputTag, ReaderOutput } from '@millrace/core-stream';
import type { DruidSourceRecordError } from './errors.js';

/** A row that does not fit, as it goes to a side output. Plain data. */
export interface InvalidRow {
  /** What it was read for: the segment's id, the range, the page, or `statement`. */
  readonly splitId: string;
  /** Its number within that, from 0. */
  readonly position: number;
  /** The row as an object, or its bare values in the order of the columns where a value does not fit its column. */
  readonly row: unknown;
  /** What does not fit, and what to do about it. */
  readonly message: string;
}

/**
 * What to do with a row that does not fit: stop the job (the default); hand it to a function and go on; or emit it to a side
 * output of the source, which checkpoints and restarts hold for as they do for records.
 */
export type OnInvalid<Rejected> = 'fail' | ((rejected: Rejected) => void) | OutputTag<InvalidRow>;

interface AnyRejected {
  readonly position: number;
  readonly row: unknown;
  readonly error: DruidSourceRecordError;
}

/** For `Source.sideOutputs`. */
export function sideOutputsOf(handler: OnInvalid<never>): readonly OutputTag<unknown>[] {
  return typeof handler === 'object' ? [handler] : [];
}

export class InvalidRows<Rejected extends AnyRejected> {
  private readonly handler: OnInvalid<Rejected>;
  private readonly count: Counter;

  constructor(handler: OnInvalid<Rejected>, metrics: MetricGroup) {
    this.handler = handler;
    this.count = metrics.counter('numInvalidRows', {
      description: 'Rows that did not fit and were set aside.',
    });
  }

  /** @throws DruidSourceRecordError where rows that do not fit stop the job */
  take(
    rejected: Rejected,
    splitId: string,
    timestamp: number | undefined,
    output: ReaderOutput<unknown>,
  ): void {
    const { position, row, error } = rejected;
    if (this.handler === 'fail') throw error;
    this.count.inc();
    if (typeof this.handler === 'function') this.handler(rejected);
    else output.sideOutput(this.handler, { splitId, position, row, message: error.message }, timestamp);
  }
}
