/**
 * What an async operator has taken in and not yet let go: records, and marks of event time between them.
 *
 * Role: decides what may leave, and emits it. Boundary: knows nothing of calls, only whether a record is complete.
 * Entries are numbered by segment: all records of a segment may leave in any order, segments leave one after the other.
 * Ordered, each record is a segment of its own; unordered, the records between two marks are one.
 *
 * Invariants
 * 1. An entry leaves when it is complete and its segment is the oldest; ordered, results leave in the order of the records.
 * 2. No result passes a mark, in either direction: a mark is a segment of its own, and complete at once.
 * 3. Between two calls the oldest entry is a record that is not complete.
 * 4. Marks that follow one another are one: the queue is bounded by its records.
 */
import type { Output } from './operator.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';

/** A record in the queue. */
export class QueuedRecord {
  segment = 0;
  previous: QueueEntry | undefined = undefined;
  next: QueueEntry | undefined = undefined;
  readonly value: unknown;
  /** `MIN_TIMESTAMP` where the record has none. */
  readonly eventTime: number;
  /** What leaves in its place, once it is complete. */
  results: readonly unknown[] | undefined = undefined;

  constructor(value: unknown, eventTime: number) {
    this.value = value;
    this.eventTime = eventTime;
  }
}

/** How far event time had come at a place in the queue. */
class TimeMark {
  segment = 0;
  previous: QueueEntry | undefined = undefined;
  next: QueueEntry | undefined = undefined;
  watermark: number;
  isIdle: boolean;

  constructor(watermark: number, isIdle: boolean) {
    this.watermark = watermark;
    this.isIdle = isIdle;
  }
}

type QueueEntry = QueuedRecord | TimeMark;

export class AsyncQueue<E extends QueuedRecord> {
  readonly #output: Output;
  readonly #isOrdered: boolean;
  #head: QueueEntry | undefined;
  #tail: QueueEntry | undefined;
  #size = 0;
  /** Event time as it came in, and as it has gone out. */
  #watermarkIn = MIN_TIMESTAMP;
  #isIdleIn = false;
  #watermarkOut = MIN_TIMESTAMP;
  #isIdleOut = false;

  constructor(isOrdered: boolean, output: Output) {
    this.#isOrdered = isOrdered;
    this.#output = output;
  }

  /** The number of records. */
  get size(): number {
    return this.#size;
  }

  /** The watermark that has left. */
  get watermark(): number {
    return this.#watermarkOut;
  }

  /** The oldest record; it is not complete (invariant 3). */
  get oldest(): E | undefined {
    return this.#head as E | undefined;
  }

  put(record: E): void {
    const tail = this.#tail;
    const isSameSegment = !this.#isOrdered && tail instanceof QueuedRecord;
    this.#append(record, isSameSegment ? tail.segment : (tail?.segment ?? 0) + 1);
    this.#size++;
  }

  putWatermark(timestamp: number): void {
    this.#watermarkIn = timestamp;
    this.#putMark();
  }

  putIdle(isIdle: boolean): void {
    this.#isIdleIn = isIdle;
    this.#putMark();
  }

  /** The record is complete: it leaves now, or as soon as its segment is the oldest. */
  complete(record: E, results: readonly unknown[]): void {
    record.results = results;
    const open = this.#head?.segment;
    if (record.segment !== open) return;
    this.#emit(record);
    if (this.#head?.segment !== open) this.#emitComplete();
  }

  /** The records that have not left, in the order in which they came. */
  *records(): Iterable<E> {
    for (let entry = this.#head; entry !== undefined; entry = entry.next) {
      if (entry instanceof QueuedRecord) yield entry as E;
    }
  }

  /** The same with the watermark that each has come behind. */
  *recordsBehind(): Iterable<{ readonly record: E; readonly watermark: number }> {
    let watermark = this.#watermarkOut;
    for (let entry = this.#head; entry !== undefined; entry = entry.next) {
      if (entry instanceof TimeMark) watermark = Math.max(watermark, entry.watermark);
      else yield { record: entry as E, watermark };
    }
  }

  /** The next record after `record`. */
  after(record: E): E | undefined {
    let entry = record.next;
    while (entry instanceof TimeMark) entry = entry.next;
    return entry as E | undefined;
  }

  #putMark(): void {
    const tail = this.#tail;
    if (tail instanceof TimeMark) {
      tail.watermark = this.#watermarkIn; // invariant 4
      tail.isIdle = this.#isIdleIn;
      return;
    }
    this.#append(new TimeMark(this.#watermarkIn, this.#isIdleIn), (tail?.segment ?? 0) + 1); // invariant 2
    if (tail === undefined) this.#emitComplete();
  }

  #append(entry: QueueEntry, segment: number): void {
    entry.segment = segment;
    entry.previous = this.#tail;
    if (this.#tail === undefined) this.#head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
  }

  /** Emits from the oldest entry on, to the end of the first segment in which something is not complete. */
  #emitComplete(): void {
    let open: number | undefined;
    let entry = this.#head;
    while (entry !== undefined && (open === undefined || entry.segment === open)) {
      const { next } = entry;
      if (entry instanceof QueuedRecord && entry.results === undefined) open = entry.segment;
      else this.#emit(entry); // invariant 1
      entry = next;
    }
  }

  #emit(entry: QueueEntry): void {
    this.#remove(entry);
    if (entry instanceof TimeMark) {
      this.#emitMark(entry);
      return;
    }
    this.#size--;
    const { results, eventTime } = entry;
    for (const result of results ?? []) this.#output.collect(result, eventTime);
  }

  /** A removed entry keeps no other one alive: functions may hold on to theirs. */
  #remove(entry: QueueEntry): void {
    const { previous, next } = entry;
    if (previous === undefined) this.#head = next;
    else previous.next = next;
    if (next === undefined) this.#tail = previous;
    else next.previous = previous;
    entry.previous = undefined;
    entry.next = undefined;
  }

  #emitMark({ watermark, isIdle }: TimeMark): void {
    if (watermark > this.#watermarkOut) {
      this.#emitIdle(false); // a watermark is heard of active inputs only
      this.#watermarkOut = watermark;
      this.#output.emitWatermark(watermark);
    }
    this.#emitIdle(isIdle);
  }

  #emitIdle(isIdle: boolean): void {
    if (isIdle === this.#isIdleOut) return;
    this.#isIdleOut = isIdle;
    this.#output.emitIdle(isIdle);
  }
}
