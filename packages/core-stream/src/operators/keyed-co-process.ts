import type { KeyedCoProcessFunction, KeyedCoProcessFunctionFactory } from '../functions/co-functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { KeyedFunctionContext } from './keyed-function-context.js';
import { KeyedFunctionOperator } from './keyed-function-operator.js';
import type { OperatorFactory, Output } from './operator.js';
import { withOperatorState, type FunctionOperatorContext } from './with-operator-state.js';
import { synchronous } from './synchronous.js';

export interface KeyedCoProcessOptions {
  readonly keySelector1: AnyKeySelector;
  readonly keySelector2: AnyKeySelector;
  readonly create: KeyedCoProcessFunctionFactory<unknown, unknown, unknown, unknown>;
}

/** Runs a `KeyedCoProcessFunction`: both inputs share the key's state and timers. */
export function keyedCoProcessOperator(options: KeyedCoProcessOptions): OperatorFactory {
  return withOperatorState((context, output) => new KeyedCoProcessOperator(context, output, options));
}

class KeyedCoProcessOperator extends KeyedFunctionOperator<
  KeyedCoProcessFunction<unknown, unknown, unknown, unknown>
> {
  readonly #keySelector1: AnyKeySelector;
  readonly #keySelector2: AnyKeySelector;

  constructor(context: FunctionOperatorContext, output: Output, options: KeyedCoProcessOptions) {
    super(new KeyedFunctionContext(context, output, context.restored), output, options.create);
    this.#keySelector1 = options.keySelector1;
    this.#keySelector2 = options.keySelector2;
  }

  processElement(value: unknown, timestamp: number): void {
    const { keyed } = this;
    keyed.begin(this.#keySelector1(value), timestamp);
    synchronous(this.userFunction.processElement1(value, keyed, keyed.collector));
    keyed.end();
  }

  processElement2(value: unknown, timestamp: number): void {
    const { keyed } = this;
    keyed.begin(this.#keySelector2(value), timestamp);
    synchronous(this.userFunction.processElement2(value, keyed, keyed.collector));
    keyed.end();
  }
}
