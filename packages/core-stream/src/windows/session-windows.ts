/**
 * Session windows: a key's records belong together while the next one comes within the gap. Each record opens the window
 * `[t, t + gap)`; windows that overlap or touch become one, as in Flink.
 */
import { StreamRecordError } from '../errors.js';
import { checkDuration } from './durations.js';
import { EventTimeTrigger } from './event-time-trigger.js';
import { ProcessingTimeTrigger } from './processing-time-trigger.js';
import type { Trigger } from './trigger.js';
import type { MergedWindows, WindowAssigner, WindowAssignerContext } from './window-assigner.js';
import { TimeWindow, timeWindowType } from './window.js';

/** The gap after a record, in milliseconds above 0. */
export type SessionGap<T> = (record: T) => number;

/** Windows that grow with their records, until none has come for a gap. */
export abstract class SessionWindows<T> implements WindowAssigner<T> {
  abstract readonly isEventTime: boolean;
  readonly windowType = timeWindowType;
  readonly #gap: number | SessionGap<T>;

  protected constructor(gap: number | SessionGap<T>) {
    if (typeof gap === 'number') checkDuration('The gap of a session window', gap);
    this.#gap = gap;
  }

  /** @throws StreamRecordError where a dynamic gap is not above 0 */
  gapOf(record: T): number {
    if (typeof this.#gap === 'number') return this.#gap;
    const gap = this.#gap(record);
    if (gap > 0 && Number.isSafeInteger(gap)) return gap;
    throw new StreamRecordError(
      `The dynamic gap of a session window must be a whole number of milliseconds above 0, got ${String(gap)} for a record. ` +
        'Give such records a gap of at least 1, or filter them out before the window.',
    );
  }

  assignWindows(record: T, timestamp: number, context: WindowAssignerContext): readonly TimeWindow[] {
    const start = this.isEventTime ? timestamp : context.currentProcessingTime();
    return [new TimeWindow(start, start + this.gapOf(record))];
  }

  mergeWindows(windows: readonly TimeWindow[]): readonly MergedWindows<TimeWindow>[] {
    const [a, b] = windows;
    if (windows.length === 2 && a !== undefined && b !== undefined) {
      // The usual case: a session and a record.
      if (a.start > b.end || b.start > a.end) return [];
      const result = new TimeWindow(Math.min(a.start, b.start), Math.max(a.end, b.end));
      return [{ result, merged: a.start <= b.start ? [a, b] : [b, a] }];
    }
    const sorted = [...windows].sort((a, b) => a.start - b.start || a.end - b.end);
    const groups: MergedWindows<TimeWindow>[] = [];
    let group: TimeWindow[] = [];
    let end = -Infinity;
    const finish = () => {
      if (group.length > 1) groups.push({ result: new TimeWindow(group[0]!.start, end), merged: group });
    };
    for (const window of sorted) {
      if (group.length > 0 && window.start <= end) {
        group.push(window);
        end = Math.max(end, window.end);
      } else {
        finish();
        group = [window];
        end = window.end;
      }
    }
    finish();
    return groups;
  }

  abstract defaultTrigger(): Trigger<unknown, TimeWindow>;

  toString(): string {
    const gap = typeof this.#gap === 'number' ? `gap ${this.#gap} ms` : 'dynamic gap';
    return `${this.constructor.name}(${gap})`;
  }
}

/** Sessions in event time. */
export class EventTimeSessionWindows<T = unknown> extends SessionWindows<T> {
  readonly isEventTime = true;

  /** A session ends when no record comes for `gapMs` of event time. */
  static withGap(gapMs: number): EventTimeSessionWindows {
    return new EventTimeSessionWindows(gapMs);
  }

  /** Each record says how long its session waits for the next one. */
  static withDynamicGap<T>(gap: SessionGap<T>): EventTimeSessionWindows<T> {
    return new EventTimeSessionWindows<T>(gap);
  }

  defaultTrigger(): EventTimeTrigger {
    return EventTimeTrigger.create();
  }
}

/** Sessions by the clock. */
export class ProcessingTimeSessionWindows<T = unknown> extends SessionWindows<T> {
  readonly isEventTime = false;

  /** A session ends when no record comes for `gapMs` of the clock. */
  static withGap(gapMs: number): ProcessingTimeSessionWindows {
    return new ProcessingTimeSessionWindows(gapMs);
  }

  /** Each record says how long its session waits for the next one. */
  static withDynamicGap<T>(gap: SessionGap<T>): ProcessingTimeSessionWindows<T> {
    return new ProcessingTimeSessionWindows<T>(gap);
  }

  defaultTrigger(): ProcessingTimeTrigger {
    return ProcessingTimeTrigger.create();
  }
}
