/**
 * Runs an `AsyncFunction`: keeps many calls in flight, and emits their results in order or as they come.
 *
 * Role: makes the calls, looks at what became of them, retries, times out. Boundary: what may leave when is `async-queue`'s.
 *
 * Invariants
 * 1. Promises only leave a note (`#settled`); everything else happens on the subtask's own turns.
 * 2. At most `capacity` records have a call begun and have not left; what a batch brings beyond that waits its turn.
 * 3. Calls begin in the order of the records, so that the oldest record has the earliest deadline: one wake-up serves all.
 * 4. A record is in the snapshot until its results have been emitted; after a restore it is called again, before new ones,
 *    and behind the watermark that had been emitted.
 * 5. Once a record is complete, or the operator closed, what its calls still bring is ignored.
 */
import { StreamConfigError } from '../errors.js';
import type { AsyncFunction, AsyncFunctionFactory } from '../functions/async-function.js';
import type { AsyncRetryStrategy } from '../functions/async-retry.js';
import { describeValue, type Describer } from '../runtime/describe-value.js';
import { recordError } from '../runtime/operator-error.js';
import { shareOf } from '../state/redistribution.js';
import { lowestWatermark, restoredWatermark } from '../time/restored-watermark.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { AsyncCall } from './async-call.js';
import { AsyncQueue } from './async-queue.js';
import type { DrainStatus, OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';

export interface AsyncWaitOperatorOptions {
  readonly create: AsyncFunctionFactory<unknown, unknown>;
  readonly isOrdered: boolean;
  readonly timeoutMs: number;
  readonly capacity: number;
  readonly retry: AsyncRetryStrategy<never> | undefined;
}

interface AsyncWaitSnapshot {
  /** What the operators behind this one had been told: a record that was late for them stays late. */
  readonly watermark: number;
  /** In the order in which they came, each with the watermark that it came behind. */
  readonly records: readonly {
    readonly value: unknown;
    readonly timestamp: number;
    readonly watermark: number;
  }[];
}

export function asyncWaitOperator(options: AsyncWaitOperatorOptions): OperatorFactory {
  return (context, output) => new AsyncWaitOperator(context, output, options);
}

class AsyncWaitOperator implements StreamOperator {
  readonly #context: OperatorContext;
  readonly #options: AsyncWaitOperatorOptions;
  readonly #function: AsyncFunction<unknown, unknown>;
  readonly #queue: AsyncQueue<AsyncCall>;
  /** The oldest record whose call has not begun, and how many there are. */
  #waiting: AsyncCall | undefined;
  #waitingCount = 0;
  /** Calls whose promise is settled, for the next turn to look at. */
  #settled: AsyncCall[] = [];
  #cancelWakeUp: (() => void) | undefined;
  #isClosed = false;

  constructor(context: OperatorContext, output: Output, options: AsyncWaitOperatorOptions) {
    this.#context = context;
    this.#options = options;
    this.#queue = new AsyncQueue(options.isOrdered, output);
    this.#function = options.create(context);
    if (typeof this.#function.asyncInvoke !== 'function') {
      throw new StreamConfigError(
        `'${context.operatorName}' needs an object with asyncInvoke, or a function that makes one, got ${describeValue(this.#function)}.`,
      );
    }
  }

  open(): void | Promise<void> {
    return this.#function.open?.(this.#context);
  }

  /** Calls for the restored records begin. */
  start(): void {
    const { watermark, records } = this.#restored();
    if (watermark > MIN_TIMESTAMP) this.#queue.putWatermark(watermark); // invariant 4
    let reached = watermark;
    for (const { value, timestamp, watermark: behind } of records) {
      if (behind > reached) this.#queue.putWatermark((reached = behind));
      this.processElement(value, timestamp);
    }
  }

  processElement(value: unknown, timestamp: number): void {
    const call = new AsyncCall(value, timestamp);
    this.#queue.put(call);
    this.#waiting ??= call;
    this.#waitingCount++;
    this.#beginWaiting();
  }

  processWatermark(timestamp: number): void {
    this.#queue.putWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#queue.putIdle(isIdle);
  }

  get isFull(): boolean {
    return this.#queue.size >= this.#options.capacity;
  }

  snapshotState(): AsyncWaitSnapshot {
    const records = Array.from(this.#queue.recordsBehind(), ({ record, watermark }) => ({
      value: record.value,
      timestamp: record.eventTime,
      watermark,
    }));
    return { watermark: this.#queue.watermark, records };
  }

  /** Without records there are no marks either: +∞ has left. */
  drain(): DrainStatus {
    return this.#queue.size === 0 ? 'done' : 'wait';
  }

  finish(): void {
    this.#cancelWakeUp?.();
  }

  close(): void | Promise<void> {
    this.#isClosed = true;
    this.#cancelWakeUp?.();
    for (const call of this.#queue.records()) call.abort(this.#context.signal.reason);
    return this.#function.close?.();
  }

  /** The watermark is this subtask's own, or the lowest where it may be given other records than before. */
  #restored(): AsyncWaitSnapshot {
    const { parallelism, subtaskIndex, isRescaled } = this.#context;
    const states = (this.#context.restored ?? []) as readonly AsyncWaitSnapshot[];
    if (states.length === 0) return { watermark: MIN_TIMESTAMP, records: [] };
    const isOwn = !isRescaled && states.length === parallelism;
    const reached = states.map(({ watermark }) => ({ watermark, isIdle: false }));
    return {
      watermark: isRescaled
        ? lowestWatermark(reached)
        : restoredWatermark(reached, subtaskIndex, parallelism),
      // Records of several subtasks are in no order with each other's watermarks.
      records: shareOf(
        states.map(({ records }) => records),
        this.#context,
      ).map((record) => (isOwn ? record : { ...record, watermark: MIN_TIMESTAMP })),
    };
  }

  #beginWaiting(): void {
    const { capacity, timeoutMs } = this.#options;
    while (this.#waiting !== undefined && this.#queue.size - this.#waitingCount < capacity) {
      const call = this.#waiting; // invariants 2 and 3
      this.#waiting = this.#queue.after(call);
      this.#waitingCount--;
      call.deadline = this.#context.clock.now() + timeoutMs;
      this.#invoke(call);
    }
    this.#scheduleWakeUp();
  }

  #invoke(call: AsyncCall): void {
    call.attempt++;
    let promise: Promise<unknown>;
    try {
      promise = Promise.resolve(this.#function.asyncInvoke(call.value, call));
    } catch (error) {
      promise = Promise.reject(error as Error); // no worse than a rejection: it may be worth another attempt
    }
    promise.then(
      (results) => this.#note(call, results, false),
      (error: unknown) => this.#note(call, error, true),
    );
  }

  /** Called outside of the subtask's turns (invariant 1). What settles in one turn is handled in one piece of mail. */
  #note(call: AsyncCall, settlement: unknown, isRejected: boolean): void {
    if (this.#isClosed) return; // invariant 5
    call.settlement = settlement;
    call.isRejected = isRejected;
    if (this.#settled.push(call) === 1) this.#context.post(() => this.#handleSettled());
  }

  #handleSettled(): void {
    const settled = this.#settled;
    this.#settled = [];
    for (const call of settled) {
      if (call.results !== undefined) continue; // invariant 5: timed out before
      try {
        this.#handle(call);
      } catch (error) {
        throw this.#failure(call, error);
      }
    }
    this.#beginWaiting();
  }

  #handle(call: AsyncCall): void {
    const { settlement, isRejected } = call;
    call.settlement = undefined;
    if (!isRejected) checkResults('asyncInvoke', settlement, this.#context.describer);
    if (this.#isWorthRetrying(call.attempt, settlement, isRejected)) {
      const delayMs = this.#options.retry!.delayMs(call.attempt);
      call.cancelRetry = this.#context.schedule(delayMs, () => this.#invoke(call));
    } else if (isRejected) {
      throw settlement;
    } else {
      this.#queue.complete(call, settlement as readonly unknown[]);
    }
  }

  #isWorthRetrying(attempt: number, settlement: unknown, isRejected: boolean): boolean {
    const { retry } = this.#options;
    if (retry === undefined || attempt >= retry.maxAttempts) return false;
    return isRejected
      ? (retry.retryOnError?.(settlement) ?? true)
      : (retry.retryOnResult?.(settlement as readonly never[]) ?? false);
  }

  #scheduleWakeUp(): void {
    const { oldest } = this.#queue;
    if (oldest === undefined || oldest.deadline === Infinity || this.#cancelWakeUp !== undefined) return;
    const delayMs = Math.max(0, oldest.deadline - this.#context.clock.now());
    this.#cancelWakeUp = this.#context.schedule(delayMs, () => {
      this.#cancelWakeUp = undefined;
      const now = this.#context.clock.now();
      let call = this.#queue.oldest;
      while (call !== undefined && call.deadline <= now) {
        this.#timeOut(call); // invariant 3
        call = this.#queue.oldest;
      }
      this.#beginWaiting();
    });
  }

  #timeOut(call: AsyncCall): void {
    const { timeoutMs } = this.#options;
    const error = new DOMException(
      `no result within ${timeoutMs} ms. Allow more time (timeoutMs), or give the function a timeout(value) that says what to emit.`,
      'TimeoutError',
    );
    call.abort(error);
    try {
      if (this.#function.timeout === undefined) throw error;
      const results = this.#function.timeout(call.value);
      checkResults('timeout', results, this.#context.describer);
      this.#queue.complete(call, results);
    } catch (cause) {
      throw this.#failure(call, cause);
    }
  }

  #failure(call: AsyncCall, cause: unknown): Error {
    const { operatorName: name, subtaskIndex, describer } = this.#context;
    const attempt = call.attempt === 1 ? '' : `, in attempt ${call.attempt},`;
    const doing = `processing${attempt} the record`;
    return recordError(cause, { name, subtaskIndex, describer }, call.value, doing);
  }
}

function checkResults(
  method: string,
  results: unknown,
  describer: Describer,
): asserts results is readonly unknown[] {
  if (Array.isArray(results)) return;
  throw new TypeError(`${method} gave ${describer.describeRecord(results)}, not an array of results`);
}
