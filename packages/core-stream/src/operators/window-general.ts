/**
 * Windows of any assigner with any trigger and evictor.
 *
 * Role: keeps each key's windows one by one, each with its contents, trigger state and timers, and does what the trigger
 * says. Boundary: what is simpler and faster for common windows is in operators of their own; they emit the same.
 *
 * Invariants
 * 1. A record never enters a window that is late: `max timestamp + allowed lateness ≤ current watermark`. A record that is in
 *    no window and is late itself goes to the late output, or is counted as dropped.
 * 2. A window is gone, with all it has, when time reaches its clean-up time: `max timestamp + allowed lateness` of the
 *    watermark, or its `max timestamp` of the clock. The trigger is asked first.
 * 3. Windows of a key that merge become one before the record that causes it is added: contents in the order of the windows'
 *    starts, the trigger's state as the trigger says; timers of those that are gone do not fire.
 * 4. Event-time timers fire in timestamp order, within one in the order of registration, before the watermark is passed on;
 *    one at or below the current watermark fires after the current record.
 * 5. A window without contents, state and timers takes no memory.
 * 6. Each key is a row, reported whenever one of its windows may have changed: also by the user's functions.
 * 7. Timers of all keys are set, but for those that are asleep after a restart in place (`WindowWakes`).
 */
import { InvariantError } from '../errors.js';
import { keyIdentity } from '../state/canonical-encoding.js';
import type { KeyedRows } from '../state/keyed-rows.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { fires, purges, type Trigger, type TriggerResult } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { Output } from './operator.js';
import { keyWindowsOf, storedWindowsOf } from './key-windows.js';
import { takeWindows } from './stored-windows.js';
import { WindowAccumulation } from './window-accumulation.js';
import { WindowWakes } from './window-wakes.js';
import { WindowOperator, type WindowOperatorFactory, type WindowOptions } from './window-operator.js';
import type { FunctionOperatorContext } from './with-operator-state.js';
import {
  EMPTY,
  KeyWindows,
  WindowRecord,
  WindowTriggerContext,
  without,
  type WindowRef,
} from './window-trigger-context.js';

export function generalWindowOperator(options: WindowOptions): WindowOperatorFactory {
  return (context, output) => new GeneralWindowOperator(context, output, options);
}

/** The next ones of its timers; the subtasks of a run give different ones. */
interface StoredOrders {
  readonly event: number;
  readonly processing: number;
}

class GeneralWindowOperator extends WindowOperator {
  readonly #assigner: WindowAssigner<unknown, Window>;
  readonly #isMerging: boolean;
  readonly #trigger: Trigger<unknown, Window>;
  readonly #accumulation: WindowAccumulation;
  readonly #triggerContext: WindowTriggerContext;
  readonly #keys: KeyedRows<KeyWindows>;
  /** Of state on disk. */
  readonly #wakes: WindowWakes | undefined;

  constructor(context: FunctionOperatorContext, output: Output, options: WindowOptions) {
    super(context, output, options, 'windows');
    this.#assigner = options.assigner;
    this.#isMerging = options.assigner.mergeWindows !== undefined;
    this.#trigger = options.trigger ?? options.assigner.defaultTrigger();
    this.#accumulation = new WindowAccumulation(this.windowFunction, options.evictor, this.emitter);
    this.#triggerContext = new WindowTriggerContext(context, this.emitter, () => this.scheduleWakeUp());
    this.#keys = context.keyedRows<KeyWindows>({
      table: 'windows',
      isGone: ({ records }) => records.size === 0,
      dataOf: (windows) => storedWindowsOf(windows, this.#assigner.windowType),
      rowOf: (stored) => keyWindowsOf(stored, this.#assigner.windowType),
    });
    const { isStateOnDisk, isStateInPlace } = context;
    // On the heap too: it removes what a run on disk has stored. All keys are in memory there, so that it is not used further.
    const wakes = new WindowWakes(context, isStateInPlace);
    if (isStateOnDisk) this.#wakes = wakes;
    this.#continueOrders();
    if (!isStateInPlace) this.#restore();
    this.adopt((adopted) => {
      for (const windows of this.#keys.values()) {
        for (const record of windows.records.values()) {
          if (record.contents !== EMPTY) record.contents = adopted(record.contents);
        }
        this.#keys.changed(windows); // invariant 6
      }
    });
  }

