import type { DeltaFunction } from './delta-trigger.js';
import { RuleEvictor, type TimestampedValue } from './evictor.js';

/** Keeps the records that are less than `threshold` away from the newest one, in order of arrival. */
export class DeltaEvictor<T> extends RuleEvictor<T> {
  readonly #threshold: number;
  readonly #delta: DeltaFunction<T>;

  private constructor(threshold: number, delta: DeltaFunction<T>, doEvictAfter: boolean) {
    super(doEvictAfter);
    this.#threshold = threshold;
    this.#delta = delta;
  }

  static of<T>(threshold: number, delta: DeltaFunction<T>, doEvictAfter = false): DeltaEvictor<T> {
    return new DeltaEvictor(threshold, delta, doEvictAfter);
  }

  protected override evict(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    const newest = elements.at(-1);
    if (newest === undefined) return elements;
    return elements.filter(({ value }) => this.#delta(value, newest.value) < this.#threshold);
  }

  override toString(): string {
    return `DeltaEvictor(${this.#threshold})`;
  }
}
