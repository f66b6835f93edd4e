/** What a trigger sees of one window of one key, and the records that hold it. */
import { StreamRecordError } from '../errors.js';
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  MapStateKey,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../state/state.js';
import type { MergeableStateDescriptor, OnMergeContext } from '../windows/trigger.js';
import { Row } from '../state/rows.js';
import { WindowTimers, type WindowTimer } from '../windows/window-timers.js';
import type { Window } from '../windows/window.js';
import { SubtaskOrders, type Subtask } from './subtask-orders.js';
import type { WindowEmitter } from './window-emitter.js';
import { WindowStateStore, type WindowScope, type WindowSlots } from './window-state.js';

/** The contents of a window that has none: `undefined` can be an accumulator. */
export const EMPTY: unique symbol = Symbol('empty');

/** Which window of which key: what a timer remembers, because the window may be on disk until then. */
export interface WindowRef {
  readonly key: unknown;
  readonly keyIdentity: unknown;
  readonly windowIdentity: string | number;
}

/** Of one window: few at a time, so that looking through them is faster than a table of them. */
type OwnTimers = readonly OwnTimer[];
type OwnTimer = Pick<WindowTimer<WindowRef>, 'at' | 'order'>;
const NONE: OwnTimers = [];

/** The windows of one key. */
export class KeyWindows extends Row {
  readonly key: unknown;
  readonly identity: unknown;
  /** By window identity. */
  readonly records = new Map<string | number, WindowRecord>();
  /** Whether it is among the rows. */
  isKept = false;
  /** Of `WindowWakes`: there is a stored time at this one or before; +∞ where there may be none. */
  eventWakeAt = Infinity;
  processingWakeAt = Infinity;

  constructor(key: unknown, identity: unknown) {
    super();
    this.key = key;
    this.identity = identity;
  }
}

/** One window of one key, with all it has. */
export class WindowRecord implements WindowScope {
  readonly owner: KeyWindows;
  readonly identity: string | number;
  readonly window: Window;
  contents: unknown = EMPTY;
  /** The window function's state. */
  slots: WindowSlots | undefined = undefined;
  readonly trigger: WindowScope = { slots: undefined };
  eventTimers = NONE;
  processingTimers = NONE;

  constructor(owner: KeyWindows, identity: string | number, window: Window) {
    this.owner = owner;
    this.identity = identity;
    this.window = window;
  }

  get isEmpty(): boolean {
    return (
      this.contents === EMPTY &&
      this.slots === undefined &&
      this.trigger.slots === undefined &&
      this.eventTimers.length === 0 &&
      this.processingTimers.length === 0
    );
  }
}

/** One object serves all windows of a subtask: `record` is set before each call of the trigger. */
export class WindowTriggerContext implements OnMergeContext {
  readonly eventTimers = new WindowTimers<WindowRef>();
  readonly processingTimers = new WindowTimers<WindowRef>();
  readonly eventOrders: SubtaskOrders;
  readonly processingOrders: SubtaskOrders;
  readonly #emitter: WindowEmitter;
  readonly #onProcessingTimer: () => void;
  readonly #state = new WindowStateStore();
  #record: WindowRecord | undefined;
  /** The trigger state of the windows that have become the current one, while `onMerge` runs. */
  merged: readonly WindowScope[] = [];

  /** `onProcessingTimer` is called when a timer of the clock was registered. */
  constructor(subtask: Subtask, emitter: WindowEmitter, onProcessingTimer: () => void) {
    this.eventOrders = new SubtaskOrders(subtask);
    this.processingOrders = new SubtaskOrders(subtask);
    this.#emitter = emitter;
    this.#onProcessingTimer = onProcessingTimer;
  }

  set record(record: WindowRecord) {
    this.#record = record;
    this.#state.scope = record.trigger;
  }

  get currentWatermark(): number {
    return this.#emitter.currentWatermark;
  }

  currentProcessingTime(): number {
    return this.#emitter.currentProcessingTime();
  }

  registerEventTimeTimer(timestamp: number): void {
    const record = this.#record!;
    if (!has(record.eventTimers, timestamp)) this.setEventTimer(record, timestamp);
  }

  registerProcessingTimeTimer(timestamp: number): void {
    const record = this.#record!;
    if (has(record.processingTimers, timestamp)) return;
    this.setProcessingTimer(record, timestamp);
    this.#onProcessingTimer();
  }

  deleteEventTimeTimer(timestamp: number): void {
    const record = this.#record!;
    record.eventTimers = without(record.eventTimers, timestamp, this.eventTimers);
  }

  deleteProcessingTimeTimer(timestamp: number): void {
    const record = this.#record!;
    record.processingTimers = without(record.processingTimers, timestamp, this.processingTimers);
  }

  setEventTimer(record: WindowRecord, at: number, order = this.eventOrders.next()): void {
    this.eventTimers.register(at, refTo(record), order);
    record.eventTimers = [...record.eventTimers, { at, order }];
  }

  setProcessingTimer(record: WindowRecord, at: number, order = this.processingOrders.next()): void {
    this.processingTimers.register(at, refTo(record), order);
    record.processingTimers = [...record.processingTimers, { at, order }];
  }

  cancelTimers(record: WindowRecord): void {
    for (const { order } of record.eventTimers) this.eventTimers.cancel(order);
    for (const { order } of record.processingTimers) this.processingTimers.cancel(order);
    record.eventTimers = NONE;
    record.processingTimers = NONE;
  }

  clear(): void {
    this.eventTimers.clear();
    this.processingTimers.clear();
  }

  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#state.getState(descriptor);
  }

  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#state.getListState(descriptor);
  }

  getMapState<K extends MapStateKey, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#state.getMapState(descriptor);
  }

  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#state.getReducingState(descriptor);
  }

  getAggregatingState<IN, ACC, OUT>(
    descriptor: AggregatingStateDescriptor<IN, ACC, OUT>,
  ): AggregatingState<IN, OUT> {
    return this.#state.getAggregatingState(descriptor);
  }

  mergeState<T, ACC, R>(descriptor: MergeableStateDescriptor<T, ACC, R>): void {
    this.#state.merge(descriptor, this.merged);
  }
}

function has(own: OwnTimers, timestamp: number): boolean {
  if (typeof timestamp !== 'number' || Number.isNaN(timestamp)) {
    throw new StreamRecordError(`A timer needs a timestamp in epoch milliseconds, got ${String(timestamp)}`);
  }
  for (const timer of own) if (timer.at === timestamp) return true;
  return false;
}

/** Without the timer of `timestamp`, which is cancelled in `timers`. */
export function without(own: OwnTimers, timestamp: number, timers?: WindowTimers<WindowRef>): OwnTimers {
  const timer = own.find(({ at }) => at === timestamp);
  if (timer === undefined) return own;
  timers?.cancel(timer.order);
  return own.length === 1 ? NONE : own.filter((other) => other !== timer);
}

function refTo({ owner, identity }: WindowRecord): WindowRef {
  return { key: owner.key, keyIdentity: owner.identity, windowIdentity: identity };
}
