import { StreamRecordError } from '../errors.js';
import type { Collector, OutputTag } from '../functions/functions.js';
import type { JoinContext, ProcessJoinFunction } from '../functions/join-functions.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { OperatorContext, Output } from './operator.js';
import { TimestampedCollector } from './timestamped-collector.js';
import type { Buffered } from './time-buffer.js';

/** Gives the pairs of a join to the user's function, and late records to their side outputs. */
export class JoinOutput implements JoinContext {
  readonly #operatorName: string;
  readonly #output: Output;
  readonly #join: ProcessJoinFunction<unknown, unknown, unknown>;
  readonly #collector: TimestampedCollector;
  leftTimestamp: number | undefined;
  rightTimestamp: number | undefined;
  lateRecordsDropped = 0;

  constructor(
    context: OperatorContext,
    output: Output,
    join: ProcessJoinFunction<unknown, unknown, unknown>,
  ) {
    this.#operatorName = context.operatorName;
    this.#output = output;
    this.#join = join;
    this.#collector = new TimestampedCollector(output);
  }

  get timestamp(): number {
    return this.#collector.timestamp;
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.#output.sideOutput(tag.id, value, this.#collector.timestamp);
  }

  /** Results get `timestamp`. */
  emit(left: Buffered | undefined, right: Buffered | undefined, timestamp: number): void {
    this.leftTimestamp = left?.timestamp;
    this.rightTimestamp = right?.timestamp;
    this.#collector.timestamp = timestamp;
    this.#join(left?.value, right?.value, this, this.#collector as Collector<unknown>);
  }

  /** A record that comes too late for the join. */
  late(tag: OutputTag<unknown> | undefined, value: unknown, timestamp: number): void {
    if (tag === undefined) this.lateRecordsDropped++;
    else this.#output.sideOutput(tag.id, value, timestamp);
  }

  /** @throws StreamRecordError for a record without a timestamp */
  requireTimestamp(timestamp: number): void {
    if (timestamp !== MIN_TIMESTAMP) return;
    throw new StreamRecordError(
      `A record without a timestamp reached '${this.#operatorName}', which joins in event time. ` +
        'Give the source a WatermarkStrategy with a timestamp assigner, or call assignTimestampsAndWatermarks before it.',
      { details: { operator: this.#operatorName } },
    );
  }
}
