import type { RawFlight } from './flight.js';

/** The ways in which `--corrupt` damages a record; row r is damaged in the way r mod 5. */
const WAYS: readonly ((flight: RawFlight) => RawFlight)[] = [
  (flight) => ({ ...flight, date: null }),
  (flight) => ({ ...flight, delay: 'n/a' }),
  (flight) => ({ ...flight, distance: 0 }),
  (flight) => ({ ...flight, origin: null }),
  (flight) => ({ ...flight, destination: '???' }),
];

/** Knuth's multiplier: spreads consecutive rows evenly over 32 bits. Times three million it is still an exact number. */
const MULTIPLIER = 2_654_435_761;

/**
 * Damages about `fraction` of all records, always the same ones: row r if (r · 2654435761) mod 2³² < fraction · 2³².
 */
export function spoiler(fraction: number): (flight: RawFlight) => RawFlight {
  if (fraction === 0) return (flight) => flight;
  const limit = fraction * 2 ** 32;
  return (flight) => {
    const { row } = flight;
    return (row * MULTIPLIER) % 2 ** 32 < limit ? WAYS[row % WAYS.length]!(flight) : flight;
  };
}
