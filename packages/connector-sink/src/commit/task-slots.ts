/**
 * Decides when a commit may submit its task: as many of the sink's tasks as `maxConcurrentTasks` at once, and no more than
 * Druid has slots for, so that its queue stays short for others. Commits that have to wait hold up later ones, and with them
 * checkpoints and writers.
 *
 * Invariants:
 * 1. Commits get their turn in the order in which they asked.
 * 2. One task may always wait in Druid's own queue: in a cluster that is full for good it still gets its turn there.
 * 3. Tasks that begin others are never so many that all of them wait for slots that they have themselves.
 */
import type { DruidClient, WorkerCapacity } from '@millrace/druid-client';
import { sleep, type Clock, type Logger } from '@millrace/core-stream';
import { DruidError } from '@millrace/druid-client';

export interface TaskSlotsOptions {
  readonly druid: DruidClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly maxConcurrentTasks: number;
  /** Slots that a task takes, those of tasks that it begins itself among them. Default 1. */
  readonly slotsPerTask?: number;
  readonly pollIntervalMs: number;
}

/** The right to have one task in Druid. */
export interface TaskSlot {
  /** The task has a worker: Druid counts it from now on. */
  started(): void;
  /** Takes effect once. */
  release(): void;
}

export class TaskSlots {
  readonly #options: TaskSlotsOptions;
  #inUse = 0;
  /** Tasks among them that Druid does not count as running yet. */
  #starting = 0;
  /** Ends with the turn of the last one that has asked. */
  #turn: Promise<unknown> = Promise.resolve();
  #released: (() => void) | undefined;
  #isUnreadable = false;

  constructor(options: TaskSlotsOptions) {
    this.#options = options;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /** Waits for room in Druid. Rejects with the reason of a signal that is aborted. */
  acquire(wanted: AbortSignal): Promise<TaskSlot> {
    const acquired = this.#turn.then(() => this.#acquire(wanted)); // invariant 1
    this.#turn = acquired.catch(() => undefined);
    return acquired;
  }

  /** A slot for a task that is in Druid already. */
  take(): TaskSlot {
    this.#inUse += 1;
    this.#starting += 1;
    let isStarting = true;
    let isHeld = true;
    const started = () => {
      if (isStarting) this.#starting -= 1;
      isStarting = false;
    };
    return {
      started,
      release: () => {
        started();
        if (isHeld) this.#inUse -= 1;
        isHeld = false;
        this.#released?.();
      },
    };
  }

  async #acquire(wanted: AbortSignal): Promise<TaskSlot> {
    const { clock, signal, maxConcurrentTasks, pollIntervalMs } = this.#options;
    const either = AbortSignal.any([signal, wanted]);
    for (;;) {
      either.throwIfAborted();
      if (this.#inUse >= maxConcurrentTasks) await this.#untilReleased(either);
      else if (await this.#hasRoom()) return this.take();
      else await sleep(clock, pollIntervalMs, either);
    }
  }

  #untilReleased(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#released = undefined;
        resolve();
      };
      this.#released = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  async #hasRoom(): Promise<boolean> {
    if (this.#inUse === 0) return true; // invariant 2
    const capacity = await this.#capacity();
    if (capacity === undefined) return true;
    const { capacityUsed, maxCapacityWithAutoScale } = capacity;
    // A cluster that grows by need grows only when tasks wait.
    const limit = Math.max(capacity.capacity, maxCapacityWithAutoScale ?? 0);
    const { slotsPerTask = 1 } = this.#options;
    // Which of its own tasks a running one has begun, Druid does not tell: none of them, to be safe (invariant 3).
    const toCome = this.#starting * slotsPerTask + (this.#inUse - this.#starting) * (slotsPerTask - 1);
    const taken = capacityUsed === undefined ? this.#inUse * slotsPerTask : capacityUsed + toCome;
    return taken + slotsPerTask <= limit;
  }

  /** `undefined` where Druid does not tell: then `maxConcurrentTasks` alone decides. */
  async #capacity(): Promise<WorkerCapacity | undefined> {
    const { druid, signal, logger } = this.#options;
    if (this.#isUnreadable) return undefined;
    try {
      return await druid.cluster.workerCapacity({ signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!DruidError.is(error)) throw error;
      // Of an outage the submission will tell; what is refused stays refused.
      this.#isUnreadable = !error.retryable;
      if (this.#isUnreadable) {
        logger.warn(
          "Druid does not tell how many task slots it has; 'maxConcurrentTasks' alone limits the tasks",
          {
            reason: error.message,
          },
        );
      }
      return undefined;
    }
  }
}
