import { describe, expect, it } from 'vitest';
import type { Airports } from '../src/airports.js';
import type { RawFlight } from '../src/flight.js';
import { spoiler } from '../src/spoil.js';
import { parseFlight } from '../src/validate.js';

const airport = (iata: string) => [iata, { iata, city: 'X', state: 'Y' }] as const;
const airports: Airports = new Map([airport('SFO'), airport('JFK')]);
const flight: RawFlight = {
  row: 0,
  arrivedAt: 60_000,
  date: 0,
  delay: 1,
  distance: 2586,
  origin: 'SFO',
  destination: 'JFK',
};

describe('parseFlight', () => {
  it('takes a flight that has everything', () => {
    const { row: _row, arrivedAt: _arrivedAt, ...fields } = flight;
    expect(parseFlight(flight, airports)).toEqual(fields);
  });

  it.each([
    [{ date: null }, 'missing_timestamp'],
    [{ delay: 'n/a' }, 'delay_not_a_number'],
    [{ delay: null }, 'delay_not_a_number'],
    [{ distance: 0 }, 'distance_not_positive'],
    [{ distance: null }, 'distance_not_positive'],
    [{ origin: null }, 'missing_origin'],
    [{ destination: null }, 'missing_destination'],
    [{ origin: '???' }, 'unknown_airport'],
    [{ destination: 'ZZZ' }, 'unknown_airport'],
    [{ date: null, delay: null }, 'missing_timestamp'],
  ])('finds in %j the reason %s', (fault, reason) => {
    expect(parseFlight({ ...flight, ...fault }, airports)).toBe(reason);
  });
});

describe('spoiler', () => {
  const reasons = (fraction: number, rows: number) => {
    const spoil = spoiler(fraction);
    return Array.from({ length: rows }, (_, row) => parseFlight(spoil({ ...flight, row }), airports)).filter(
      (result) => typeof result === 'string',
    );
  };

  it('leaves all records alone at 0 and none at 1', () => {
    expect(reasons(0, 1000)).toHaveLength(0);
    expect(reasons(1, 1000)).toHaveLength(1000);
  });

  it('spoils about the fraction that was asked for, in every way, the same each time', () => {
    const spoiled = reasons(0.1, 10_000);
    expect(spoiled.length).toBeGreaterThan(950);
    expect(spoiled.length).toBeLessThan(1050);
    expect(new Set(spoiled).size).toBe(5);
    expect(reasons(0.1, 10_000)).toEqual(spoiled);
  });
});
