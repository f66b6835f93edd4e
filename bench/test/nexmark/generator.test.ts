import { describe, expect, it } from 'vitest';
import { EXPECTED } from '../../src/nexmark/expected.js';
import type { NexmarkEvent } from '../../src/nexmark/events.js';
import { BASE_TIME, Generator } from '../../src/nexmark/generator.js';
import { referenceEvent, referenceResults } from '../../src/nexmark/reference.js';
import { RowHash } from '../../src/nexmark/row-hash.js';

const EVENTS = 100_000;

/** Every field except the type, in the order in which the kinds declare them. */
function addAll(hash: RowHash, event: NexmarkEvent): void {
  const { type: _type, ...fields } = event;
  hash.begin();
  for (const value of Object.values(fields)) {
    if (typeof value === 'string') hash.string(value);
    else hash.integer(value);
  }
  hash.add();
}

function hashOfAll(seed: number) {
  const generator = new Generator(seed);
  const hash = new RowHash();
  for (let n = 0; n < EVENTS; n++) addAll(hash, generator.event(n));
  return hash.result();
}

describe('the generator', () => {
  it('makes the events whose hash is published', () => {
    expect(hashOfAll(0)).toEqual(EXPECTED.get(EVENTS)!.all);
  });

  it.each([0, 1])('makes the events of the reference program for seed %i', (seed) => {
    expect(hashOfAll(seed)).toEqual(referenceResults(EVENTS, seed).all);
  });

  it.each([0, 1, 0x7fffffff])('makes event n from n and seed %i alone, far away too', (seed) => {
    const generator = new Generator(seed);
    for (const start of [2_000_000_000, 77_777_777, 4_950, 0])
      for (let n = start; n < start + 200; n++) expect(generator.event(n)).toEqual(referenceEvent(n, seed));
  });

  it('makes 46 bids and 3 auctions for each person, ten events a millisecond, in ascending time', () => {
    const generator = new Generator();
    const kinds = [0, 0, 0];
    for (let n = 0; n < 5_000; n++) {
      const event = generator.event(n);
      kinds[event.type]!++;
      expect(event.dateTime).toBe(BASE_TIME + Math.floor(n / 10));
    }
    expect(kinds).toEqual([100, 300, 4_600]);
  });
});
