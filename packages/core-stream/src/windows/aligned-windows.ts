/**
 * Tumbling and sliding windows. A window's end is exclusive, its timestamp is `end − 1`; starts are aligned to
 * `offset + k·slide`, also before 1970.
 */
import { checkDuration, checkOffset } from './durations.js';
import { EventTimeTrigger } from './event-time-trigger.js';
import { ProcessingTimeTrigger } from './processing-time-trigger.js';
import type { Trigger } from './trigger.js';
import type { WindowAssigner, WindowAssignerContext } from './window-assigner.js';
import { alignedWindowType, TimeWindow, windowStartOf } from './window.js';

/** Windows of one length that start at regular times. What operators know of them makes them fast. */
export abstract class AlignedWindows implements WindowAssigner {
  abstract readonly isEventTime: boolean;
  readonly windowType = alignedWindowType;
  readonly sizeMs: number;
  /** Between the starts of two windows. */
  readonly slideMs: number;
  readonly offsetMs: number;
  /** The greatest common divisor of size and slide: all times of one step, aligned to the offset, share their windows. */
  readonly stepMs: number;
  #lastStep = NaN;
  #last: readonly TimeWindow[] = [];

  protected constructor(sizeMs: number, slideMs: number, offsetMs: number) {
    this.sizeMs = sizeMs;
    this.slideMs = slideMs;
    this.offsetMs = offsetMs;
    this.stepMs = greatestCommonDivisor(sizeMs, slideMs);
  }

  assignWindows(_record: unknown, timestamp: number, context: WindowAssignerContext): readonly TimeWindow[] {
    return this.windowsOf(this.isEventTime ? timestamp : context.currentProcessingTime());
  }

  /** The windows that hold `time`, ascending. The array may be the same for the next call. */
  windowsOf(time: number): readonly TimeWindow[] {
    const step = windowStartOf(time, this.offsetMs, this.stepMs);
    if (step === this.#lastStep) return this.#last;
    const lastStart = windowStartOf(time, this.offsetMs, this.slideMs);
    const windows: TimeWindow[] = [];
    for (let start = lastStart; start > time - this.sizeMs; start -= this.slideMs) {
      windows.push(new TimeWindow(start, start + this.sizeMs));
    }
    this.#lastStep = step;
    return (this.#last = windows.reverse());
  }

  abstract defaultTrigger(): Trigger<unknown, TimeWindow>;

  toString(): string {
    const every = this.slideMs === this.sizeMs ? '' : ` every ${this.slideMs} ms`;
    const offset = this.offsetMs === 0 ? '' : `, offset ${this.offsetMs} ms`;
    return `${this.constructor.name}(${this.sizeMs} ms${every}${offset})`;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function checkTumbling(sizeMs: number, offsetMs: number): void {
  checkDuration('The size of a tumbling window', sizeMs);
  checkOffset(offsetMs, sizeMs);
}

function checkSliding(sizeMs: number, slideMs: number, offsetMs: number): void {
  checkDuration('The size of a sliding window', sizeMs);
  checkDuration('The slide of a sliding window', slideMs);
  checkOffset(offsetMs, slideMs);
}

/** Windows of event time, one after the other. */
export class TumblingEventTimeWindows extends AlignedWindows {
  readonly isEventTime = true;

  /** Windows of `sizeMs`, one after the other; `offsetMs` moves their starts, for example to a time zone's midnight. */
  static of(sizeMs: number, offsetMs = 0): TumblingEventTimeWindows {
    checkTumbling(sizeMs, offsetMs);
    return new TumblingEventTimeWindows(sizeMs, sizeMs, offsetMs);
  }

  defaultTrigger(): EventTimeTrigger {
    return EventTimeTrigger.create();
  }
}

/** Windows of the clock, one after the other. */
export class TumblingProcessingTimeWindows extends AlignedWindows {
  readonly isEventTime = false;

  /** Windows of `sizeMs` of the clock; `offsetMs` moves their starts. */
  static of(sizeMs: number, offsetMs = 0): TumblingProcessingTimeWindows {
    checkTumbling(sizeMs, offsetMs);
    return new TumblingProcessingTimeWindows(sizeMs, sizeMs, offsetMs);
  }

  defaultTrigger(): ProcessingTimeTrigger {
    return ProcessingTimeTrigger.create();
  }
}

/** Windows of event time that overlap. */
export class SlidingEventTimeWindows extends AlignedWindows {
  readonly isEventTime = true;

  /** Windows of `sizeMs` that start every `slideMs`. A slide longer than the size leaves gaps, as in Flink. */
  static of(sizeMs: number, slideMs: number, offsetMs = 0): SlidingEventTimeWindows {
    checkSliding(sizeMs, slideMs, offsetMs);
    return new SlidingEventTimeWindows(sizeMs, slideMs, offsetMs);
  }

  defaultTrigger(): EventTimeTrigger {
    return EventTimeTrigger.create();
  }
}

/** Windows of the clock that overlap. */
export class SlidingProcessingTimeWindows extends AlignedWindows {
  readonly isEventTime = false;

  /** Windows of `sizeMs` of the clock that start every `slideMs`. A slide longer than the size leaves gaps. */
  static of(sizeMs: number, slideMs: number, offsetMs = 0): SlidingProcessingTimeWindows {
    checkSliding(sizeMs, slideMs, offsetMs);
    return new SlidingProcessingTimeWindows(sizeMs, slideMs, offsetMs);
  }

  defaultTrigger(): ProcessingTimeTrigger {
    return ProcessingTimeTrigger.create();
  }
}
