import type {
  AggregateFunction,
  Collector,
  ProcessWindowFunction,
  ReduceFunction,
  WindowContext,
} from '../functions/functions.js';

type AnyProcessWindowFunction = ProcessWindowFunction<unknown, unknown, unknown>;

/** How a window's records become its result: what is kept per key and window, and what is emitted from it. */
export interface WindowFunction {
  create(first: unknown): unknown;
  add(accumulator: unknown, value: unknown): unknown;
  emit(key: unknown, context: WindowContext, accumulator: unknown, out: Collector<unknown>): void;
}

export function reduceWindow(
  reduce: ReduceFunction<unknown>,
  process: AnyProcessWindowFunction | undefined,
): WindowFunction {
  return {
    create: (first) => first,
    add: reduce,
    emit: emitOne((accumulator) => accumulator, process),
  };
}

export function aggregateWindow(
  aggregate: AggregateFunction<unknown, unknown, unknown>,
  process: AnyProcessWindowFunction | undefined,
): WindowFunction {
  return {
    create: (first) => aggregate.add(first, aggregate.createAccumulator()),
    add: (accumulator, value) => aggregate.add(value, accumulator),
    emit: emitOne((accumulator) => aggregate.getResult(accumulator), process),
  };
}

/** Keeps every record until the window closes. */
export function processWindow(process: AnyProcessWindowFunction): WindowFunction {
  return {
    create: (first) => [first],
    add: (accumulator, value) => {
      (accumulator as unknown[]).push(value);
      return accumulator;
    },
    emit: (key, context, accumulator, out) => process(key, context, accumulator as unknown[], out),
  };
}

function emitOne(
  resultOf: (accumulator: unknown) => unknown,
  process: AnyProcessWindowFunction | undefined,
): WindowFunction['emit'] {
  return process === undefined
    ? (_key, _context, accumulator, out) => out.collect(resultOf(accumulator))
    : (key, context, accumulator, out) => process(key, context, [resultOf(accumulator)], out);
}
