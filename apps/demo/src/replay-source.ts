/**
 * Replays flights in the order in which the planes really left or arrived: by date + delay.
 *
 * Invariants
 * 1. One split, read by one reader: the order of the records is the same in every run, whatever the parallelism.
 * 2. The position in a checkpoint is an index into that order, so it means the same after a restart with the same rows.
 */
import type {
  PollStatus,
  ReaderOutput,
  Source,
  SourceReader,
  SourceReaderContext,
  SourceSplit,
  SplitEnumerator,
  SplitEnumeratorContext,
} from '@millrace/core-stream';
import { NO_AIRPORT, type FlightColumns } from './flights-file.js';
import type { RawFlight } from './flight.js';

/** `next` is the index of the next record of the replay. */
export interface ReplaySplit extends SourceSplit {
  readonly next: number;
}

const MINUTE_MS = 60_000;

/** When a plane had left or arrived; for a row without date or delay, the moment of the row before it. */
function arrivals({ rows, date, delay }: FlightColumns): Float64Array {
  const arrivedAt = new Float64Array(rows);
  let previous = 0;
  for (let row = 0; row < rows; row++) {
    const at = date[row]! + delay[row]! * MINUTE_MS;
    arrivedAt[row] = previous = Number.isNaN(at) ? previous : at;
  }
  return arrivedAt;
}

/** Rows ordered by second of arrival, then by row. Sorted as numbers, ten times as fast as with a comparison function. */
export function replayOrder(arrivedAt: Float64Array): Uint32Array {
  const rows = arrivedAt.length;
  const first = arrivedAt.reduce((min, at) => Math.min(min, at), Infinity);
  // Half a year in seconds × three million rows is far below 2^53: exact.
  const keys = arrivedAt.map((at, row) => Math.floor((at - first) / 1000) * rows + row).sort();
  return Uint32Array.from(keys, (key) => key % rows);
}

/** A bounded source of raw flights. `spoil` may damage a record on its way in. */
export class ReplaySource implements Source<RawFlight, ReplaySplit, boolean> {
  readonly boundedness = 'bounded';
  readonly #read: (index: number) => RawFlight;
  readonly #rows: number;

  constructor(flights: FlightColumns, spoil: (flight: RawFlight) => RawFlight = (flight) => flight) {
    const arrivedAt = arrivals(flights);
    const order = replayOrder(arrivedAt);
    const number = (value: number) => (Number.isNaN(value) ? null : value);
    const airport = (index: number) => (index === NO_AIRPORT ? null : flights.airports[index]!);
    this.#rows = flights.rows;
    this.#read = (index) => {
      const row = order[index]!;
      return spoil({
        row,
        arrivedAt: arrivedAt[row]!,
        date: number(flights.date[row]!),
        delay: number(flights.delay[row]!),
        distance: number(flights.distance[row]!),
        origin: airport(flights.origin[row]!),
        destination: airport(flights.destination[row]!),
      });
    };
  }

  /** The enumerator's state is whether the one split was handed out. */
  createEnumerator(
    context: SplitEnumeratorContext<ReplaySplit>,
    isAssigned = false,
  ): SplitEnumerator<ReplaySplit, boolean> {
    let unassigned: readonly ReplaySplit[] = isAssigned ? [] : [{ splitId: 'replay', next: 0 }];
    return {
      start: () => undefined,
      handleSplitRequest(subtaskIndex) {
        for (const split of unassigned) context.assignSplit(split, subtaskIndex);
        unassigned = [];
        context.signalNoMoreSplits(subtaskIndex);
      },
      addSplitsBack: (splits) => (unassigned = [...unassigned, ...splits]),
      snapshotState: () => unassigned.length === 0,
    };
  }

  createReader(context: SourceReaderContext): SourceReader<RawFlight, ReplaySplit> {
    return new ReplayReader(this.#read, this.#rows, context);
  }
}

class ReplayReader implements SourceReader<RawFlight, ReplaySplit> {
  readonly #read: (index: number) => RawFlight;
  readonly #rows: number;
  readonly #context: SourceReaderContext;
  #next: number | undefined;
  #isLast = false;
  #onAvailable: (() => void) | undefined;

  constructor(read: (index: number) => RawFlight, rows: number, context: SourceReaderContext) {
    this.#read = read;
    this.#rows = rows;
    this.#context = context;
  }

  start(): void {
    if (this.#next === undefined) this.#context.requestSplit();
  }

  pollNext(output: ReaderOutput<RawFlight>, maxRecords: number): PollStatus {
    if (this.#next === undefined) return this.#isLast ? 'end' : 'wait';
    const end = Math.min(this.#rows, this.#next + maxRecords);
    while (this.#next < end) output.collect(this.#read(this.#next++));
    if (this.#next < this.#rows) return 'more';
    this.#next = undefined;
    if (this.#isLast) return 'end';
    this.#context.requestSplit();
    return 'more';
  }

  isAvailable(): Promise<void> {
    return new Promise((resolve) => (this.#onAvailable = resolve));
  }

  addSplits(splits: readonly ReplaySplit[]): void {
    for (const split of splits) this.#next = split.next;
    this.#onAvailable?.();
  }

  notifyNoMoreSplits(): void {
    this.#isLast = true;
    this.#onAvailable?.();
  }

  snapshotState(): readonly ReplaySplit[] {
    return this.#next === undefined ? [] : [{ splitId: 'replay', next: this.#next }]; // invariant 2
  }
}
