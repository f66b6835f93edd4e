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
 * 6. A snapshot holds each (key, window) under the key's key group.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { byKeyGroup } from '../state/heap-keyed-state.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { Evictor, TimestampedValue } from '../windows/evictor.js';
import { fires, purges, type Trigger, type TriggerResult } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { Output } from './operator.js';
import {
  ownRecords,
  WindowOperator,
  type KeyGroupRecords,
  type WindowOperatorFactory,
  type WindowOptions,
} from './window-operator.js';
import type { WindowSlots } from './window-state.js';
import type { FunctionOperatorContext } from './with-operator-state.js';
import { EMPTY, KeyWindows, WindowRecord, WindowTriggerContext } from './window-trigger-context.js';

/** Key, then per window: what it is, its contents, its slots, its trigger's slots, its timers with their order. */
type KeyRecord = readonly [key: unknown, windows: readonly StoredWindow[]];
interface StoredWindow {
  readonly window: unknown;
  readonly hasContents: boolean;
  readonly contents?: unknown;
  readonly slots?: WindowSlots;
  readonly triggerSlots?: WindowSlots;
  /** Pairs of time and rank: timers of one time fire in the order of their ranks. */
  readonly eventTimers: readonly (readonly [number, number])[];
  readonly processingTimers: readonly (readonly [number, number])[];
}

type GeneralSnapshot = readonly KeyGroupRecords<KeyRecord>[];

export function generalWindowOperator(options: WindowOptions): WindowOperatorFactory {
  return (context, output) => new GeneralWindowOperator(context, output, options);
}

class GeneralWindowOperator extends WindowOperator<GeneralSnapshot> {
  readonly #assigner: WindowAssigner<unknown, Window>;
  readonly #isMerging: boolean;
  readonly #trigger: Trigger<unknown, Window>;
  readonly #evictor: Evictor<unknown, Window> | undefined;
  readonly #triggerContext: WindowTriggerContext;
  /** By key identity. */
  readonly #keys = new Map<unknown, KeyWindows>();

  constructor(context: FunctionOperatorContext, output: Output, options: WindowOptions) {
    super(context, output, options, options.evictor === undefined ? 'single windows' : 'evicted windows');
    this.#assigner = options.assigner;
    this.#isMerging = options.assigner.mergeWindows !== undefined;
    this.#trigger = options.trigger ?? options.assigner.defaultTrigger();
    this.#evictor = options.evictor;
    this.#triggerContext = new WindowTriggerContext(this.emitter, () => this.scheduleWakeUp());
    this.restore();
  }

  processElement(value: unknown, timestamp: number): void {
    if (this.isEventTime && timestamp === MIN_TIMESTAMP) throw this.noTimestamp();
    const key = this.keySelector(value);
    const identity = keyIdentity(key);
    let windows = this.#keys.get(identity);
    if (windows === undefined) {
      windows = new KeyWindows(key, identity);
      this.#keys.set(identity, windows);
    }
    let isSkipped = true;
    for (const assigned of this.#assigner.assignWindows(value, timestamp, this.emitter)) {
      const record = this.#isMerging ? this.#merge(windows, assigned) : this.#recordOf(windows, assigned);
      if (record === undefined) continue;
      isSkipped = false;
      this.#add(record, value, timestamp);
      this.#triggerContext.record = record;
      this.#apply(record, this.#trigger.onElement(value, timestamp, record.window, this.#triggerContext));
      this.#registerCleanUp(record);
      if (record.isEmpty) windows.records.delete(record.identity); // invariant 5; the key may get another window yet
    }
    if (windows.records.size === 0) this.#keys.delete(identity);
    if (isSkipped) this.skip(value, timestamp);
    const next = this.#triggerContext.eventTimers.nextTime;
    if (next !== undefined && next <= this.emitter.currentWatermark)
      this.onEventTime(this.emitter.currentWatermark); // invariant 4
  }

