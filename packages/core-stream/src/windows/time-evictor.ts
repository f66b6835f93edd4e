import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { checkDuration } from './durations.js';
import { RuleEvictor, type TimestampedValue } from './evictor.js';

/** Keeps the records that are less than `windowSizeMs` older than the window's newest. Without timestamps it keeps all. */
export class TimeEvictor<T> extends RuleEvictor<T> {
  readonly #windowSizeMs: number;

  private constructor(windowSizeMs: number, doEvictAfter: boolean) {
    super(doEvictAfter);
    this.#windowSizeMs = windowSizeMs;
  }

  static of<T>(windowSizeMs: number, doEvictAfter = false): TimeEvictor<T> {
    checkDuration('The time of a TimeEvictor', windowSizeMs);
    return new TimeEvictor(windowSizeMs, doEvictAfter);
  }

  protected override evict(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    let newest = MIN_TIMESTAMP;
    for (const { timestamp } of elements) if (timestamp > newest) newest = timestamp;
    if (newest === MIN_TIMESTAMP) return elements;
    const cutOff = newest - this.#windowSizeMs;
    return elements.filter(({ timestamp }) => timestamp > cutOff);
  }

  override toString(): string {
    return `TimeEvictor(${this.#windowSizeMs} ms)`;
  }
}
