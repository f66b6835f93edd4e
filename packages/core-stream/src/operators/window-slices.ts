/**
 * Sliding windows with the default trigger whose accumulators can be shared: each record is added to one slice of time, and a
 * window's result is merged from its slices when it fires.
 *
 * Role: keeps each key's slices in a list, the newest first, which is where almost every record belongs. A window is merged
 * along those lists, without a table of its own.
 *
 * Invariants
 * 1. A slice is as long as the greatest common divisor of size and slide: all its times are in the same windows.
 * 2. A slice is kept until its last window can no longer fire; then every older slice is gone too.
 * 3. A record is late if its slice's last window is: `end − 1 + allowed lateness ≤ current watermark`. In processing time no
 *    record is late.
 * 4. A window is emitted when the watermark reaches `end − 1`, before that watermark is passed on, or when the clock reaches
 *    `end`; windows in the order of their end, keys in the order of their first record. Each late record that is still
 *    allowed emits its key's windows again, at once, as far as they have been emitted.
 * 5. Accumulators are merged in the order of their slices, and merging changes none of them.
 * 6. Each (key, slice) is a row, which is reported when it changes.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { Row, type RowTracker, type StoredRow } from '../state/rows.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { AlignedWindows } from '../windows/aligned-windows.js';
import { WindowTimers } from '../windows/window-timers.js';
import { TimeWindow, windowStartOf } from '../windows/window.js';
import type { Output } from './operator.js';
import { firedUntilOf, type SlicedSnapshot, type StoredSlice } from './stored-windows.js';
import { WindowOperator, type WindowOperatorFactory, type WindowOptions } from './window-operator.js';
import type { WindowScope, WindowSlots } from './window-state.js';
import { EMPTY } from './window-trigger-context.js';
import type { FunctionOperatorContext } from './with-operator-state.js';

/** A key, as long as it is in any slice. */
class SlicedKey implements WindowScope {
  readonly key: unknown;
  readonly identity: unknown;
  newest: KeySlice | undefined = undefined;
  /** The window function's state while a window is emitted: none is emitted twice where there is a function. */
  slots: WindowSlots | undefined = undefined;
  /** What time had reached before a restart: windows until there have been emitted. */
  firedUntil = MIN_TIMESTAMP;

  constructor(key: unknown, identity: unknown) {
    this.key = key;
    this.identity = identity;
  }
}

/** What one key has in one slice. */
class KeySlice extends Row {
  readonly owner: SlicedKey;
  readonly start: number;
  /** When it got its first record, among all. */
  readonly order: number;
  /** `EMPTY` when it is gone. */
  accumulator: unknown;
  older: KeySlice | undefined = undefined;
  newer: KeySlice | undefined = undefined;

  constructor(owner: SlicedKey, start: number, order: number, accumulator: unknown) {
    super();
    this.owner = owner;
    this.start = start;
    this.order = order;
    this.accumulator = accumulator;
  }

  get key(): unknown {
    return this.owner.key;
  }
}

/** All keys of one slice, in the order of their first record in it. */
class Slice {
  readonly start: number;
  readonly parts: KeySlice[] = [];

  constructor(start: number) {
    this.start = start;
  }
}

/** A key's result in the window that fires, until all are put in order. */
interface Merged {
  readonly owner: SlicedKey;
  readonly accumulator: unknown;
  readonly order: number;
}

export function slicedWindowOperator(options: WindowOptions<AlignedWindows>): WindowOperatorFactory {
  return (context, output) => new SlicedWindowOperator(context, output, options);
}

class SlicedWindowOperator extends WindowOperator {
  readonly #sizeMs: number;
  readonly #slideMs: number;
  readonly #offsetMs: number;
  readonly #step: number;
  /** By key identity. */
  readonly #keys = new Map<unknown, SlicedKey>();
  /** By start. */
  readonly #slices = new Map<number, Slice>();
  /** Ends of windows that are to fire, each once. */
  readonly #pendingEnds = new Set<number>();
  readonly #fireTimers = new WindowTimers<number>();
  readonly #dropTimers = new WindowTimers<Slice>();
  readonly #tracker: RowTracker<KeySlice>;
  #order = 0;
  #firedUntil = MIN_TIMESTAMP;
  /** The newest record's slice; `undefined` where it is late. */
  #slice: Slice | undefined;
  #sliceStart = Infinity;
  #sliceEnd = -Infinity;
  /** The slice has windows that have fired and may fire again. */
  #isFiredSlice = false;

