/**
 * Emits windows: what a window function sees of the window, and where its results go. One object serves all windows of a
 * subtask, so that none allocates a context.
 */
import { StreamConfigError } from '../errors.js';
import type { OutputTag } from '../functions/functions.js';
import type { WindowContext } from '../functions/window-functions.js';
import { HeapKeyedState, type KeyedStateSnapshot } from '../state/heap-keyed-state.js';
import type { KeyedStateStore } from '../state/state.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { GlobalWindow, type Window } from '../windows/window.js';
import type { Output } from './operator.js';
import { TimestampedCollector } from './timestamped-collector.js';
import type { WindowFunction } from './window-function.js';
import { WindowStateStore, type WindowScope } from './window-state.js';
import type { FunctionOperatorContext } from './with-operator-state.js';

export class WindowEmitter implements WindowContext<Window> {
  readonly #context: FunctionOperatorContext;
  readonly #output: Output;
  readonly #function: WindowFunction;
  readonly #isMerging: boolean;
  readonly #collector: TimestampedCollector;
  #windowState: WindowStateStore | undefined;
  #globalState: HeapKeyedState | undefined;
  #key: unknown;
  #scope: WindowScope = { slots: undefined };
  window: Window = GlobalWindow.get();
  currentWatermark = MIN_TIMESTAMP;

  constructor(
    context: FunctionOperatorContext,
    output: Output,
    windowFunction: WindowFunction,
    isMerging: boolean,
  ) {
    this.#context = context;
    this.#output = output;
    this.#function = windowFunction;
    this.#isMerging = isMerging;
    this.#collector = new TimestampedCollector(output);
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
    this.#globalState ??= this.#createGlobalState();
    this.#globalState.setCurrentKey(this.#key);
    return this.#globalState;
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
    this.#globalState?.dropCurrentKey();
  }

  snapshot(): readonly KeyedStateSnapshot[] {
    return this.#globalState?.snapshot() ?? [];
  }

  restore(snapshots: readonly KeyedStateSnapshot[]): void {
    if (snapshots.length === 0) return;
    this.#globalState ??= this.#createGlobalState();
    this.#globalState.restore(snapshots, this.#context.keyGroups);
  }

  /** Handles that the function has kept work on this key and window. */
  #enter(key: unknown, scope: WindowScope): void {
    this.#key = key;
    this.#scope = scope;
    if (this.#windowState !== undefined) this.#windowState.scope = scope;
    this.#globalState?.setCurrentKey(key);
  }

  #createGlobalState(): HeapKeyedState {
    return new HeapKeyedState(this.#context.maxParallelism, {
      processingTime: () => this.#context.clock.now(),
      eventTime: () => this.currentWatermark,
    });
  }
}
