import type { KeyedProcessFunction, KeyedProcessFunctionFactory } from '../functions/functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { KeyedFunctionContext } from './keyed-function-context.js';
import { KeyedFunctionOperator } from './keyed-function-operator.js';
import type { OperatorFactory, Output } from './operator.js';
import { withOperatorState, type FunctionOperatorContext } from './with-operator-state.js';
import { synchronous } from './synchronous.js';

/** Runs a `KeyedProcessFunction`: sets the key, fires timers. */
export function keyedProcessOperator(
  keySelector: AnyKeySelector,
  create: KeyedProcessFunctionFactory<unknown, unknown, unknown>,
): OperatorFactory {
  return withOperatorState(
    (context, output) => new KeyedProcessOperator(context, output, keySelector, create),
  );
}

class KeyedProcessOperator extends KeyedFunctionOperator<KeyedProcessFunction<unknown, unknown, unknown>> {
  readonly #keySelector: AnyKeySelector;

  constructor(
    context: FunctionOperatorContext,
    output: Output,
    keySelector: AnyKeySelector,
    create: KeyedProcessFunctionFactory<unknown, unknown, unknown>,
  ) {
    super(new KeyedFunctionContext(context, output, context.restored), output, create);
    this.#keySelector = keySelector;
  }

  processElement(value: unknown, timestamp: number): void {
    const { keyed } = this;
    keyed.begin(this.#keySelector(value), timestamp);
    synchronous(this.userFunction.processElement(value, keyed, keyed.collector));
    keyed.end();
  }
}
