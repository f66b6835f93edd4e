import type { AggregateFunction, ProcessWindowFunction } from '@millrace/core-stream';
import { LATE_AFTER_MINUTES, type Flight } from './flight.js';

/** Flights of one airport by destination. */
export type Punctuality = Record<string, { flights: number; onTime: number }>;

/** Counts flights and those on time, per destination. */
export const punctuality: AggregateFunction<Flight, Punctuality, Punctuality> = {
  createAccumulator: () => ({}),
  add({ destination, delay }, counts) {
    const count = (counts[destination] ??= { flights: 0, onTime: 0 });
    count.flights++;
    if (delay <= LATE_AFTER_MINUTES) count.onTime++;
    return counts;
  },
  getResult: (counts) => counts,
  merge(a, b) {
    const merged: Punctuality = { ...a };
    for (const [destination, { flights, onTime }] of Object.entries(b)) {
      const count = merged[destination] ?? { flights: 0, onTime: 0 };
      merged[destination] = { flights: count.flights + flights, onTime: count.onTime + onTime };
    }
    return merged;
  },
};

/** A destination that is worth choosing from an airport on a day. */
export interface Recommendation {
  readonly day: number;
  readonly origin: string;
  readonly destination: string;
  /** From 1. */
  readonly rank: number;
  readonly flights: number;
  /** The share of flights on time, from 0 to 1. */
  readonly onTimeShare: number;
}

const MIN_FLIGHTS = 10;
const PLACES = 3;

/** The best destinations by share on time; of equal ones the one with more flights, then by the alphabet. */
export const toRecommendations: ProcessWindowFunction<Punctuality, Recommendation, string> = (
  origin,
  { window },
  [counts],
  out,
) => {
  Object.entries(counts!)
    .filter(([, { flights }]) => flights >= MIN_FLIGHTS)
    .map(([destination, { flights, onTime }]) => ({ destination, flights, onTimeShare: onTime / flights }))
    .sort(
      (a, b) =>
        b.onTimeShare - a.onTimeShare || b.flights - a.flights || (a.destination < b.destination ? -1 : 1),
    )
    .slice(0, PLACES)
    .forEach((place, index) => out.collect({ day: window.start, origin, rank: index + 1, ...place }));
};
