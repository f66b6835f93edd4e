import { describe, expect, it } from 'vitest';
import {
  punctuality,
  toRecommendations,
  type Punctuality,
  type Recommendation,
} from '../src/recommendations.js';

function recommend(counts: Punctuality): Recommendation[] {
  const out: Recommendation[] = [];
  const context = { window: { start: 0, end: 86_400_000 } } as Parameters<typeof toRecommendations>[1];
  toRecommendations('SFO', context, [counts], { collect: (place) => out.push(place) });
  return out;
}

describe('recommendations', () => {
  it('ranks by share on time, then by flights, then by name, and leaves out what is rarely flown', () => {
    const places = recommend({
      LAX: { flights: 20, onTime: 10 },
      SEA: { flights: 10, onTime: 9 },
      JFK: { flights: 10, onTime: 5 },
      ATL: { flights: 10, onTime: 5 },
      DEN: { flights: 9, onTime: 9 },
    });
    expect(places.map(({ rank, destination, onTimeShare }) => [rank, destination, onTimeShare])).toEqual([
      [1, 'SEA', 0.9],
      [2, 'LAX', 0.5],
      [3, 'ATL', 0.5],
    ]);
  });

  it('counts a flight of 15 minutes delay as on time, one of 16 as late', () => {
    const flight = { date: 0, distance: 1, origin: 'SFO', destination: 'JFK' };
    const counts = [15, 16].reduce(
      (sums, delay) => punctuality.add({ ...flight, delay }, sums),
      punctuality.createAccumulator(),
    );
    expect(counts).toEqual({ JFK: { flights: 2, onTime: 1 } });
    expect(punctuality.merge(counts, counts)).toEqual({ JFK: { flights: 4, onTime: 2 } });
  });
});