  protected override onEventTime(watermark: number): void {
    for (;;) {
      const timer = this.#triggerContext.takeEventTimer(watermark);
      if (timer === undefined) return;
      const record = timer.target;
      this.#apply(record, this.#trigger.onEventTime(timer.at, record.window, this.#triggerContext));
      if (this.isEventTime && timer.at === this.#cleanUpTime(record.window)) this.#drop(record);
      else this.#dropIfEmpty(record);
    }
  }

  protected override onProcessingTime(time: number): void {
    const { processingTimers } = this.#triggerContext;
    // At the end of time no trigger is to set the next timer for ever: those that are set by now are the last.
    const last = time === MAX_WATERMARK ? (processingTimers.inOrder().at(-1)?.at ?? time) : time;
    for (;;) {
      const timer = this.#triggerContext.takeProcessingTimer(last);
      if (timer === undefined) break;
      const record = timer.target;
      this.#apply(record, this.#trigger.onProcessingTime(timer.at, record.window, this.#triggerContext));
      if (!this.isEventTime && timer.at === record.window.maxTimestamp()) this.#drop(record);
      else this.#dropIfEmpty(record);
    }
    this.onEventTime(this.emitter.currentWatermark);
  }

  protected override get nextProcessingTime(): number | undefined {
    return this.#triggerContext.processingTimers.nextTime;
  }

  /** Batch mode: what the trigger has not emitted by now is never emitted. */
  override finishKey(): void {
    super.finishKey();
    this.#keys.clear();
    this.#triggerContext.clear();
  }

  protected override snapshotWindows(): GeneralSnapshot {
    const stored = (record: WindowRecord): StoredWindow => ({
      window: this.#assigner.windowType.encode(record.window),
      hasContents: record.contents !== EMPTY,
      ...(record.contents === EMPTY ? {} : { contents: record.contents }),
      ...(record.slots === undefined ? {} : { slots: record.slots }),
      ...(record.trigger.slots === undefined ? {} : { triggerSlots: record.trigger.slots }),
      eventTimers: record.eventTimers.map(({ at, order }) => [at, order]),
      // They will not fire in this run, nor in one that goes on from its end.
      processingTimers: this.isFinished ? [] : record.processingTimers.map(({ at, order }) => [at, order]),
    });
    const isGone = (record: WindowRecord): boolean =>
      this.isFinished && !this.isEventTime && record.window.maxTimestamp() !== MAX_WATERMARK;
    const pairs = [...this.#keys.values()].flatMap(({ key, records }): readonly KeyRecord[] => {
      const windows = [...records.values()].filter((record) => !isGone(record)).map(stored);
      return windows.length === 0 ? [] : [[key, windows]];
    });
    return byKeyGroup(pairs, this.context.maxParallelism); // invariant 6
  }

  protected override restoreWindows(snapshot: GeneralSnapshot): void {
    const ranked: { readonly rank: number; readonly register: () => void }[] = [];
    for (const [key, windows] of ownRecords(snapshot, this.context)) {
      const identity = keyIdentity(key);
      const keyWindows = new KeyWindows(key, identity);
      this.#keys.set(identity, keyWindows);
      for (const stored of windows) {
        const record = this.#newRecord(keyWindows, this.#assigner.windowType.decode(stored.window));
        if (stored.hasContents) record.contents = stored.contents;
        record.slots = stored.slots;
        record.trigger.slots = stored.triggerSlots;
        for (const [at, rank] of stored.eventTimers)
          ranked.push({ rank, register: () => this.#triggerContext.restoreEventTimer(record, at) });
        for (const [at, rank] of stored.processingTimers)
          ranked.push({ rank, register: () => this.#triggerContext.restoreProcessingTimer(record, at) });
      }
    }
    ranked.sort((a, b) => a.rank - b.rank);
    for (const { register } of ranked) register();
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
    for (const { contents } of sources) this.#addContents(record, contents);
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

  #addContents(record: WindowRecord, contents: unknown): void {
    if (contents === EMPTY) return;
    if (record.contents === EMPTY) record.contents = contents;
    else if (this.#evictor === undefined)
      record.contents = this.windowFunction.merge(record.contents, contents);
    else for (const element of contents as unknown[]) (record.contents as unknown[]).push(element);
  }

  #add(record: WindowRecord, value: unknown, timestamp: number): void {
    const { contents } = record;
    if (this.#evictor !== undefined) {
      const element: TimestampedValue<unknown> = { value, timestamp };
      if (contents === EMPTY) record.contents = [element];
      else (contents as unknown[]).push(element);
    } else if (contents === EMPTY) record.contents = this.windowFunction.create(value);
    else record.contents = this.windowFunction.add(contents, value);
  }

  #apply(record: WindowRecord, result: TriggerResult): void {
    if (fires(result) && record.contents !== EMPTY) this.#emit(record);
    if (purges(result)) record.contents = EMPTY;
  }

  #emit(record: WindowRecord): void {
    const { key } = record.owner;
    this.emitter.setWindow(record.window);
    if (this.#evictor === undefined) {
      this.emitter.emit(key, record, record.contents);
      return;
    }
    const elements = record.contents as readonly TimestampedValue<unknown>[];
    const before = this.#evictor.evictBefore(elements, record.window, this.emitter);
    const accumulator = this.#accumulate(before);
    if (accumulator !== EMPTY) this.emitter.emit(key, record, accumulator);
    const after = this.#evictor.evictAfter(before, record.window, this.emitter);
    if (after !== elements) record.contents = after.length === 0 ? EMPTY : [...after];
  }

  /** `EMPTY` where a reduce or aggregate has nothing to work on. */
  #accumulate(elements: readonly TimestampedValue<unknown>[]): unknown {
    const { windowFunction } = this;
    if (windowFunction.kind === 'elements') return elements.map(({ value }) => value);
    let accumulator: unknown = EMPTY;
    for (const { value } of elements) {
      accumulator =
        accumulator === EMPTY ? windowFunction.create(value) : windowFunction.add(accumulator, value);
    }
    return accumulator;
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

  /** Invariant 5. */
  #dropIfEmpty(record: WindowRecord): void {
    if (record.isEmpty) this.#remove(record);
  }

  #remove({ owner, identity }: WindowRecord): void {
    owner.records.delete(identity);
    if (owner.records.size === 0) this.#keys.delete(owner.identity);
  }
}
