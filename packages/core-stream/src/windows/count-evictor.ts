import { checkCount } from './durations.js';
import { RuleEvictor, type TimestampedValue } from './evictor.js';

/** Keeps the newest `maxCount` records, in order of arrival. */
export class CountEvictor<T> extends RuleEvictor<T> {
  readonly #maxCount: number;

  private constructor(maxCount: number, doEvictAfter: boolean) {
    super(doEvictAfter);
    this.#maxCount = maxCount;
  }

  static of<T>(maxCount: number, doEvictAfter = false): CountEvictor<T> {
    checkCount('The maximum count of a CountEvictor', maxCount);
    return new CountEvictor(maxCount, doEvictAfter);
  }

  protected override evict(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    return elements.length <= this.#maxCount ? elements : elements.slice(-this.#maxCount);
  }

  override toString(): string {
    return `CountEvictor(${this.#maxCount})`;
  }
}
