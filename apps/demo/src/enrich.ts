import type { Airports } from './airports.js';
import type { Flight } from './flight.js';

/** A flight with where it began and ended. */
export interface EnrichedFlight extends Flight {
  readonly originState: string | null;
  readonly originCity: string | null;
  readonly destinationState: string | null;
  readonly destinationCity: string | null;
}

export function enrichFlight(flight: Flight, airports: Airports): EnrichedFlight {
  const origin = airports.get(flight.origin);
  const destination = airports.get(flight.destination);
  // Named one by one: a spread costs as much as everything else that the job does with a record.
  return {
    date: flight.date,
    delay: flight.delay,
    distance: flight.distance,
    origin: flight.origin,
    destination: flight.destination,
    originState: origin?.state ?? null,
    originCity: origin?.city ?? null,
    destinationState: destination?.state ?? null,
    destinationCity: destination?.city ?? null,
  };
}
