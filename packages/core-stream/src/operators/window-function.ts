import type { AggregateFunction, ReduceFunction } from '../functions/functions.js';
import type {
  ProcessAllWindowFunction,
  ProcessWindowFunction,
  RichProcessAllWindowFunction,
  RichProcessWindowFunction,
} from '../functions/window-functions.js';
import type { Window } from '../windows/window.js';

export type AnyProcessFunction = RichProcessWindowFunction<unknown, unknown, unknown, Window>;

/** What is kept per key and window, and how it becomes the window's result. */
export interface WindowFunction {
  /** What is kept: a checkpoint of one kind cannot be read as another. */
  readonly kind: 'reduce' | 'aggregate' | 'elements';
  create(first: unknown): unknown;
  add(accumulator: unknown, value: unknown): unknown;
  /** Combines two accumulators, `a` being of the earlier records. */
  merge(a: unknown, b: unknown): unknown;
  /** The one result of an accumulator; absent where all elements are kept. */
  readonly resultOf?: (accumulator: unknown) => unknown;
  readonly process?: AnyProcessFunction;
  /** Whether `merge` leaves both its arguments as they are, so that overlapping windows can share accumulators. */
  readonly sharesPanes: boolean;
}

export function reduceWindow(
  reduce: ReduceFunction<unknown>,
  process: AnyProcessFunction | undefined,
): WindowFunction {
  return {
    kind: 'reduce',
    create: (first) => first,
    add: reduce,
    merge: reduce,
    resultOf: (accumulator) => accumulator,
    ...(process === undefined ? {} : { process }),
    sharesPanes: true,
  };
}

export function aggregateWindow(
  aggregate: AggregateFunction<unknown, unknown, unknown>,
  process: AnyProcessFunction | undefined,
): WindowFunction {
  return {
    kind: 'aggregate',
    create: (first) => aggregate.add(first, aggregate.createAccumulator()),
    add: (accumulator, value) => aggregate.add(value, accumulator),
    merge: (a, b) => aggregate.merge(a, b),
    resultOf: (accumulator) => aggregate.getResult(accumulator),
    ...(process === undefined ? {} : { process }),
    sharesPanes:
      typeof aggregate.merge === 'function' &&
      (aggregate.sharesPanes ?? isPrimitive(aggregate.createAccumulator())),
  };
}

/** Keeps every record until the window is gone. */
export function processWindow(process: AnyProcessFunction): WindowFunction {
  return {
    kind: 'elements',
    create: (first) => [first],
    add: (accumulator, value) => {
      (accumulator as unknown[]).push(value);
      return accumulator;
    },
    merge: (a, b) => {
      for (const value of b as unknown[]) (a as unknown[]).push(value);
      return a;
    },
    process,
    sharesPanes: false,
  };
}

/** A window function in its one form. */
export function toRichFunction<T, R, K, W extends Window>(
  process: ProcessWindowFunction<T, R, K, W> | RichProcessWindowFunction<T, R, K, W>,
): AnyProcessFunction {
  return (typeof process === 'function' ? { process } : process) as unknown as AnyProcessFunction;
}

/** The same for windows over all records, whose functions get no key. */
export function toRichAllFunction<T, R, W extends Window>(
  process: ProcessAllWindowFunction<T, R, W> | RichProcessAllWindowFunction<T, R, W>,
): AnyProcessFunction {
  const rich = (typeof process === 'function'
    ? { process }
    : process) as unknown as RichProcessAllWindowFunction<unknown, unknown, Window>;
  return {
    process: (_key, context, elements, out) => rich.process(context, elements, out),
    ...(rich.open === undefined ? {} : { open: (context) => rich.open?.(context) }),
    ...(rich.clear === undefined ? {} : { clear: (context) => rich.clear?.(context) }),
    ...(rich.close === undefined ? {} : { close: () => rich.close?.() }),
  };
}

function isPrimitive(value: unknown): boolean {
  return (typeof value !== 'object' && typeof value !== 'function') || value === null;
}
