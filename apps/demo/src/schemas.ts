import { druidSchema } from '@millrace/connector-sink';
import type { AirportDelay, DelayAlert } from './delay-statistics.js';
import type { EnrichedFlight } from './enrich.js';
import type { Flight } from './flight.js';
import type { Recommendation } from './recommendations.js';
import type { DeadLetter } from './validate.js';

const common = { segmentGranularity: 'month' } as const;

/** The datasources of the demo: names and columns. `prefix` goes before every name. */
export function schemasOf(prefix: string) {
  return {
    flights: druidSchema<EnrichedFlight>()({
      ...common,
      dataSource: `${prefix}flights`,
      timestamp: 'date',
      dimensions: {
        origin: 'string',
        originState: 'string',
        originCity: 'string',
        destination: 'string',
        destinationState: 'string',
        destinationCity: 'string',
        delay: 'long',
        distance: 'long',
      },
    }),
    airportDelays: druidSchema<AirportDelay>()({
      ...common,
      dataSource: `${prefix}airport_delays`,
      timestamp: 'windowStart',
      dimensions: {
        origin: 'string',
        flights: 'long',
        meanDelay: 'double',
        maxDelay: 'long',
        lateShare: 'double',
      },
    }),
    alerts: druidSchema<DelayAlert>()({
      ...common,
      dataSource: `${prefix}alerts`,
      timestamp: 'windowStart',
      dimensions: { origin: 'string', flights: 'long', meanDelay: 'double' },
    }),
    recommendations: druidSchema<Recommendation>()({
      ...common,
      dataSource: `${prefix}recommendations`,
      timestamp: 'day',
      dimensions: {
        origin: 'string',
        destination: 'string',
        rank: 'long',
        flights: 'long',
        onTimeShare: 'double',
      },
    }),
    lateFlights: druidSchema<Flight>()({
      ...common,
      dataSource: `${prefix}late_flights`,
      timestamp: 'date',
      dimensions: { origin: 'string', destination: 'string', delay: 'long', distance: 'long' },
    }),
    deadLetters: druidSchema<DeadLetter>()({
      ...common,
      dataSource: `${prefix}dead_letters`,
      timestamp: 'arrivedAt',
      dimensions: { reason: 'string', row: 'long', record: 'string' },
    }),
  };
}

export type DemoSchemas = ReturnType<typeof schemasOf>;
