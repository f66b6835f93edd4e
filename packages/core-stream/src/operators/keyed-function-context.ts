/**
 * What a keyed function sees – the current key with its state, timers and time – and what its operator does with that.
 *
 * Boundary: knows nothing of inputs; the operator calls `begin`, then the user's function, then `end`.
 *
 * Invariants
 * 1. Event-time timers fire in timestamp order before the watermark that reaches them is passed on.
 * 2. A timer registered at or below the current watermark fires after the current record, before anything else.
 * 3. Processing-time timers that are pending at the end of the input do not fire; event-time ones do.
 */
import { StreamRecordError } from '../errors.js';
import type {
  Collector,
  KeyedRuntimeContext,
  OnTimerContext,
  TimeDomain,
  TimerService,
} from '../functions/functions.js';
import type { KeyedStateBackend, KeyedStateSnapshot } from '../state/keyed-state-backend.js';
import { TimerQueue } from '../time/timer-service.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { FunctionContext } from './function-context.js';
import type { Output } from './operator.js';
import { restoredEventTime } from './restored-event-time.js';
import type { FunctionOperatorContext } from './with-operator-state.js';
import { synchronous } from './synchronous.js';

/** What is not in rows. */
export interface KeyedFunctionSnapshot {
  readonly state: KeyedStateSnapshot;
  /** What had been reached: state that had expired by then stays so. */
  readonly eventTime: number;
}

/** What the user's function has besides its records. */
interface TimedFunction {
  onTimer?(timestamp: number, context: OnTimerContext<unknown>, out: Collector<unknown>): void;
  snapshotState?(checkpointId: number): void;
}

export class KeyedFunctionContext extends FunctionContext implements OnTimerContext<unknown>, TimerService {
  readonly state: KeyedStateBackend;
  readonly runtimeContext: KeyedRuntimeContext;
  timeDomain: TimeDomain = 'event-time';
  readonly #eventTimers: TimerQueue;
  readonly #processingTimers: TimerQueue;
  readonly #fireEventTimer = (timestamp: number, key: unknown): void =>
    this.#fire('event-time', timestamp, key);
  readonly #fireProcessingTimer = (timestamp: number, key: unknown): void =>
    this.#fire('processing-time', timestamp, key);
  #function: TimedFunction = {};
  #wakeUp: { readonly at: number; readonly cancel: () => void } | undefined;
  #isFinished = false;
  /** What state ages by: the watermark; while it advances, the time of the timer that fires. */
  #eventTime: number;

  /** `restored` are the snapshots of all subtasks. */
  constructor(operator: FunctionOperatorContext, target: Output, restored: readonly unknown[] = []) {
    super(operator, target);
    const snapshots = restored as readonly KeyedFunctionSnapshot[];
    this.#eventTime = restoredEventTime(
      operator,
      snapshots.map(({ eventTime }) => eventTime),
    );
    const state = operator.createKeyedState(
      snapshots.map((snapshot) => snapshot.state),
      { processingTime: () => operator.clock.now(), eventTime: () => this.#eventTime },
    );
    this.state = state;
    this.#eventTimers = new TimerQueue('event-timers', operator);
    this.#processingTimers = new TimerQueue('processing-timers', operator);
    this.runtimeContext = {
      operatorName: operator.operatorName,
      subtaskIndex: operator.subtaskIndex,
      parallelism: operator.parallelism,
      clock: operator.clock,
      logger: operator.logger,
      metrics: operator.metrics,
      getOperatorListState: (descriptor) => operator.getOperatorListState(descriptor),
      getUnionListState: (descriptor) => operator.getUnionListState(descriptor),
      getState: (descriptor) => state.getState(descriptor),
      getListState: (descriptor) => state.getListState(descriptor),
      getMapState: (descriptor) => state.getMapState(descriptor),
      getReducingState: (descriptor) => state.getReducingState(descriptor),
      getAggregatingState: (descriptor) => state.getAggregatingState(descriptor),
    };
  }

  // What the function sees.

  get currentKey(): unknown {
    return this.state.currentKey;
  }

  get timers(): TimerService {
    return this;
  }

  registerEventTimeTimer(timestamp: number): void {
    checkTimer(timestamp);
    this.#eventTimers.register(timestamp, this.state.currentKey, this.state.currentIdentity);
  }

