import type { OutputTag, ProcessContext } from '../functions/functions.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { OperatorContext, Output } from './operator.js';
import { TimestampedCollector } from './timestamped-collector.js';

/** What a user's function sees of the record it is called for: one object per subtask, so that no record allocates one. */
export class FunctionContext implements ProcessContext {
  readonly collector: TimestampedCollector;
  currentWatermark = MIN_TIMESTAMP;
  protected readonly operator: OperatorContext;
  protected readonly target: Output;

  constructor(operator: OperatorContext, target: Output) {
    this.operator = operator;
    this.target = target;
    this.collector = new TimestampedCollector(target);
  }

  get timestamp(): number | undefined {
    const { timestamp } = this.collector;
    return timestamp === MIN_TIMESTAMP ? undefined : timestamp;
  }

  currentProcessingTime(): number {
    return this.operator.clock.now();
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.target.sideOutput(tag.id, value, this.collector.timestamp);
  }
}
