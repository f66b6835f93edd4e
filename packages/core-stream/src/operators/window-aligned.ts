/**
 * Tumbling and sliding windows with the default trigger, in event time or processing time.
 *
 * Role: keeps each key's accumulator window by window, so that a window is dropped as a whole and no key needs a timer.
 *
 * Invariants
 * 1. A record is late for a window if `window.end − 1 + allowed lateness ≤ current watermark`: it never enters that window.
 *    In processing time no record is late.
 * 2. A record that is late for all its windows goes to the late output, or is counted as dropped.
 * 3. A window is emitted when the watermark reaches `end − 1`, before that watermark is passed on, or when the clock reaches
 *    `end`; windows in the order of their end, keys in the order of their first record. Each late record that is still
 *    allowed emits its key's window again, at once.
 * 4. Each (key, window) is a row, which is reported when it changes, also by having been emitted.
 */
import { keyIdentity } from '../state/canonical-encoding.js';
import { Row, type RowTracker } from '../state/rows.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { AlignedWindows } from '../windows/aligned-windows.js';
import { TimeWindow, windowStartOf } from '../windows/window.js';
import { WindowTimers } from '../windows/window-timers.js';
import type { Output } from './operator.js';
import { takeWindows, type StoredPane, type TakenWindow } from './stored-windows.js';
import { WindowOperator, type WindowOperatorFactory, type WindowOptions } from './window-operator.js';
import type { WindowScope, WindowSlots } from './window-state.js';
import { EMPTY } from './window-trigger-context.js';
import type { FunctionOperatorContext } from './with-operator-state.js';

class Pane extends Row implements WindowScope {
  readonly key: unknown;
  readonly start: number;
  /** When it got its first record, among all. */
  readonly order: number;
  /** `EMPTY` when it is gone. */
  accumulator: unknown;
  slots: WindowSlots | undefined = undefined;
  /** Emitted before the restart: only a late record emits it again. */
  isRestoredAsFired = false;

  constructor(key: unknown, start: number, order: number, accumulator: unknown) {
    super();
    this.key = key;
    this.start = start;
    this.order = order;
    this.accumulator = accumulator;
  }
}

class OpenWindow {
  readonly window: TimeWindow;
  /** By key identity. */
  readonly panes = new Map<unknown, Pane>();
  /** The newest record's pane: records of one key tend to follow each other, and `windowAll` has but one. */
  lastIdentity: unknown = undefined;
  lastPane: Pane | undefined = undefined;

  constructor(window: TimeWindow) {
    this.window = window;
  }
}

export function alignedWindowOperator(options: WindowOptions<AlignedWindows>): WindowOperatorFactory {
  return (context, output) => new AlignedWindowOperator(context, output, options);
}

class AlignedWindowOperator extends WindowOperator {
  readonly #assigner: AlignedWindows;
  /** By start: all windows have the same length. */
  readonly #open = new Map<number, OpenWindow>();
  readonly #timers = new WindowTimers<OpenWindow>();
  readonly #tracker: RowTracker<Pane>;
  #order = 0;
  /** The windows of the step that the newest record is in, without those that are gone. */
  #current: readonly OpenWindow[] = [];
  #stepStart = Infinity;
  #stepEnd = -Infinity;

