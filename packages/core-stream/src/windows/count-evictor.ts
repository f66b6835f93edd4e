import { checkCount } from './durations.js';
import { RuleEvictor, type TimestampedValue } from './evictor.js';

/** Keeps the newest `maxCount` records, in order of arrival. */
export class CountEvictor extends RuleEvictor<unknown> {
  readonly #maxCount: number;

  private constructor(maxCount: number, doEvictAfter: boolean) {
    super(doEvictAfter);
    this.#maxCount = maxCount;
  }

  static of(maxCount: number, doEvictAfter = false): CountEvictor {
    checkCount('The maximum count of a CountEvictor', maxCount);
    return new CountEvictor(maxCount, doEvictAfter);
  }

  protected override evict(
    elements: readonly TimestampedValue<unknown>[],
  ): readonly TimestampedValue<unknown>[] {
    return elements.length <= this.#maxCount ? elements : elements.slice(-this.#maxCount);
  }

  override toString(): string {
    return `CountEvictor(${this.#maxCount})`;
  }
}
