import type { AggregateFunction, ProcessWindowFunction } from '@millrace/core-stream';
import { LATE_AFTER_MINUTES, type Flight } from './flight.js';

/** Sums over the flights of a window. */
export interface DelayStatistics {
  flights: number;
  sumDelay: number;
  maxDelay: number;
  late: number;
}

/** Adds up delays, one flight at a time. */
export const delayStatistics: AggregateFunction<Flight, DelayStatistics, DelayStatistics> = {
  createAccumulator: () => ({ flights: 0, sumDelay: 0, maxDelay: -Infinity, late: 0 }),
  add({ delay }, sums) {
    sums.flights++;
    sums.sumDelay += delay;
    if (delay > sums.maxDelay) sums.maxDelay = delay;
    if (delay > LATE_AFTER_MINUTES) sums.late++;
    return sums;
  },
  getResult: (sums) => sums,
  merge: (a, b) => ({
    flights: a.flights + b.flights,
    sumDelay: a.sumDelay + b.sumDelay,
    maxDelay: Math.max(a.maxDelay, b.maxDelay),
    late: a.late + b.late,
  }),
};

/** One airport in one hour. */
export interface AirportDelay {
  readonly windowStart: number;
  readonly origin: string;
  readonly flights: number;
  readonly meanDelay: number;
  readonly maxDelay: number;
  /** The share of flights that were late, from 0 to 1. */
  readonly lateShare: number;
}

export const toAirportDelay: ProcessWindowFunction<DelayStatistics, AirportDelay, string> = (
  origin,
  { window },
  [sums],
  out,
) => {
  const { flights, sumDelay, maxDelay, late } = sums!;
  out.collect({
    windowStart: window.start,
    origin,
    flights,
    meanDelay: sumDelay / flights,
    maxDelay,
    lateShare: late / flights,
  });
};

/** Many flights of an airport are much too late. */
export interface DelayAlert {
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly origin: string;
  readonly flights: number;
  readonly meanDelay: number;
}

const ALERT_MIN_FLIGHTS = 20;
const ALERT_ABOVE_MEAN_DELAY = 45;

export const toAlert: ProcessWindowFunction<DelayStatistics, DelayAlert, string> = (
  origin,
  { window },
  [sums],
  out,
) => {
  const { flights, sumDelay } = sums!;
  const meanDelay = sumDelay / flights;
  if (flights < ALERT_MIN_FLIGHTS || meanDelay <= ALERT_ABOVE_MEAN_DELAY) return;
  out.collect({ windowStart: window.start, windowEnd: window.end, origin, flights, meanDelay });
};

/** @example formatAlert(alert) // "ALERT 2001-01-02 07:00–10:00 ORD: 43 flights, 61 minutes late on average" */
export function formatAlert({ windowStart, windowEnd, origin, flights, meanDelay }: DelayAlert): string {
  const [day, from] = new Date(windowStart).toISOString().split(/[T.]/);
  const to = new Date(windowEnd).toISOString().slice(11, 16);
  return `ALERT ${day} ${from!.slice(0, 5)}–${to} ${origin}: ${flights} flights, ${Math.round(meanDelay)} minutes late on average`;
}