  constructor(context: FunctionOperatorContext, output: Output, options: WindowOptions<AlignedWindows>) {
    super(context, output, options, 'slices');
    const { sizeMs, slideMs, offsetMs } = options.assigner;
    this.#sizeMs = sizeMs;
    this.#slideMs = slideMs;
    this.#offsetMs = offsetMs;
    this.#step = options.assigner.stepMs; // invariant 1
    this.#tracker = context.trackRows<KeySlice>({
      table: 'slices',
      namespaceOf: ({ start }) => start,
      isGone: ({ accumulator }) => accumulator === EMPTY,
      dataOf: ({ accumulator, order, owner }): StoredSlice => ({
        accumulator,
        order,
        firedUntil: Math.max(owner.firedUntil, this.#firedUntil),
      }),
    });
    this.#restore();
  }

  processElement(value: unknown, timestamp: number): void {
    const time = this.isEventTime ? timestamp : this.context.clock.now();
    if (time < this.#sliceStart || time >= this.#sliceEnd) this.#enterSlice(time);
    const slice = this.#slice;
    if (slice === undefined) {
      this.skip(value, timestamp);
      return;
    }
    const key = this.keySelector(value);
    const identity = keyIdentity(key);
    let owner = this.#keys.get(identity);
    if (owner === undefined) {
      owner = new SlicedKey(key, identity);
      this.#keys.set(identity, owner);
    }
    const { newest } = owner;
    if (newest !== undefined && newest.start === slice.start) {
      newest.accumulator = this.windowFunction.add(newest.accumulator, value);
      this.#tracker.changed(newest); // invariant 6
    } else this.#addToSlice(owner, slice, value);
    if (this.#isFiredSlice) this.#fireAgain(owner, slice);
  }

  protected override onEventTime(watermark: number): void {
    if (this.isEventTime) this.#advance(watermark);
  }

  protected override onProcessingTime(time: number): void {
    if (!this.isEventTime) this.#advance(time);
  }

  protected override get nextProcessingTime(): number | undefined {
    if (this.isEventTime) return undefined;
    const fire = this.#fireTimers.nextTime ?? Infinity;
    const drop = this.#dropTimers.nextTime ?? Infinity;
    const next = Math.min(fire, drop);
    return next === Infinity ? undefined : next;
  }

  protected override snapshotOwn(): SlicedSnapshot {
    return { firedUntil: this.#firedUntil };
  }

  #restore(): void {
    const { restored, context } = this;
    // Else each row says until when its windows have been emitted.
    const isSame = restored.length === context.parallelism;
    if (isSame) this.#firedUntil = (restored[context.subtaskIndex]!.own as SlicedSnapshot).firedUntil;
    const byOrder: { readonly row: StoredRow; readonly slice: StoredSlice }[] = [];
    for (const row of context.restoredRows('slices')) byOrder.push({ row, slice: row.data as StoredSlice });
    byOrder.sort((a, b) => a.slice.order - b.slice.order);
    for (const { row, slice } of byOrder) {
      const { key, namespace } = row;
      const start = namespace as number;
      const identity = keyIdentity(key);
      const owner = this.#keys.get(identity) ?? new SlicedKey(key, identity);
      this.#keys.set(identity, owner);
      owner.firedUntil = Math.max(owner.firedUntil, firedUntilOf([row], this));
      const at = this.#slices.get(start) ?? this.#openSlice(start);
      const part = this.#insert(owner, at, slice.accumulator, slice.order);
      this.#tracker.restored(part);
      if (!isSame) this.#tracker.changed(part);
      if (slice.order >= this.#order) this.#order = slice.order + 1;
    }
    this.adopt((adopted) => {
      for (const { parts } of this.#slices.values()) {
        for (const part of parts) {
          part.accumulator = adopted(part.accumulator);
          this.#tracker.changed(part); // invariant 6
        }
      }
    });
  }

  #lastEnd(sliceStart: number): number {
    return windowStartOf(sliceStart, this.#offsetMs, this.#slideMs) + this.#sizeMs;
  }

  #enterSlice(time: number): void {
    if (time === MIN_TIMESTAMP) throw this.noTimestamp();
    const start = windowStartOf(time, this.#offsetMs, this.#step);
    this.#sliceStart = start;
    this.#sliceEnd = start + this.#step;
    const isLate =
      this.isEventTime && this.#lastEnd(start) - 1 + this.allowedLatenessMs <= this.emitter.currentWatermark; // invariant 3
    this.#slice = isLate ? undefined : (this.#slices.get(start) ?? this.#openSlice(start));
    this.#updateIsFired();
    this.scheduleWakeUp();
  }

  /** Has to be asked again whenever the watermark has advanced. */
  #updateIsFired(): void {
    this.#isFiredSlice =
      this.allowedLatenessMs > 0 && this.#firstEnd(this.#sliceStart) - 1 <= this.emitter.currentWatermark;
  }

  /** The end of the first window that holds the slice. */
  #firstEnd(sliceStart: number): number {
    const beyond = sliceStart + this.#step;
    const since = windowStartOf(beyond - this.#sizeMs, this.#offsetMs, this.#slideMs);
    const start = since === beyond - this.#sizeMs ? since : since + this.#slideMs;
    return start + this.#sizeMs;
  }

  #openSlice(start: number): Slice {
    const slice = new Slice(start);
    this.#slices.set(start, slice);
    const lastEnd = this.#lastEnd(start);
    this.#dropTimers.register(lastEnd - 1 + this.allowedLatenessMs, slice); // invariant 2
    for (let end = this.#firstEnd(start); end <= lastEnd; end += this.#slideMs) {
      if (this.#pendingEnds.has(end) || (this.isEventTime && end - 1 <= this.emitter.currentWatermark))
        continue;
      this.#pendingEnds.add(end);
      this.#fireTimers.register(end - 1, end);
    }
    return slice;
  }

  /** Where the key's newest slice is not the record's. */
  #addToSlice(owner: SlicedKey, slice: Slice, value: unknown): void {
    let part = owner.newest;
    while (part !== undefined && part.start > slice.start) part = part.older;
    if (part?.start === slice.start) {
      part.accumulator = this.windowFunction.add(part.accumulator, value);
    } else part = this.#insert(owner, slice, this.windowFunction.create(value), this.#order++);
    this.#tracker.changed(part); // invariant 6
  }

  #insert(owner: SlicedKey, slice: Slice, accumulator: unknown, order: number): KeySlice {
    const part = new KeySlice(owner, slice.start, order, accumulator);
    let newer: KeySlice | undefined;
    let older = owner.newest;
    while (older !== undefined && older.start > slice.start) {
      newer = older;
      older = older.older;
    }
    part.older = older;
    if (older !== undefined) older.newer = part;
    part.newer = newer;
    if (newer === undefined) owner.newest = part;
    else newer.older = part;
    slice.parts.push(part);
    return part;
  }

  #advance(time: number): void {
    const fires = this.#fireTimers;
    const drops = this.#dropTimers;
    for (;;) {
      const fireAt = fires.nextTime ?? Infinity;
      const dropAt = drops.nextTime ?? Infinity;
      const isFire = fireAt <= dropAt; // a slice goes after its last window has fired
      const timer = isFire ? fires.takeDue(time) : drops.takeDue(time);
      if (timer === undefined) break;
      if (isFire) this.#fire(timer.target as number);
      else this.#drop(timer.target as Slice);
    }
    if (time !== MAX_WATERMARK) this.#firedUntil = time; // in batch mode the next key begins anew
    this.#updateIsFired();
  }

  #fire(end: number): void {
    this.#pendingEnds.delete(end);
    const start = end - this.#sizeMs;
    const slices: Slice[] = [];
    for (let at = start; at < end; at += this.#step) {
      const slice = this.#slices.get(at);
      if (slice !== undefined && slice.parts.length > 0) slices.push(slice);
    }
    this.emitter.setWindow(new TimeWindow(start, end));
    // Where each slice got its first record of every key before the next one did, the slices are in order as they are.
    const inOrder = slices.every(
      ({ parts }, index) => index === 0 || slices[index - 1]!.parts.at(-1)!.order < parts[0]!.order,
    );
    const merged: Merged[] = [];
    for (const { parts } of slices) {
      for (const part of parts) {
        if (part.older !== undefined && part.older.start >= start) continue; // merged with the older one
        const { owner } = part;
        if (end - 1 <= owner.firedUntil) continue;
        let { accumulator, order } = part;
        for (let newer = part.newer; newer !== undefined && newer.start < end; newer = newer.newer) {
          accumulator = this.windowFunction.merge(accumulator, newer.accumulator); // invariant 5
          if (newer.order < order) order = newer.order;
        }
        if (inOrder) this.#emit(owner, accumulator);
        else merged.push({ owner, accumulator, order });
      }
    }
    merged.sort((a, b) => a.order - b.order); // invariant 4
    for (const { owner, accumulator } of merged) this.#emit(owner, accumulator);
  }

  #fireAgain(owner: SlicedKey, slice: Slice): void {
    const lastEnd = this.#lastEnd(slice.start);
    for (let end = this.#firstEnd(slice.start); end <= lastEnd; end += this.#slideMs) {
      if (end - 1 > this.emitter.currentWatermark) break;
      if (end - 1 + this.allowedLatenessMs <= this.emitter.currentWatermark) continue;
      const start = end - this.#sizeMs;
      let part = owner.newest;
      while (part !== undefined && part.start >= end) part = part.older;
      if (part === undefined) continue;
      let { accumulator } = part;
      for (let older = part.older; older !== undefined && older.start >= start; older = older.older) {
        accumulator = this.windowFunction.merge(older.accumulator, accumulator);
      }
      this.emitter.setWindow(new TimeWindow(start, end));
      this.#emit(owner, accumulator);
    }
  }

  #emit(owner: SlicedKey, accumulator: unknown): void {
    this.emitter.emit(owner.key, owner, accumulator);
    owner.slots = undefined;
  }

  /** Invariant 2. */
  #drop(slice: Slice): void {
    this.#slices.delete(slice.start);
    for (const part of slice.parts) {
      const { owner, newer } = part;
      if (newer === undefined) this.#keys.delete(owner.identity);
      else newer.older = undefined;
      part.accumulator = EMPTY;
      this.#tracker.removed(part);
    }
    this.#sliceStart = Infinity; // the current slice may be this one
    this.#sliceEnd = -Infinity;
  }

  protected override removeAll(): void {
    for (const slice of this.#slices.values()) this.#drop(slice);
  }
}
