/**
 * Runs a `KeyedProcessFunction`: sets the key, fires timers.
 *
 * Invariants
 * 1. Event-time timers fire in timestamp order before the watermark that reaches them is passed on.
 * 2. A timer registered at or below the current watermark fires after the current record, before anything else.
 * 3. Processing-time timers that are pending at the end of the input do not fire; event-time ones do.
 */
import type {
  KeyedProcessFunction,
  KeyedProcessFunctionFactory,
  KeyedRuntimeContext,
  OnTimerContext,
  OutputTag,
  TimeDomain,
  TimerService,
} from '../functions/functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { StreamConfigError } from '../errors.js';
import { HeapKeyedState, type KeyedStateSnapshot } from '../state/heap-keyed-state.js';
import { TimerQueue, type TimerSnapshot } from '../time/timer-service.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';
import { TimestampedCollector } from './timestamped-collector.js';

interface KeyedProcessSnapshot {
  readonly state: readonly KeyedStateSnapshot[];
  readonly eventTimers: readonly TimerSnapshot[];
  readonly processingTimers: readonly TimerSnapshot[];
}

export function keyedProcessOperator(
  keySelector: AnyKeySelector,
  create: KeyedProcessFunctionFactory<unknown, unknown, unknown>,
): OperatorFactory {
  return (context, output) => new KeyedProcessOperator(context, output, keySelector, create);
}

class KeyedProcessOperator implements StreamOperator, OnTimerContext<unknown>, TimerService {
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #keySelector: AnyKeySelector;
  readonly #state: HeapKeyedState;
  readonly #eventTimers = new TimerQueue();
  readonly #processingTimers = new TimerQueue();
  readonly #function: KeyedProcessFunction<unknown, unknown, unknown>;
  readonly #runtimeContext: KeyedRuntimeContext;
  readonly #collector: TimestampedCollector;
  #wakeUp: { readonly at: number; readonly cancel: () => void } | undefined;
  #isFinished = false;
  currentWatermark = MIN_TIMESTAMP;
  timeDomain: TimeDomain = 'event-time';

  constructor(
    context: OperatorContext,
    output: Output,
    keySelector: AnyKeySelector,
    create: KeyedProcessFunctionFactory<unknown, unknown, unknown>,
  ) {
    this.#context = context;
    this.#output = output;
    this.#keySelector = keySelector;
    this.#collector = new TimestampedCollector(output);
    this.#state = new HeapKeyedState(context.maxParallelism);
    for (const restored of (context.restored ?? []) as readonly KeyedProcessSnapshot[]) {
      this.#state.restore(restored.state, context.keyGroups);
      this.#eventTimers.restore(restored.eventTimers, context.keyGroups);
      this.#processingTimers.restore(restored.processingTimers, context.keyGroups);
    }
    this.#runtimeContext = {
      operatorName: context.operatorName,
      subtaskIndex: context.subtaskIndex,
      parallelism: context.parallelism,
      clock: context.clock,
      logger: context.logger,
      getState: (descriptor) => this.#state.getState(descriptor),
      getListState: (descriptor) => this.#state.getListState(descriptor),
      getMapState: (descriptor) => this.#state.getMapState(descriptor),
    };
    this.#function = create(this.#runtimeContext);
  }

  // What the user's function sees: this operator is its own context, so that no record allocates one.

  get timestamp(): number | undefined {
    const { timestamp } = this.#collector;
    return timestamp === MIN_TIMESTAMP ? undefined : timestamp;
  }

  get currentKey(): unknown {
    return this.#state.currentKey;
  }

  get timers(): TimerService {
    return this;
  }

  currentProcessingTime(): number {
    return this.#context.clock.now();
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.#output.sideOutput(tag.id, value, this.#collector.timestamp);
  }

  registerEventTimeTimer(timestamp: number): void {
    checkTimer(timestamp);
    this.#eventTimers.register(timestamp, this.#state.currentKey);
  }

  registerProcessingTimeTimer(timestamp: number): void {
    checkTimer(timestamp);
    this.#processingTimers.register(timestamp, this.#state.currentKey);
    this.#scheduleProcessingTimers();
  }

  deleteEventTimeTimer(timestamp: number): void {
    this.#eventTimers.delete(timestamp, this.#state.currentKey);
  }

  deleteProcessingTimeTimer(timestamp: number): void {
    this.#processingTimers.delete(timestamp, this.#state.currentKey);
  }

  // What the runtime calls.

  async open(): Promise<void> {
    await this.#function.open?.(this.#runtimeContext);
    this.#scheduleProcessingTimers();
  }

  processElement(value: unknown, timestamp: number): void {
    this.#collector.timestamp = timestamp;
    this.#state.setCurrentKey(this.#keySelector(value));
    this.#function.processElement(value, this, this.#collector);
    const next = this.#eventTimers.nextTimestamp;
    if (next !== undefined && next <= this.currentWatermark) this.#fireEventTimers(); // invariant 2
  }

  processWatermark(timestamp: number): void {
    this.currentWatermark = timestamp;
    this.#fireEventTimers();
    this.#output.emitWatermark(timestamp); // invariant 1
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  snapshotState(): KeyedProcessSnapshot {
    return {
      state: this.#state.snapshot(),
      eventTimers: this.#eventTimers.snapshot(this.#context.maxParallelism),
      // They will not fire in this run, nor in one that goes on from its end (invariant 3).
      processingTimers: this.#isFinished ? [] : this.#processingTimers.snapshot(this.#context.maxParallelism),
    };
  }

  finish(): void {
    this.#isFinished = true; // invariant 3
    this.#wakeUp?.cancel();
  }

  close(): void | Promise<void> {
    this.#wakeUp?.cancel();
    return this.#function.close?.();
  }

  #fireEventTimers(): void {
    this.#eventTimers.advance(this.currentWatermark, (timestamp, key) =>
      this.#fire('event-time', timestamp, key),
    );
  }

  #fire(timeDomain: TimeDomain, timestamp: number, key: unknown): void {
    this.timeDomain = timeDomain;
    this.#state.setCurrentKey(key);
    // A processing-time timer has no event time; its output has none either, as in Flink.
    this.#collector.timestamp = timeDomain === 'event-time' ? timestamp : MIN_TIMESTAMP;
    this.#function.onTimer?.(timestamp, this, this.#collector);
  }

  #scheduleProcessingTimers(): void {
    const at = this.#processingTimers.nextTimestamp;
    if (at === undefined || this.#isFinished || (this.#wakeUp !== undefined && this.#wakeUp.at <= at)) return;
    this.#wakeUp?.cancel();
    const cancel = this.#context.schedule(Math.max(0, at - this.#context.clock.now()), () => {
      this.#wakeUp = undefined;
      if (this.#isFinished) return;
      this.#processingTimers.advance(this.#context.clock.now(), (timestamp, key) => {
        this.#fire('processing-time', timestamp, key);
      });
      this.#fireEventTimers();
      this.#scheduleProcessingTimers();
    });
    this.#wakeUp = { at, cancel };
  }
}

function checkTimer(timestamp: number): void {
  if (Number.isNaN(timestamp) || typeof timestamp !== 'number') {
    throw new StreamConfigError(`A timer needs a timestamp in epoch milliseconds, got ${String(timestamp)}`);
  }
}
