/**
 * Replays flights in the order in which the planes really left or arrived: by date + delay.
 *
 * Invariants
 * 1. One split, read by one reader: the order of the records is the same in every run, whatever the parallelism.
 * 2. The position in a checkpoint is an index into that order, so it means the same after a restart with the same rows.
 */
import { DataGeneratorSource } from '@millrace/core-stream';
import { NO_AIRPORT, type FlightColumns } from './flights-file.js';
import type { RawFlight } from './flight.js';

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
export function replaySource(
  flights: FlightColumns,
  spoil: (flight: RawFlight) => RawFlight = (flight) => flight,
): DataGeneratorSource<RawFlight> {
  const arrivedAt = arrivals(flights);
  const order = replayOrder(arrivedAt); // invariant 2
  const number = (value: number) => (Number.isNaN(value) ? null : value);
  const airport = (index: number) => (index === NO_AIRPORT ? null : flights.airports[index]!);
  const read = (index: number): RawFlight => {
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
  return new DataGeneratorSource(read, flights.rows);
}
