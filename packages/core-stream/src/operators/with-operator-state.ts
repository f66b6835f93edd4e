import type { RuntimeContext } from '../functions/functions.js';
import { HeapOperatorState, type OperatorStateSnapshot } from '../state/operator-state.js';
import type { OperatorContext, OperatorFactory, OperatorState, Output, StreamOperator } from './operator.js';

/** The context of an operator that runs a user's function: what the function gets, too. */
export type FunctionOperatorContext = OperatorContext & RuntimeContext;

interface StoredState {
  /** The operator's own. */
  readonly own: OperatorState;
  readonly operatorState: readonly OperatorStateSnapshot[];
}

/** Gives the function of an operator its operator state, which is stored next to the operator's own. */
export function withOperatorState(
  create: (context: FunctionOperatorContext, output: Output) => StreamOperator,
): OperatorFactory {
  return (context, output) => {
    const restored = context.restored as readonly (StoredState | undefined)[] | undefined;
    const state = new HeapOperatorState(
      context,
      restored?.map((stored) => stored?.operatorState ?? []) ?? [],
      context.states,
    );
    const operator = create(
      {
        ...context,
        restored: restored?.map((stored) => stored?.own),
        getOperatorListState: (descriptor) => state.getOperatorListState(descriptor),
        getUnionListState: (descriptor) => state.getUnionListState(descriptor),
      },
      output,
    );
    const snapshotOwn = operator.snapshotState?.bind(operator);
    operator.snapshotState = (checkpointId): StoredState | undefined => {
      const own = snapshotOwn?.(checkpointId); // first: the function may put the last of its state in place
      const operatorState = state.snapshot();
      return own === undefined && operatorState.length === 0 ? undefined : { own, operatorState };
    };
    return operator;
  };
}