  processElement(value: unknown, timestamp: number): void {
    if (this.isEventTime && timestamp === MIN_TIMESTAMP) throw this.noTimestamp();
    const key = this.keySelector(value);
    const identity = keyIdentity(key);
    const windows = this.#windowsOf(key, identity) ?? new KeyWindows(key, identity);
    let isSkipped = true;
    for (const assigned of this.#assigner.assignWindows(value, timestamp, this.emitter)) {
      const record = this.#isMerging ? this.#merge(windows, assigned) : this.#recordOf(windows, assigned);
      if (record === undefined) continue;
      isSkipped = false;
      this.#accumulation.add(record, value, timestamp);
      this.#triggerContext.record = record;
      this.#apply(record, this.#trigger.onElement(value, timestamp, record.window, this.#triggerContext));
      this.#registerCleanUp(record);
      if (record.isEmpty) windows.records.delete(record.identity); // invariant 5; the key may get another window yet
    }
    if (isSkipped) this.skip(value, timestamp);
    else this.#settle(windows);
    const next = this.#triggerContext.eventTimers.nextTime;
    if (next !== undefined && next <= this.emitter.currentWatermark)
      this.onEventTime(this.emitter.currentWatermark); // invariant 4
  }

  protected override onEventTime(watermark: number): void {
    const { eventTimers } = this.#triggerContext;
    this.#wakes?.event.wake(watermark, (key) => this.#windowsOf(key));
    for (;;) {
      const timer = eventTimers.takeDue(watermark);
      if (timer === undefined) break;
      const record = this.#find(timer.target);
      record.eventTimers = without(record.eventTimers, timer.at);
      this.#triggerContext.record = record;
      this.#apply(record, this.#trigger.onEventTime(timer.at, record.window, this.#triggerContext));
      if (this.isEventTime && timer.at === this.#cleanUpTime(record.window)) this.#drop(record);
      else this.#settleRecord(record);
    }
    this.#wakes?.event.passed(watermark, (key) => this.#renewWakes(key));
  }

  protected override onProcessingTime(time: number): void {
    const { processingTimers } = this.#triggerContext;
    this.#wakes?.processing.wake(time, (key) => this.#windowsOf(key));
    // At the end of time no trigger is to set the next timer for ever: those that are set by now are the last.
    const last = time === MAX_WATERMARK ? (processingTimers.inOrder().at(-1)?.at ?? time) : time;
    for (;;) {
      const timer = processingTimers.takeDue(last);
      if (timer === undefined) break;
      const record = this.#find(timer.target);
      record.processingTimers = without(record.processingTimers, timer.at);
      this.#triggerContext.record = record;
      this.#apply(record, this.#trigger.onProcessingTime(timer.at, record.window, this.#triggerContext));
      if (!this.isEventTime && timer.at === record.window.maxTimestamp()) this.#drop(record);
      else this.#settleRecord(record);
    }
    this.#wakes?.processing.passed(last, (key) => this.#renewWakes(key));
    this.onEventTime(this.emitter.currentWatermark);
  }

  protected override get nextProcessingTime(): number | undefined {
    const next = this.#triggerContext.processingTimers.nextTime;
    const asleep = this.#wakes?.processing.nextAsleep;
    return asleep === undefined || (next !== undefined && next <= asleep) ? next : asleep;
  }

  /** Batch mode: what the trigger has not emitted by now is never emitted. */
  override finishKey(): void {
    super.finishKey();
    this.#removeIf(() => true);
    this.#triggerContext.clear();
    this.#wakes?.clear();
  }

  override finish(): void {
    super.finish();
    // They will not fire in this run, nor in one that goes on from its end.
    this.#triggerContext.processingTimers.clear();
    this.#wakes?.processing.clear();
    for (const windows of this.#keys.values()) {
      for (const record of windows.records.values()) {
        if (record.processingTimers.length === 0) continue;
        record.processingTimers = [];
        this.#keys.changed(windows);
      }
    }
  }

  protected override removeAll(): void {
    this.#removeIf(({ window }) => window.maxTimestamp() !== MAX_WATERMARK);
  }

  #removeIf(isGone: (record: WindowRecord) => boolean): void {
    for (const windows of this.#keys.values()) {
      for (const record of windows.records.values()) {
        if (isGone(record)) windows.records.delete(record.identity);
      }
      this.#settle(windows);
    }
  }

