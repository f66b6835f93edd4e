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
import type { HeapKeyedState } from '../state/heap-keyed-state.js';
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
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';
import { withOperatorState, type FunctionOperatorContext } from './with-operator-state.js';

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
  return withOperatorState((context, output) => new KeyedBroadcastProcessOperator(context, output, options));
}

class KeyedBroadcastProcessOperator implements StreamOperator {
  readonly #output: Output;
  readonly #keySelector: AnyKeySelector;
  readonly #broadcastState: HeapBroadcastState;
  readonly #keyed: KeyedSide;
  readonly #broadcast: BroadcastSide;
  readonly #function: KeyedBroadcastProcessFunction<unknown, unknown, unknown, unknown>;

  constructor(context: FunctionOperatorContext, output: Output, options: KeyedBroadcastProcessOptions) {
    this.#output = output;
    this.#keySelector = options.keySelector;
    const restored = (context.restored ?? []) as readonly Snapshot[];
    this.#broadcastState = new HeapBroadcastState(
      options.descriptors,
      context,
      restored.map(({ broadcast }) => broadcast),
    );
    const keyedCopies = restored.map(({ keyed }) => keyed);
    this.#keyed = new KeyedSide(context, output, keyedCopies, this.#broadcastState);
    this.#broadcast = new BroadcastSide(context, output, this.#broadcastState, this.#keyed.state);
    this.#function = options.create(this.#keyed.runtimeContext);
  }

  async open(): Promise<void> {
    await this.#function.open?.(this.#keyed.runtimeContext);
    this.#keyed.open({
      onTimer: (timestamp, _context, out) => this.#function.onTimer?.(timestamp, this.#keyed, out),
      snapshotState: (checkpointId) => this.#function.snapshotState?.(checkpointId),
    });
  }

  processElement(value: unknown, timestamp: number): void {
    const keyed = this.#keyed;
    keyed.begin(this.#keySelector(value), timestamp);
    this.#function.processElement(value, keyed, keyed.collector);
    keyed.end();
  }

  processElement2(value: unknown, timestamp: number): void {
    const { collector } = this.#broadcast;
    collector.timestamp = timestamp;
    this.#keyed.state.clearCurrentKey(); // invariant 1
    this.#function.processBroadcastElement(value, this.#broadcast, collector);
  }

  processWatermark(timestamp: number): void {
    this.#broadcast.currentWatermark = timestamp;
    this.#keyed.processWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  finishKey(): void {
    this.#keyed.finishKey();
  }

  snapshotState(checkpointId: number): Snapshot {
    return { keyed: this.#keyed.snapshot(checkpointId), broadcast: this.#broadcastState.snapshot() };
  }

  finish(): void {
    this.#keyed.finish();
  }

  close(): void | Promise<void> {
    this.#keyed.finish();
    return this.#function.close?.();
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
  readonly #keyedState: HeapKeyedState;

  constructor(
    operator: OperatorContext,
    target: Output,
    broadcastState: HeapBroadcastState,
    keyedState: HeapKeyedState,
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

function handleOf(state: HeapKeyedState, descriptor: AnyDescriptor): unknown {
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
