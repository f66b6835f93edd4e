/**
 * Windows of event time over a keyed stream, with the event-time trigger.
 *
 * Role: collects each key's records per window and emits when the watermark reaches the window's end. State is kept
 * window by window, so that a closing window is dropped as a whole and no key needs a timer of its own.
 *
 * Invariants
 * 1. A record is late for a window if `window.end − 1 ≤ current watermark`: it never enters that window.
 * 2. A record that is late for all its windows goes to the late output, or is counted as dropped.
 * 3. A window is emitted once, when the watermark reaches `end − 1`, before that watermark is passed on; windows in the
 *    order of their end, keys in the order of their first record.
 * 4. A snapshot holds each (key, window) under the key's key group.
 */
import { CheckpointError, StreamRecordError } from '../errors.js';
import type { OutputTag, WindowContext } from '../functions/functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { keyIdentity } from '../state/canonical-encoding.js';
import { byKeyGroup } from '../state/heap-keyed-state.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { maxTimestampOf, type TimeWindow, type WindowAssigner } from '../windows/windows.js';
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';
import { TimestampedCollector } from './timestamped-collector.js';
import type { WindowFunction } from './window-function.js';

export interface WindowOptions {
  readonly keySelector: AnyKeySelector;
  /** Made per subtask: assigners keep the last window. */
  readonly assigner: WindowAssigner;
  readonly windowFunction: WindowFunction;
  readonly lateOutput: OutputTag<unknown> | undefined;
}

interface Pane {
  readonly key: unknown;
  accumulator: unknown;
}

interface OpenWindow {
  readonly window: TimeWindow;
  /** By key identity. */
  readonly panes: Map<unknown, Pane>;
}

interface WindowSnapshot {
  readonly windows: readonly {
    readonly start: number;
    readonly end: number;
    readonly keyGroups: readonly {
      readonly keyGroup: number;
      readonly entries: readonly (readonly [unknown, unknown])[];
    }[];
  }[];
}

export function windowOperator(options: WindowOptions): OperatorFactory {
  return (context, output) => new WindowOperator(context, output, options);
}

class WindowOperator implements StreamOperator, WindowContext {
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #keySelector: AnyKeySelector;
  readonly #assigner: WindowAssigner;
  readonly #function: WindowFunction;
  readonly #lateTag: string | undefined;
  readonly #collector: TimestampedCollector;
  /** By start: all windows of an assigner have the same length. */
  readonly #open = new Map<number, OpenWindow>();
  #nextEnd = Infinity;
  #window: TimeWindow = { start: 0, end: 0 };
  currentWatermark = MIN_TIMESTAMP;
  lateRecordsDropped = 0;

  constructor(context: OperatorContext, output: Output, options: WindowOptions) {
    this.#context = context;
    this.#output = output;
    this.#keySelector = options.keySelector;
    this.#assigner = options.assigner;
    this.#function = options.windowFunction;
    this.#lateTag = options.lateOutput?.id;
    this.#collector = new TimestampedCollector(output);
    for (const restored of (context.restored ?? []) as readonly WindowSnapshot[]) this.#restore(restored);
  }

  get window(): TimeWindow {
    return this.#window;
  }

  currentProcessingTime(): number {
    return this.#context.clock.now();
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.#output.sideOutput(tag.id, value, this.#collector.timestamp);
  }

  processElement(value: unknown, timestamp: number): void {
    if (timestamp === MIN_TIMESTAMP) throw noTimestamp(this.#context.operatorName);
    const key = this.#keySelector(value);
    const identity = keyIdentity(key);
    let isLate = true;
    const windows = this.#assigner.assignWindows(timestamp);
    for (const window of windows) {
      if (maxTimestampOf(window) <= this.currentWatermark) continue; // invariant 1
      isLate = false;
      const { panes } = this.#open.get(window.start) ?? this.#openWindow(window);
      const pane = panes.get(identity);
      if (pane === undefined) panes.set(identity, { key, accumulator: this.#function.create(value) });
      else pane.accumulator = this.#function.add(pane.accumulator, value);
    }
    if (isLate && timestamp <= this.currentWatermark) {
      // invariant 2; a record that no window wants (a gap between sliding windows) is not late
      if (this.#lateTag === undefined) this.lateRecordsDropped++;
      else this.#output.sideOutput(this.#lateTag, value, timestamp);
    }
  }

  processWatermark(timestamp: number): void {
    this.currentWatermark = timestamp;
    while (this.#open.size > 0 && this.#nextEnd - 1 <= timestamp) this.#close(this.#nextEnd); // invariant 3
    this.#output.emitWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  snapshotState(): WindowSnapshot {
    const pairs = function* (open: OpenWindow): Iterable<readonly [unknown, unknown]> {
      for (const pane of open.panes.values()) yield [pane.key, pane.accumulator];
    };
    return {
      windows: [...this.#open.values()].map((open) => ({
        start: open.window.start,
        end: open.window.end,
        keyGroups: byKeyGroup(pairs(open), this.#context.maxParallelism), // invariant 4
      })),
    };
  }

  #openWindow(window: TimeWindow): OpenWindow {
    const open: OpenWindow = { window, panes: new Map() };
    this.#open.set(window.start, open);
    if (window.end < this.#nextEnd) this.#nextEnd = window.end;
    return open;
  }

  #close(end: number): void {
    this.#nextEnd = Infinity;
    let closing: OpenWindow | undefined;
    for (const open of this.#open.values()) {
      if (open.window.end === end) closing = open;
      else if (open.window.end < this.#nextEnd) this.#nextEnd = open.window.end;
    }
    if (closing === undefined) return;
    this.#open.delete(closing.window.start);
    this.#window = closing.window;
    this.#collector.timestamp = maxTimestampOf(closing.window);
    for (const pane of closing.panes.values()) {
      this.#function.emit(pane.key, this, pane.accumulator, this.#collector);
    }
  }

  #restore(snapshot: WindowSnapshot): void {
    const { start, end } = this.#context.keyGroups;
    for (const window of snapshot.windows) {
      if (window.end - window.start !== this.#assigner.sizeMs) {
        throw new CheckpointError(
          `The checkpoint has windows of ${window.end - window.start} ms for '${this.#context.operatorName}', the program has ` +
            `${String(this.#assigner)}. Open windows cannot change their size: give the operator another uid, and begin afresh.`,
          { details: { operator: this.#context.operatorName, uid: this.#context.operatorUid } },
        );
      }
      for (const group of window.keyGroups) {
        if (group.keyGroup < start || group.keyGroup >= end) continue;
        const open =
          this.#open.get(window.start) ?? this.#openWindow({ start: window.start, end: window.end });
        for (const [key, accumulator] of group.entries)
          open.panes.set(keyIdentity(key), { key, accumulator });
      }
    }
  }
}

function noTimestamp(operatorName: string): StreamRecordError {
  return new StreamRecordError(
    `A record without a timestamp reached '${operatorName}', which works in event time. ` +
      'Give the source a WatermarkStrategy with a timestamp assigner, or call assignTimestampsAndWatermarks before it.',
    { details: { operator: operatorName } },
  );
}
