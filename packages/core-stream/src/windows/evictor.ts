import type { TimeContext } from '../functions/functions.js';
import type { Window } from './window.js';

/** A record of a window with its event time in epoch milliseconds; `MIN_TIMESTAMP` where it has none. */
export interface TimestampedValue<T> {
  readonly value: T;
  readonly timestamp: number;
}

/** Removes records from a window when it fires: before the window function sees them, after it, or both. */
export interface Evictor<T, W extends Window> {
  /** Returns the elements that stay, in order; the same array where all do. */
  evictBefore(
    elements: readonly TimestampedValue<T>[],
    window: W,
    context: TimeContext,
  ): readonly TimestampedValue<T>[];
  /** The same, after the window function. */
  evictAfter(
    elements: readonly TimestampedValue<T>[],
    window: W,
    context: TimeContext,
  ): readonly TimestampedValue<T>[];
}

type Elements<T> = readonly TimestampedValue<T>[];

/** An evictor with one rule, which it applies either before or after the window function. */
export abstract class RuleEvictor<T> implements Evictor<T, Window> {
  readonly #doEvictAfter: boolean;

  protected constructor(doEvictAfter: boolean) {
    this.#doEvictAfter = doEvictAfter;
  }

  abstract toString(): string;
  protected abstract evict(elements: Elements<T>): Elements<T>;

  evictBefore(elements: Elements<T>): Elements<T> {
    return this.#doEvictAfter ? elements : this.evict(elements);
  }

  evictAfter(elements: Elements<T>): Elements<T> {
    return this.#doEvictAfter ? this.evict(elements) : elements;
  }
}
