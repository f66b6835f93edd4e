import { OutputTag, type ProcessFunction } from '@millrace/core-stream';
import type { Airports } from './airports.js';
import { DemoError } from './failure.js';
import type { Flight, RawFlight } from './flight.js';

export type InvalidReason =
  | 'missing_timestamp'
  | 'delay_not_a_number'
  | 'distance_not_positive'
  | 'missing_origin'
  | 'missing_destination'
  | 'unknown_airport';

/** A record that is not a flight, and why. */
export interface DeadLetter {
  /** When it came in: the record's own time may be what it lacks. */
  readonly arrivedAt: number;
  readonly reason: InvalidReason;
  readonly row: number;
  /** The record as JSON. */
  readonly record: string;
}

export const deadLetters = new OutputTag<DeadLetter>('dead-letters');

/** What becomes of an invalid record: a dead letter, or the end of the job. */
export type OnInvalid = 'dead-letter' | 'fail';

/** The flight, or the first reason why the record is none. */
export function parseFlight(raw: RawFlight, airports: Airports): Flight | InvalidReason {
  const { date, delay, distance, origin, destination } = raw;
  if (date === null) return 'missing_timestamp';
  if (typeof delay !== 'number') return 'delay_not_a_number';
  if (distance === null || !(distance > 0)) return 'distance_not_positive';
  if (origin === null) return 'missing_origin';
  if (destination === null) return 'missing_destination';
  if (!airports.has(origin) || !airports.has(destination)) return 'unknown_airport';
  return { date, delay, distance, origin, destination };
}

/** Passes flights on, and what is none to {@link deadLetters}. */
export function validateFlights(
  airports: Airports,
  onInvalid: OnInvalid,
): () => ProcessFunction<RawFlight, Flight> {
  return () => ({
    processElement(raw, context, out) {
      const result = parseFlight(raw, airports);
      if (typeof result !== 'string') return out.collect(result);
      const record = JSON.stringify(raw);
      if (onInvalid === 'fail') {
        throw new DemoError(
          `Row ${raw.row} is not a valid flight: ${result} (${record}). Correct the file, or leave --on-invalid at ` +
            "'dead-letter' to set such records aside.",
        );
      }
      context.output(deadLetters, { arrivedAt: raw.arrivedAt, reason: result, row: raw.row, record });
    },
  });
}
