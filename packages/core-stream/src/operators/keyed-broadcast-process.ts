/**
 * Runs a `KeyedBroadcastProcessFunction`: input 0 is keyed, with state and timers; input 1 comes to every subtask.
 *
 * Invariants
 * 1. No key is current while a broadcast record is processed, so that it cannot change the state of a key by accident.
 */
import type {
  KeyedBroadcastContext,
  KeyedBroadcastProcessFunction,
  KeyedBroadcastProcessFunctionFactory,
  KeyedReadOnlyBroadcastContext,
  OnTimerBroadcastContext,
} from '../functions/broadcast-functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import {
  HeapBroadcastState,
  type BroadcastState,
  type BroadcastStateDescriptor,
  type BroadcastStateSnapshot,
} from '../state/broadcast-state.js';
import type { KeyedStateBackend } from '../state/keyed-state-backend.js';
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  MapStateKey,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from '../state/state.js';
import { BroadcastFunctionContext, type BroadcastProcessOptions } from './broadcast-process.js';
import { KeyedFunctionContext, type KeyedFunctionSnapshot } from './keyed-function-context.js';
import { KeyedFunctionOperator } from './keyed-function-operator.js';
import type { OperatorContext, OperatorFactory, Output } from './operator.js';
import { withOperatorState, type FunctionOperatorContext } from './with-operator-state.js';
import { synchronous } from './synchronous.js';

export interface KeyedBroadcastProcessOptions extends Pick<BroadcastProcessOptions, 'descriptors'> {
  readonly keySelector: AnyKeySelector;
  readonly create: KeyedBroadcastProcessFunctionFactory<unknown, unknown, unknown, unknown>;
}

interface Snapshot {
  readonly keyed: KeyedFunctionSnapshot;
  readonly broadcast: BroadcastStateSnapshot;
}

type AnyDescriptor =
  | ValueStateDescriptor<unknown>
  | ListStateDescriptor<unknown>
  | MapStateDescriptor<MapStateKey, unknown>
  | ReducingStateDescriptor<unknown>
  | AggregatingStateDescriptor<unknown, unknown, unknown>;

export function keyedBroadcastProcessOperator(options: KeyedBroadcastProcessOptions): OperatorFactory {
  return withOperatorState((context, output) => {
    const restored = (context.restored ?? []) as readonly Snapshot[];
    const broadcastCopies = restored.map(({ broadcast }) => broadcast);
    const keyedCopies = restored.map(({ keyed }) => keyed);
    const broadcastState = new HeapBroadcastState(
      options.descriptors,
      context,
      broadcastCopies,
      context.states,
    );
    const keyed = new KeyedSide(context, output, keyedCopies, broadcastState);
    const broadcast = new BroadcastSide(context, output, broadcastState, keyed.state);
    return new KeyedBroadcastProcessOperator(keyed, broadcast, output, options);
  });
}

class KeyedBroadcastProcessOperator extends KeyedFunctionOperator<
  KeyedBroadcastProcessFunction<unknown, unknown, unknown, unknown>,
  KeyedSide
> {
  readonly #keySelector: AnyKeySelector;
  readonly #broadcast: BroadcastSide;

  constructor(
    keyed: KeyedSide,
    broadcast: BroadcastSide,
    output: Output,
    options: KeyedBroadcastProcessOptions,
  ) {
    super(keyed, output, options.create);
    this.#keySelector = options.keySelector;
    this.#broadcast = broadcast;
  }

  processElement(value: unknown, timestamp: number): void {
    const { keyed } = this;
    keyed.begin(this.#keySelector(value), timestamp);
    synchronous(this.userFunction.processElement(value, keyed, keyed.collector));
    keyed.end();
  }

  processElement2(value: unknown, timestamp: number): void {
    const { collector } = this.#broadcast;
    collector.timestamp = timestamp;
    this.keyed.state.clearCurrentKey(); // invariant 1
    synchronous(this.userFunction.processBroadcastElement(value, this.#broadcast, collector));
  }

  override processWatermark(timestamp: number): void {
    this.#broadcast.currentWatermark = timestamp;
    super.processWatermark(timestamp);
  }

  override snapshotState(checkpointId: number): Snapshot {
    return { keyed: this.keyed.snapshot(checkpointId), broadcast: this.#broadcast.broadcastState.snapshot() };
  }
}

class KeyedSide
  extends KeyedFunctionContext
  implements KeyedReadOnlyBroadcastContext<unknown>, OnTimerBroadcastContext<unknown>
{
  readonly #broadcastState: HeapBroadcastState;

  constructor(
    operator: FunctionOperatorContext,
    target: Output,
    restored: readonly KeyedFunctionSnapshot[],
    broadcastState: HeapBroadcastState,
  ) {
    super(operator, target, restored);
    this.#broadcastState = broadcastState;
  }

  getBroadcastState<K extends MapStateKey, V>(
    descriptor: BroadcastStateDescriptor<K, V>,
  ): BroadcastState<K, V> {
    return this.#broadcastState.get(descriptor);
  }
}

class BroadcastSide extends BroadcastFunctionContext implements KeyedBroadcastContext<unknown> {
  readonly #keyedState: KeyedStateBackend;

  constructor(
    operator: OperatorContext,
    target: Output,
    broadcastState: HeapBroadcastState,
    keyedState: KeyedStateBackend,
  ) {
    super(operator, target, broadcastState);
    this.#keyedState = keyedState;
  }

  applyToKeyedState(descriptor: AnyDescriptor, apply: (key: unknown, state: never) => void): void {
    const state = this.#keyedState;
    const handle = handleOf(state, descriptor);
    for (const key of state.keysOf(descriptor)) {
      state.setCurrentKey(key);
      apply(key, handle as never);
    }
    state.clearCurrentKey(); // invariant 1
  }
}

function handleOf(state: KeyedStateBackend, descriptor: AnyDescriptor): unknown {
  switch (descriptor.kind) {
    case 'value':
      return state.getState(descriptor);
    case 'list':
      return state.getListState(descriptor);
    case 'map':
      return state.getMapState(descriptor);
    case 'reducing':
      return state.getReducingState(descriptor);
    case 'aggregating':
      return state.getAggregatingState(descriptor);
  }
}