  registerProcessingTimeTimer(timestamp: number): void {
    checkTimer(timestamp);
    // A key's end in batch mode: a timer that registers the next one would let no key end. Flink drops it too.
    if (this.operator.isBatch && this.currentWatermark === MAX_WATERMARK) return;
    this.#processingTimers.register(timestamp, this.state.currentKey, this.state.currentIdentity);
    this.#scheduleProcessingTimers();
  }

  deleteEventTimeTimer(timestamp: number): void {
    this.#eventTimers.delete(timestamp, this.state.currentKey, this.state.currentIdentity);
  }

  deleteProcessingTimeTimer(timestamp: number): void {
    this.#processingTimers.delete(timestamp, this.state.currentKey, this.state.currentIdentity);
  }

  // What the operator calls.

  /** Before the first record; `timed` gets the timers. */
  open(timed: TimedFunction): void {
    this.#function = timed;
    this.#scheduleProcessingTimers();
  }

  /** Before the function is called for a record of `key`. */
  begin(key: unknown, timestamp: number): void {
    this.collector.timestamp = timestamp;
    this.state.setCurrentKey(key);
  }

  /** After the function was called for a record. */
  end(): void {
    const next = this.#eventTimers.nextTimestamp;
    if (next !== undefined && next <= this.currentWatermark) this.#fireEventTimers(); // invariant 2
  }

  processWatermark(timestamp: number): void {
    this.currentWatermark = timestamp;
    this.#fireEventTimers();
    if (timestamp > this.#eventTime) this.#eventTime = timestamp;
    this.target.emitWatermark(timestamp); // invariant 1
  }

  /** Batch mode: the current key has no further record, so it needs its state no more. */
  finishKey(): void {
    this.currentWatermark = MAX_WATERMARK;
    do {
      this.#fireEventTimers();
      this.#processingTimers.advance(MAX_WATERMARK, this.#fireProcessingTimer);
    } while (this.#eventTimers.nextTimestamp !== undefined);
    this.currentWatermark = MIN_TIMESTAMP;
    this.state.dropCurrentKey();
  }

  snapshot(checkpointId: number): KeyedFunctionSnapshot {
    if (this.#function.snapshotState !== undefined) {
      this.state.clearCurrentKey();
      this.#function.snapshotState(checkpointId);
    }
    return { state: this.state.snapshot(), eventTime: this.#eventTime };
  }

  /** At the end of the input, and when the subtask is closed. */
  finish(): void {
    this.#isFinished = true;
    this.#wakeUp?.cancel();
    this.#processingTimers.clear(); // invariant 3: nor in a run that goes on from the end of this one
  }

  #fireEventTimers(): void {
    this.#eventTimers.advance(this.currentWatermark, this.#fireEventTimer);
  }

  #fire(timeDomain: TimeDomain, timestamp: number, key: unknown): void {
    this.timeDomain = timeDomain;
    // A processing-time timer has no event time; its output has none either, as in Flink.
    this.begin(key, timeDomain === 'event-time' ? timestamp : MIN_TIMESTAMP);
    // Batch mode has no time that passes for all keys.
    if (timeDomain === 'event-time' && timestamp > this.#eventTime && !this.operator.isBatch)
      this.#eventTime = timestamp;
    synchronous(this.#function.onTimer?.(timestamp, this, this.collector));
  }

  #scheduleProcessingTimers(): void {
    const at = this.#processingTimers.nextTimestamp;
    if (this.operator.isBatch) return; // they wait for `finishKey`
    if (at === undefined || this.#isFinished || (this.#wakeUp !== undefined && this.#wakeUp.at <= at)) return;
    this.#wakeUp?.cancel();
    const cancel = this.operator.schedule(Math.max(0, at - this.operator.clock.now()), () => {
      this.#wakeUp = undefined;
      if (this.#isFinished) return;
      this.#processingTimers.advance(this.operator.clock.now(), this.#fireProcessingTimer);
      this.#fireEventTimers();
      this.#scheduleProcessingTimers();
    });
    this.#wakeUp = { at, cancel };
  }
}

function checkTimer(timestamp: number): void {
  if (Number.isNaN(timestamp) || typeof timestamp !== 'number') {
    throw new StreamRecordError(`A timer needs a timestamp in epoch milliseconds, got ${String(timestamp)}`);
  }
}
