/**
 * When the timers of a key's windows have to be in memory again, for windows whose state is on disk: a restart in place reads
 * a time of each key, and a key's windows when that time comes, or when a record comes for it.
 *
 * Role: keeps and stores those times, knows which keys are asleep. Boundary: the timers themselves are the operator's.
 *
 * Invariants
 * 1. Between two calls of the operator, a key with timers has a stored time at or before its earliest one, for either kind.
 * 2. The timers of a key that is asleep are not set; it is woken before one of them is due, and before it is given to anybody.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { TimerQueue } from '../time/timer-service.js';
import type { OperatorContext } from './operator.js';
import type { KeyWindows } from './window-trigger-context.js';

export const WAKE_TABLES = ['window-event-wakes', 'window-processing-wakes'] as const;

/** Those of event time, or those of the clock. */
class Wakes {
  readonly #stored: TimerQueue;
  readonly #asleep = new TimerQueue();

  constructor(table: string, context: OperatorContext, asleep: Set<unknown> | undefined) {
    this.#stored = new TimerQueue(table, context);
    if (asleep === undefined) return;
    for (const { key, namespace } of context.restoredRows(table)) {
      const identity = keyIdentity(key);
      asleep.add(identity);
      this.#asleep.register(namespace as number, key, identity);
    }
  }

  get nextAsleep(): number | undefined {
    return this.#asleep.nextTimestamp;
  }

  store(at: number, { key, identity }: KeyWindows): void {
    this.#stored.register(at, key, identity);
  }

  remove(at: number, { key, identity }: KeyWindows): void {
    this.#stored.delete(at, key, identity);
  }

  wake(time: number, wake: (key: unknown) => void): void {
    this.#asleep.advance(time, (_at, key) => wake(key));
  }

  passed(time: number, settle: (key: unknown) => void): void {
    this.#stored.advance(time, (_at, key) => settle(key));
  }

  clear(): void {
    this.#stored.clear();
    this.#asleep.clear();
  }
}

export class WindowWakes {
  readonly event: Wakes;
  readonly processing: Wakes;
  readonly #asleep = new Set<unknown>();

  /** `isAsleep`: all keys are; else what is stored is not of use, and goes. */
  constructor(context: OperatorContext, isAsleep: boolean) {
    const asleep = isAsleep ? this.#asleep : undefined;
    this.event = new Wakes(WAKE_TABLES[0], context, asleep);
    this.processing = new Wakes(WAKE_TABLES[1], context, asleep);
    if (!isAsleep) this.clear();
  }

  /** Whether the key has been asleep: it is not any more, its timers are to be set now (invariant 2). */
  wakes(identity: unknown): boolean {
    return this.#asleep.size > 0 && this.#asleep.delete(identity);
  }

  /** Call it when timers of the key may have changed (invariant 1). */
  settle(windows: KeyWindows): void {
    let event = Infinity;
    let processing = Infinity;
    for (const { eventTimers, processingTimers } of windows.records.values()) {
      for (const { at } of eventTimers) if (at < event) event = at;
      for (const { at } of processingTimers) if (at < processing) processing = at;
    }
    if (event < windows.eventWakeAt) this.event.store(event, windows);
    if (processing < windows.processingWakeAt) this.processing.store(processing, windows);
    windows.eventWakeAt = Math.min(event, windows.eventWakeAt);
    windows.processingWakeAt = Math.min(processing, windows.processingWakeAt);
  }

  /** The key has no windows any more. */
  remove(windows: KeyWindows): void {
    this.event.remove(windows.eventWakeAt, windows);
    this.processing.remove(windows.processingWakeAt, windows);
    windows.eventWakeAt = Infinity;
    windows.processingWakeAt = Infinity;
  }

  clear(): void {
    this.event.clear();
    this.processing.clear();
  }
}
