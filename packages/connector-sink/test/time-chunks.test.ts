import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkOf, isWithin, TimeChunks, type Granularity } from '../src/schema/time-chunks.js';

const iso = (text: string) => Date.parse(text);
const granularities: Granularity[] = [
  'second',
  'minute',
  'five_minute',
  'hour',
  'six_hour',
  'day',
  'week',
  'month',
  'quarter',
  'year',
];
const times = fc.date({
  min: new Date('-000100-01-01T00:00:00Z'),
  max: new Date('9000-01-01T00:00:00Z'),
  noInvalidDate: true,
});

describe('chunkOf', () => {
  it.each([
    ['day', '2001-02-03T04:05:06Z', '2001-02-03T00:00:00Z', '2001-02-04T00:00:00Z'],
    ['six_hour', '1969-12-31T23:59:59.999Z', '1969-12-31T18:00:00Z', '1970-01-01T00:00:00Z'],
    ['week', '2001-02-04T23:00:00Z', '2001-01-29T00:00:00Z', '2001-02-05T00:00:00Z'],
    ['month', '2000-02-29T00:00:00Z', '2000-02-01T00:00:00Z', '2000-03-01T00:00:00Z'],
    ['quarter', '2001-12-31T00:00:00Z', '2001-10-01T00:00:00Z', '2002-01-01T00:00:00Z'],
    ['year', '0042-05-05T00:00:00Z', '0042-01-01T00:00:00Z', '0043-01-01T00:00:00Z'],
  ] as const)('cuts time by %s as Druid does', (granularity, time, start, end) => {
    expect(chunkOf(granularity, iso(time))).toEqual({ start: iso(start), end: iso(end) });
  });

  it('gives every time exactly one chunk, and the chunk itself the same one', () => {
    fc.assert(
      fc.property(times, fc.constantFrom(...granularities), (date, granularity) => {
        const { start, end } = chunkOf(granularity, date.getTime());
        expect(start <= date.getTime() && date.getTime() < end).toBe(true);
        expect(chunkOf(granularity, start)).toEqual({ start, end });
        expect(chunkOf(granularity, end - 1)).toEqual({ start, end });
      }),
    );
  });
});

describe('TimeChunks', () => {
  it('merges neighbours and keeps gaps', () => {
    const chunks = new TimeChunks('day');
    for (const day of ['2001-01-02', '2001-01-01', '2001-01-05', '2001-01-02'])
      chunks.add(iso(`${day}T12:00:00Z`));
    expect(chunks.ranges()).toEqual([
      { start: iso('2001-01-01'), end: iso('2001-01-03') },
      { start: iso('2001-01-05'), end: iso('2001-01-06') },
    ]);
    expect([chunks.minTime, chunks.maxTime]).toEqual([iso('2001-01-01T12:00Z'), iso('2001-01-05T12:00Z')]);
  });

  it('names none where they are too many to lock, or have no bounds', () => {
    const many = new TimeChunks('hour');
    for (let hour = 0; hour < 101; hour++) many.add(hour * 3_600_000);
    expect(many.ranges()).toBeNull();
    const all = new TimeChunks('all');
    all.add(0);
    expect(all.ranges()).toBeNull();
  });
});

it('goes on from what other chunks have remembered', () => {
  const times = fc.array(fc.integer({ min: -10, max: 200 }).map((hours) => hours * 3_600_000 + 5));
  fc.assert(
    fc.property(
      fc.constantFrom(...granularities, 'all' as const),
      times,
      times,
      (granularity, before, after) => {
        const whole = new TimeChunks(granularity);
        for (const time of [...before, ...after]) whole.add(time);
        const first = new TimeChunks(granularity);
        for (const time of before) first.add(time);
        const { minTime, maxTime } = first;
        const second = new TimeChunks(granularity, { minTime, maxTime, chunks: first.ranges() });
        for (const time of after) second.add(time);
        expect([second.ranges(), second.minTime, second.maxTime]).toEqual([
          whole.ranges(),
          whole.minTime,
          whole.maxTime,
        ]);
      },
    ),
  );
});

it('knows which granularities divide which', () => {
  const all: Granularity[] = [
    ...granularities,
    'ten_minute',
    'fifteen_minute',
    'thirty_minute',
    'eight_hour',
    'all',
  ];
  // Naively: the chunk of `a` that a chunk of `b` ends with lies in it, for forty of them.
  const isDivided = (a: Granularity, b: Granularity) => {
    for (let count = 0, time = iso('2001-01-01T00:00:00Z'); count < 40; count++) {
      const whole = chunkOf(b, time);
      const part = chunkOf(a, whole.end === Infinity ? time : whole.end - 1);
      if (part.start < whole.start || part.end > whole.end) return false;
      time = whole.end === Infinity ? time : whole.end;
    }
    return true;
  };
  for (const a of all) {
    for (const b of all) expect([a, b, isWithin(a, b)]).toEqual([a, b, isDivided(a, b)]);
  }
});