  constructor(context: FunctionOperatorContext, output: Output, options: WindowOptions<AlignedWindows>) {
    super(context, output, options, 'panes');
    this.#assigner = options.assigner;
    this.#tracker = context.trackRows<Pane>({
      table: 'panes',
      namespaceOf: ({ start }) => start,
      isGone: ({ accumulator }) => accumulator === EMPTY,
      dataOf: (pane) => this.#store(pane),
    });
    this.#restore();
  }

  processElement(value: unknown, timestamp: number): void {
    const time = this.isEventTime ? timestamp : this.context.clock.now();
    if (time < this.#stepStart || time >= this.#stepEnd) this.#enterStep(time);
    if (this.#current.length === 0) {
      this.skip(value, timestamp); // invariant 2
      return;
    }
    const key = this.keySelector(value);
    const identity = keyIdentity(key);
    const { windowFunction } = this;
    for (const open of this.#current) {
      let pane =
        open.lastIdentity === identity && open.lastPane !== undefined
          ? open.lastPane
          : open.panes.get(identity);
      if (pane === undefined) {
        pane = new Pane(key, open.window.start, this.#order++, windowFunction.create(value));
        open.panes.set(identity, pane);
      } else pane.accumulator = windowFunction.add(pane.accumulator, value);
      this.#tracker.changed(pane); // invariant 4
      open.lastIdentity = identity;
      open.lastPane = pane;
      if (this.#hasFired(open.window)) {
        this.emitter.setWindow(open.window);
        this.emitter.emit(pane.key, pane, pane.accumulator); // invariant 3
      }
    }
  }

  protected override onEventTime(watermark: number): void {
    if (this.isEventTime) this.#advance(watermark);
  }

  protected override onProcessingTime(time: number): void {
    if (!this.isEventTime) this.#advance(time);
  }

  protected override get nextProcessingTime(): number | undefined {
    return this.isEventTime ? undefined : this.#timers.nextTime;
  }

  #store({ accumulator, order, start, slots, isRestoredAsFired }: Pane): StoredPane {
    const hasFired = isRestoredAsFired || this.#hasFired(this.#open.get(start)!.window);
    const stored = { accumulator, order, hasFired };
    return slots === undefined ? stored : { ...stored, slots };
  }

  #restore(): void {
    const { sizeMs } = this.#assigner;
    const own = [...this.context.restoredRows('panes')].map(({ key, namespace, data }) => {
      const window = new TimeWindow(namespace as number, (namespace as number) + sizeMs);
      const { accumulator, ...stored } = data as StoredPane;
      return { accumulator, stored: { key, window, slots: undefined, ...stored } };
    });
    own.sort((a, b) => a.stored.order - b.stored.order);
    for (const { stored, accumulator } of own) this.#tracker.restored(this.#restorePane(stored, accumulator));
    for (const taken of takeWindows('panes', this)) {
      this.#tracker.changed(this.#restorePane(taken, taken.parts));
    }
    this.adopt((adopted) => {
      for (const { panes } of this.#open.values()) {
        for (const pane of panes.values()) {
          pane.accumulator = adopted(pane.accumulator);
          this.#tracker.changed(pane); // invariant 4
        }
      }
    });
  }

  #restorePane(stored: Omit<TakenWindow, 'parts'>, accumulator: unknown): Pane {
    const { key, order, slots, hasFired } = stored;
    const window = stored.window as TimeWindow;
    const open = this.#open.get(window.start) ?? this.#openWindow(window);
    const pane = new Pane(key, window.start, order, accumulator);
    pane.slots = slots;
    pane.isRestoredAsFired = hasFired;
    open.panes.set(keyIdentity(key), pane);
    if (order >= this.#order) this.#order = order + 1;
    return pane;
  }

  #hasFired(window: TimeWindow): boolean {
    return this.isEventTime && window.maxTimestamp() <= this.emitter.currentWatermark;
  }

  /** Finds the windows of `time`, and opens those that are new. */
  #enterStep(time: number): void {
    if (time === MIN_TIMESTAMP) throw this.noTimestamp();
    const { offsetMs, stepMs } = this.#assigner;
    this.#stepStart = windowStartOf(time, offsetMs, stepMs);
    this.#stepEnd = this.#stepStart + stepMs;
    const current: OpenWindow[] = [];
    for (const window of this.#assigner.windowsOf(time)) {
      if (this.isEventTime && window.maxTimestamp() + this.allowedLatenessMs <= this.emitter.currentWatermark)
        continue; // invariant 1
      current.push(this.#open.get(window.start) ?? this.#openWindow(window));
    }
    this.#current = current;
    this.scheduleWakeUp();
  }

  #openWindow(window: TimeWindow): OpenWindow {
    const open = new OpenWindow(window);
    this.#open.set(window.start, open);
    this.#timers.register(
      this.#hasFired(window) ? window.maxTimestamp() + this.allowedLatenessMs : window.maxTimestamp(),
      open,
    );
    return open;
  }

  #advance(time: number): void {
    for (let timer = this.#timers.takeDue(time); timer !== undefined; timer = this.#timers.takeDue(time)) {
      const open = timer.target;
      const end = open.window.maxTimestamp();
      this.emitter.setWindow(open.window);
      if (timer.at === end) this.#fire(open);
      if (timer.at === end + this.allowedLatenessMs) this.#drop(open);
      else this.#timers.register(end + this.allowedLatenessMs, open);
    }
  }

  #fire(open: OpenWindow): void {
    for (const pane of open.panes.values()) {
      if (pane.isRestoredAsFired) continue;
      this.emitter.emit(pane.key, pane, pane.accumulator);
      this.#tracker.changed(pane); // invariant 4
    }
  }

  #drop(open: OpenWindow): void {
    if (this.emitter.hasClear) for (const pane of open.panes.values()) this.emitter.clear(pane.key, pane);
    this.#remove(open);
    this.#stepStart = Infinity; // the current step may have had this window
    this.#stepEnd = -Infinity;
  }

  protected override removeAll(): void {
    for (const open of this.#open.values()) this.#remove(open);
  }

  #remove(open: OpenWindow): void {
    this.#open.delete(open.window.start);
    if (!this.#tracker.isEnabled) return;
    for (const pane of open.panes.values()) {
      pane.accumulator = EMPTY;
      this.#tracker.removed(pane);
    }
  }
}
