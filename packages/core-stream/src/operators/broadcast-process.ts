/**
 * Runs a `BroadcastProcessFunction`: input 0 sees each record once, input 1 in every subtask.
 *
 * Every subtask stores its copy of the broadcast state; `HeapBroadcastState` says who takes which copy.
 */
import type {
  BroadcastContext,
  BroadcastProcessFunction,
  BroadcastProcessFunctionFactory,
} from '../functions/broadcast-functions.js';
import {
  HeapBroadcastState,
  type BroadcastState,
  type BroadcastStateDescriptor,
  type BroadcastStateSnapshot,
  type DeclaredBroadcastState,
} from '../state/broadcast-state.js';
import type { MapStateKey } from '../state/state.js';
import { FunctionContext } from './function-context.js';
import type { OperatorContext, OperatorFactory, Output } from './operator.js';
import { withOperatorState } from './with-operator-state.js';
import { synchronous } from './synchronous.js';

export interface BroadcastProcessOptions {
  readonly descriptors: readonly DeclaredBroadcastState[];
  readonly create: BroadcastProcessFunctionFactory<unknown, unknown, unknown>;
}

export function broadcastProcessOperator({ descriptors, create }: BroadcastProcessOptions): OperatorFactory {
  return withOperatorState((context, output) => {
    const copies = (context.restored ?? []) as readonly BroadcastStateSnapshot[];
    const state = new HeapBroadcastState(descriptors, context, copies, context.states);
    const seen = new BroadcastFunctionContext(context, output, state);
    const { collector } = seen;
    const broadcastProcess: BroadcastProcessFunction<unknown, unknown, unknown> = create(context);
    return {
      open: () => broadcastProcess.open?.(context),
      processElement(value, timestamp) {
        collector.timestamp = timestamp;
        synchronous(broadcastProcess.processElement(value, seen, collector));
      },
      processElement2(value, timestamp) {
        collector.timestamp = timestamp;
        synchronous(broadcastProcess.processBroadcastElement(value, seen, collector));
      },
      processWatermark(timestamp) {
        seen.currentWatermark = timestamp;
        output.emitWatermark(timestamp);
      },
      processIdle: (isIdle) => output.emitIdle(isIdle),
      snapshotState(checkpointId) {
        broadcastProcess.snapshotState?.(checkpointId);
        return state.snapshot();
      },
      close: () => broadcastProcess.close?.(),
    };
  });
}

/** Of both sides: that one of them may only read is up to the types. */
export class BroadcastFunctionContext extends FunctionContext implements BroadcastContext {
  readonly broadcastState: HeapBroadcastState;

  constructor(operator: OperatorContext, target: Output, broadcastState: HeapBroadcastState) {
    super(operator, target);
    this.broadcastState = broadcastState;
  }

  getBroadcastState<K extends MapStateKey, V>(
    descriptor: BroadcastStateDescriptor<K, V>,
  ): BroadcastState<K, V> {
    return this.broadcastState.get(descriptor);
  }
}
