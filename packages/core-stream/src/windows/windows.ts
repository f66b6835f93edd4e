/**
 * Tumbling and sliding windows of event time. A window's end is exclusive, its timestamp is `end − 1`; starts are aligned to
 * `offset + k·slide`, also before 1970.
 */
import { StreamConfigError } from '../errors.js';

/** A span of event time, `[start, end)` in epoch milliseconds. */
export interface TimeWindow {
  readonly start: number;
  readonly end: number;
}

/** The last timestamp that belongs to the window: it closes when the watermark gets there. */
export function maxTimestampOf(window: TimeWindow): number {
  return window.end - 1;
}

/** The start of the window of length `size` that holds `timestamp`, aligned to `offset`. */
export function windowStartOf(timestamp: number, offset: number, size: number): number {
  const remainder = (timestamp - offset) % size;
  return timestamp - (remainder < 0 ? remainder + size : remainder);
}

/** Assigns records to windows by their timestamp. All windows of an assigner have the same length. */
export interface WindowAssigner {
  readonly sizeMs: number;
  /** The windows of a record, ascending. The array may be the same for the next call: read it at once. */
  assignWindows(timestamp: number): readonly TimeWindow[];
  toString(): string;
}

function checkDuration(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new StreamConfigError(`${name} must be a whole number of milliseconds above 0, got ${value}`);
  }
}

function checkOffset(offset: number, slide: number): void {
  if (!Number.isSafeInteger(offset) || Math.abs(offset) >= slide) {
    throw new StreamConfigError(
      `offsetMs must be a whole number between ${-slide} and ${slide} (exclusive), got ${offset}`,
    );
  }
}

export class TumblingEventTimeWindows implements WindowAssigner {
  readonly sizeMs: number;
  readonly offsetMs: number;
  #last: TimeWindow[] = [{ start: 0, end: 0 }];

  private constructor(sizeMs: number, offsetMs: number) {
    this.sizeMs = sizeMs;
    this.offsetMs = offsetMs;
  }

  /** Windows of `sizeMs`, one after the other; `offsetMs` moves their starts, for example to a time zone's midnight. */
  static of(sizeMs: number, offsetMs = 0): TumblingEventTimeWindows {
    checkDuration('The size of a tumbling window', sizeMs);
    checkOffset(offsetMs, sizeMs);
    return new TumblingEventTimeWindows(sizeMs, offsetMs);
  }

  assignWindows(timestamp: number): readonly TimeWindow[] {
    const last = this.#last[0]!;
    if (timestamp >= last.start && timestamp < last.end) return this.#last;
    const start = windowStartOf(timestamp, this.offsetMs, this.sizeMs);
    return (this.#last = [{ start, end: start + this.sizeMs }]);
  }

  toString(): string {
    return `TumblingEventTimeWindows(${this.sizeMs} ms${this.offsetMs === 0 ? '' : `, offset ${this.offsetMs} ms`})`;
  }
}

export class SlidingEventTimeWindows implements WindowAssigner {
  readonly sizeMs: number;
  readonly slideMs: number;
  readonly offsetMs: number;
  #lastStart = NaN;
  #last: TimeWindow[] = [];

  private constructor(sizeMs: number, slideMs: number, offsetMs: number) {
    this.sizeMs = sizeMs;
    this.slideMs = slideMs;
    this.offsetMs = offsetMs;
  }

  /** Windows of `sizeMs` that start every `slideMs`. A slide longer than the size leaves gaps, as in Flink. */
  static of(sizeMs: number, slideMs: number, offsetMs = 0): SlidingEventTimeWindows {
    checkDuration('The size of a sliding window', sizeMs);
    checkDuration('The slide of a sliding window', slideMs);
    checkOffset(offsetMs, slideMs);
    return new SlidingEventTimeWindows(sizeMs, slideMs, offsetMs);
  }

  assignWindows(timestamp: number): readonly TimeWindow[] {
    const lastStart = windowStartOf(timestamp, this.offsetMs, this.slideMs);
    // Only where the slide divides the size do all timestamps of a slide share their windows.
    if (lastStart === this.#lastStart && this.sizeMs % this.slideMs === 0) return this.#last;
    const windows: TimeWindow[] = [];
    for (let start = lastStart; start > timestamp - this.sizeMs; start -= this.slideMs) {
      windows.push({ start, end: start + this.sizeMs });
    }
    this.#lastStart = lastStart;
    return (this.#last = windows.reverse());
  }

  toString(): string {
    const offset = this.offsetMs === 0 ? '' : `, offset ${this.offsetMs} ms`;
    return `SlidingEventTimeWindows(${this.sizeMs} ms every ${this.slideMs} ms${offset})`;
  }
}