  /** Those of a key, awake; `undefined` where it has none. */
  #windowsOf(key: unknown, identity = keyIdentity(key)): KeyWindows | undefined {
    const windows = this.#keys.get(identity, key);
    if (this.#wakes?.wakes(identity) === true && windows !== undefined) this.#setTimers(windows);
    return windows;
  }

  /** After the times of a key have passed, and its timers with them. */
  #renewWakes(key: unknown): void {
    const windows = this.#windowsOf(key);
    if (windows === undefined) return;
    windows.eventWakeAt = Infinity;
    windows.processingWakeAt = Infinity;
    this.#wakes!.settle(windows);
  }

  /** Sets the timers of what was stored. */
  #setTimers(windows: KeyWindows): void {
    const context = this.#triggerContext;
    for (const record of windows.records.values()) {
      const { eventTimers, processingTimers } = record;
      record.eventTimers = [];
      record.processingTimers = [];
      for (const { at, order } of eventTimers) context.setEventTimer(record, at, order);
      for (const { at, order } of processingTimers) context.setProcessingTimer(record, at, order);
    }
  }

  protected override snapshotOwn(): StoredOrders {
    const { eventOrders, processingOrders } = this.#triggerContext;
    return { event: eventOrders.nextOrder, processing: processingOrders.nextOrder };
  }

  #continueOrders(): void {
    const restored = this.restored.flatMap(({ storage, own }) =>
      storage === 'windows' ? [own as StoredOrders] : [],
    );
    this.#triggerContext.eventOrders.continueAt(restored.map(({ event }) => event));
    this.#triggerContext.processingOrders.continueAt(restored.map(({ processing }) => processing));
  }

  #restore(): void {
    const context = this.#triggerContext;
    for (const windows of this.#keys.values()) {
      this.#setTimers(windows);
      windows.eventWakeAt = Infinity;
      windows.processingWakeAt = Infinity;
      this.#wakes?.settle(windows);
    }
    for (const { key, window, parts, slots, hasFired } of takeWindows('windows', this)) {
      const identity = keyIdentity(key);
      const windows = this.#keys.get(identity, key) ?? new KeyWindows(key, identity);
      const record = this.#newRecord(windows, window);
      record.contents = parts;
      record.slots = slots;
      if (!this.isEventTime) context.setProcessingTimer(record, window.maxTimestamp());
      else if (!hasFired) context.setEventTimer(record, window.maxTimestamp());
      this.#registerCleanUp(record);
      this.#settle(windows);
    }
  }

  #cleanUpTime(window: Window): number {
    return window.maxTimestamp() + this.allowedLatenessMs;
  }

  #isLate(window: Window): boolean {
    return this.isEventTime && this.#cleanUpTime(window) <= this.emitter.currentWatermark;
  }

  #newRecord(windows: KeyWindows, window: Window): WindowRecord {
    const record = new WindowRecord(windows, this.#assigner.windowType.identityOf(window), window);
    windows.records.set(record.identity, record);
    return record;
  }

  /** `undefined` where the window is late (invariant 1). */
  #recordOf(windows: KeyWindows, window: Window): WindowRecord | undefined {
    if (this.#isLate(window)) return undefined;
    return (
      windows.records.get(this.#assigner.windowType.identityOf(window)) ?? this.#newRecord(windows, window)
    );
  }

  /** The window that `assigned` becomes a part of (invariant 3); `undefined` where that one is late (invariant 1). */
  #merge(windows: KeyWindows, assigned: Window): WindowRecord | undefined {
    if (windows.records.size === 0) return this.#recordOf(windows, assigned);
    const all = [assigned];
    for (const { window } of windows.records.values()) all.push(window);
    const group = this.#assigner.mergeWindows?.(all).find(({ merged }) => merged.includes(assigned));
    if (group === undefined) return this.#recordOf(windows, assigned);
    if (this.#isLate(group.result)) return undefined;
    const sources: WindowRecord[] = [];
    for (const source of windows.records.values()) {
      if (group.merged.includes(source.window)) sources.push(source);
    }
    if (sources.length === 1) {
      // The assigned window adds nothing to the one that is there: nothing has merged.
      const [source] = sources;
      if (source!.identity === this.#assigner.windowType.identityOf(group.result)) return source;
    } else sources.sort((a, b) => group.merged.indexOf(a.window) - group.merged.indexOf(b.window));
    for (const source of sources) windows.records.delete(source.identity);
    const record = this.#newRecord(windows, group.result);
    for (const { contents } of sources) this.#accumulation.merge(record, contents);
    this.#triggerContext.record = record;
    this.#triggerContext.merged = sources.map(({ trigger }) => trigger);
    this.#trigger.onMerge?.(record.window, this.#triggerContext);
    this.#triggerContext.merged = [];
    for (const source of sources) {
      this.#triggerContext.record = source;
      this.#trigger.clear(source.window, this.#triggerContext);
      this.#triggerContext.cancelTimers(source);
    }
    return record;
  }

  #apply(record: WindowRecord, result: TriggerResult): void {
    if (fires(result) && record.contents !== EMPTY) this.#accumulation.emit(record);
    if (purges(result)) record.contents = EMPTY;
  }

  #registerCleanUp(record: WindowRecord): void {
    const time = this.#cleanUpTime(record.window);
    if (time === MAX_WATERMARK) return;
    this.#triggerContext.record = record;
    if (this.isEventTime) this.#triggerContext.registerEventTimeTimer(time);
    else this.#triggerContext.registerProcessingTimeTimer(time);
  }

  /** Invariant 2. */
  #drop(record: WindowRecord): void {
    this.#triggerContext.record = record;
    this.#trigger.clear(record.window, this.#triggerContext);
    this.#triggerContext.cancelTimers(record);
    this.emitter.setWindow(record.window);
    this.emitter.clear(record.owner.key, record);
    this.#remove(record);
  }

  #find({ key, keyIdentity: identity, windowIdentity }: WindowRef): WindowRecord {
    const record = this.#keys.get(identity, key)?.records.get(windowIdentity);
    if (record !== undefined) return record;
    throw new InvariantError(`A timer of '${this.context.operatorName}' is set for a window that is gone`, {
      details: { invariant: 2, operator: this.context.operatorName },
    });
  }

  /** After a timer's call. */
  #settleRecord(record: WindowRecord): void {
    if (record.isEmpty) {
      this.#remove(record); // invariant 5
      return;
    }
    this.#registerCleanUp(record); // invariant 2: the trigger may have deleted it
    this.#settle(record.owner);
  }

  #remove({ owner, identity }: WindowRecord): void {
    owner.records.delete(identity);
    this.#settle(owner);
  }

  /** After a change of a key's windows. */
  #settle(windows: KeyWindows): void {
    if (windows.records.size === 0) {
      if (windows.isKept) this.#keys.remove(windows.identity, windows);
      windows.isKept = false;
      this.#wakes?.remove(windows);
      return;
    }
    if (windows.isKept)
      this.#keys.changed(windows); // invariant 6
    else {
      windows.isKept = true;
      this.#keys.add(windows.identity, windows);
    }
    this.#wakes?.settle(windows);
  }
}
