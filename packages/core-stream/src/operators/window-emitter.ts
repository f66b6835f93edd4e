/**
 * Emits windows: what a window function sees of the window, and where its results go. One object serves all windows of a
 * subtask, so that none allocates a context.
 */
import { StreamConfigError } from '../errors.js';
import type { OutputTag } from '../functions/functions.js';
import type { WindowContext } from '../functions/window-functions.js';
import type { KeyedStateBackend, KeyedStateSnapshot } from '../state/keyed-state-backend.js';
import type { KeyedStateStore } from '../state/state.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { GlobalWindow, type Window } from '../windows/window.js';
import type { Output } from './operator.js';
import { restoredEventTime } from './restored-event-time.js';
import { TimestampedCollector } from './timestamped-collector.js';
import type { WindowFunction } from './window-function.js';
import { WindowStateStore, type WindowScope } from './window-state.js';
import type { FunctionOperatorContext } from './with-operator-state.js';

/** What is not in rows. */
export interface EmitterSnapshot {
  readonly globalState: KeyedStateSnapshot;
  /** What had been reached: state that had expired by then stays so. */
  readonly eventTime: number;
}

export class WindowEmitter implements WindowContext<Window> {
  readonly #context: FunctionOperatorContext;
  readonly #output: Output;
  readonly #function: WindowFunction;
  readonly #isMerging: boolean;
  readonly #collector: TimestampedCollector;
  #windowState: WindowStateStore | undefined;
  /** Where the window function can ask for it, or could before. */
  readonly #globalState: KeyedStateBackend | undefined;
  /** Whether it has been asked for: only then a key is looked up. */
  #hasGlobalState = false;
  #key: unknown;
  #scope: WindowScope = { slots: undefined };
  window: Window = GlobalWindow.get();
  currentWatermark = MIN_TIMESTAMP;

  /** `restored` is what the emitters of all subtasks have stored. */
  constructor(
    context: FunctionOperatorContext,
    output: Output,
    windowFunction: WindowFunction,
    isMerging: boolean,
    restored: readonly EmitterSnapshot[],
  ) {
    this.#context = context;
    this.#output = output;
    this.#function = windowFunction;
    this.#isMerging = isMerging;
    this.#collector = new TimestampedCollector(output);
    const stored = restored.map(({ globalState }) => globalState);
    if (windowFunction.process === undefined && stored.flat().length === 0) return;
    const restoredTime = restoredEventTime(
      context,
      restored.map(({ eventTime }) => eventTime),
    );
    this.#globalState = context.createKeyedState(stored, {
      processingTime: () => context.clock.now(),
      eventTime: () => Math.max(this.currentWatermark, restoredTime),
    });
  }

  // What the window function sees.

  currentProcessingTime(): number {
    return this.#context.clock.now();
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.#output.sideOutput(tag.id, value, this.#collector.timestamp);
  }

  get windowState(): KeyedStateStore {
    if (this.#isMerging) {
      throw new StreamConfigError(
        `The window function of '${this.#context.operatorName}' asks for windowState, but its windows merge, and what a ` +
          'function keeps cannot. Use globalState.',
        { details: { operator: this.#context.operatorName } },
      );
    }
    this.#windowState ??= new WindowStateStore();
    this.#windowState.scope = this.#scope;
    return this.#windowState;
  }

  get globalState(): KeyedStateStore {
    const state = this.#globalState!; // who asks is the window function
    this.#hasGlobalState = true;
    state.setCurrentKey(this.#key);
    return state;
  }

  // What the operator calls.

  open(): void | Promise<void> {
    return this.#function.process?.open?.(this.#context);
  }

  close(): void | Promise<void> {
    return this.#function.process?.close?.();
  }

  /** Sets the window of the calls that follow. Its results have its last timestamp; those of the global window have none. */
  setWindow(window: Window): void {
    this.window = window;
    const timestamp = window.maxTimestamp();
    this.#collector.timestamp = timestamp === MAX_WATERMARK ? MIN_TIMESTAMP : timestamp;
  }

  /** Emits the current window of `key`. */
  emit(key: unknown, scope: WindowScope, accumulator: unknown): void {
    const { process, resultOf } = this.#function;
    if (process === undefined) {
      this.#collector.collect(resultOf === undefined ? accumulator : resultOf(accumulator));
      return;
    }
    this.#enter(key, scope);
    const elements = resultOf === undefined ? (accumulator as unknown[]) : [resultOf(accumulator)];
    process.process(key, this, elements, this.#collector);
  }

  /** Whether `clear` has anything to do. */
  get hasClear(): boolean {
    return this.#function.process?.clear !== undefined;
  }

  /** The current window of `key` is gone for good. */
  clear(key: unknown, scope: WindowScope): void {
    const process = this.#function.process;
    if (process?.clear === undefined) return;
    this.#enter(key, scope);
    process.clear(this);
  }

  /** Batch mode: the key that was emitted last has no further record. */
  dropCurrentKey(): void {
    if (this.#hasGlobalState) this.#globalState!.dropCurrentKey();
  }

  snapshot(): EmitterSnapshot {
    return { globalState: this.#globalState?.snapshot() ?? [], eventTime: this.currentWatermark };
  }

  /** Handles that the function has kept work on this key and window. */
  #enter(key: unknown, scope: WindowScope): void {
    this.#key = key;
    this.#scope = scope;
    if (this.#windowState !== undefined) this.#windowState.scope = scope;
    if (this.#hasGlobalState) this.#globalState!.setCurrentKey(key);
  }
}
