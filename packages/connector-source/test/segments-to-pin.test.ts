import type { Logger } from '@millrace/core-stream';
import { DruidClient, type PublishedSegmentInfo, type SegmentCandidate } from '@millrace/druid-client';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DruidSource, type DruidColumns } from '../src/index.js';
import { pinSegments } from '../src/pin-segments.js';
import { listPublishedSegments } from '../src/segment-catalog.js';
import { joinLocations, listSegmentsToPin } from '../src/segments-to-pin.js';
import { FakeDruid, type FakeRow, type FakeSegment } from './support/fake-druid.js';
import { TestJob } from './support/test-job.js';

const rowsOf = (day: number, count: number): FakeRow[] =>
  Array.from({ length: count }, (_, i) => ({ __time: Date.UTC(2024, 0, day) + i, added: 100 * day + i }));

let druid: FakeDruid;
let job: TestJob<{ added?: number | null }> | undefined;
let sqlListings: number;
const logged: string[] = [];
const note = (message: string): void => void logged.push(message);
const logger: Logger = { debug: note, info: note, warn: note, error: note };

beforeEach(async () => {
  druid = await FakeDruid.start({ __time: 'TIMESTAMP', added: 'BIGINT' });
  sqlListings = 0;
  druid.onListing = () => void sqlListings++;
  logged.length = 0;
});

afterEach(async () => {
  await job?.stop();
  job = undefined;
  await druid.stop();
});

function start(columns: DruidColumns = { added: 'long' }) {
  const client = { url: druid.url, sleep: () => Promise.resolve() };
  const source = new DruidSource({ druid: client, dataSource: 'edits', columns, path: 'broker' });
  return (job = new TestJob<{ added?: number | null }>(source as never, { logger }));
}

const onHistorical = () => [{ host: 'somewhere:1', type: 'historical' }];
const fallBack = 'Druid segments are listed by SQL, as the Coordinator cannot be asked';

describe('a bounded read', () => {
  it('has the Coordinator list the segments, and no statement', async () => {
    druid.coordinator = 'tells';
    druid.locationsOf = onHistorical;
    druid.addSegment(1, rowsOf(1, 3));
    druid.addSegment(1, rowsOf(1, 9), { isOvershadowed: true, version: '2023' });
    druid.addSegment(2, [], { shardSpec: { type: 'tombstone', partitionNum: 0, partitions: 1 } });
    druid.addSegment(3, rowsOf(3, 2), { isPublished: false, isRealtime: true });
    druid.addSegment(4, rowsOf(4, 2));
    await start().run();
    expect(job?.rows().map(({ added }) => added)).toEqual([100, 101, 102, 400, 401]);
    expect(sqlListings).toBe(0);
    expect(logged).not.toContain(fallBack);
  });

  it.each([
    ['there is none', undefined, true],
    ['it refuses', 'refuses', true],
    ['it hangs up', 'hangs up', true],
    ['it tells of other segments', 'tells nonsense', true],
    ['it tells of none, as it does who may not see them (invariant 2)', 'tells nothing', false],
  ] as const)('asks SQL where the Coordinator cannot tell: %s', async (_, coordinator, isLogged) => {
    druid.coordinator = coordinator;
    druid.addSegment(1, rowsOf(1, 3));
    druid.addSegment(2, rowsOf(2, 2));
    await start().run();
    expect(job?.rows().map(({ added }) => added)).toEqual([100, 101, 102, 200, 201]);
    expect(sqlListings).toBe(1);
    expect(logged.filter((message) => message === fallBack)).toHaveLength(isLogged ? 1 : 0);
  });

  it('asks SQL where the Broker does not tell which servers hold the segments', async () => {
    druid.coordinator = 'tells';
    druid.tellsLocations = false;
    druid.addSegment(1, rowsOf(1, 3));
    await start().run();
    expect(job?.emitted).toHaveLength(3);
    expect(sqlListings).toBe(1);
  });

  it.each([
    ['is on no server', []],
    ['is on a streaming task alone', [{ host: 'somewhere:2', type: 'indexer-executor' }]],
  ])('waits for a segment that %s when it is pinned (invariant 3)', async (_, locations) => {
    druid.coordinator = 'tells';
    druid.locationsOf = () => locations;
    const segment = druid.addSegment(1, rowsOf(1, 3), {
      isAvailable: locations.length > 0,
      isRealtime: true,
    });
    const { readers } = start();
    let looks = 0;
    druid.onLookUp = () => {
      if (++looks === 3) Object.assign(segment, { isAvailable: true, isRealtime: false });
    };
    await job?.run();
    expect(readers).toHaveLength(1);
    expect(job?.emitted).toHaveLength(3);
    expect(looks).toBeGreaterThanOrEqual(3);
  });

  it('asks INFORMATION_SCHEMA for the columns where Druid plans no statement for them', async () => {
    druid.plansStatements = false;
    druid.addSegment(1, rowsOf(1, 3));
    await start().run();
    expect(job?.emitted).toHaveLength(3);
  });

  it('checks the columns before anything is read (invariant 1 of segment-lister.ts)', async () => {
    druid.coordinator = 'tells';
    druid.locationsOf = onHistorical;
    druid.addSegment(1, rowsOf(1, 3));
    await expect(start({ addde: 'long' }).run()).rejects.toMatchObject({ code: 'DRUID_SOURCE_SCHEMA' });
    expect(job?.emitted).toEqual([]);
    expect(druid.queries).toEqual([]);
  });
});

it('pins what SQL lists, whatever there is', async () => {
  const segment = fc.record({
    day: fc.integer({ min: 1, max: 4 }),
    days: fc.integer({ min: 1, max: 3 }),
    month: fc.integer({ min: 5, max: 6 }),
    rows: fc.integer({ min: 1, max: 3 }),
    place: fc.constantFrom('historical', 'indexer-executor', 'both', 'nowhere'),
    isPublished: fc.boolean(),
    isOvershadowed: fc.boolean(),
    isCompacted: fc.boolean(),
    type: fc.constantFrom('numbered', 'none', 'tombstone', 'numbered_overwrite'),
  });
  const client = new DruidClient({ url: druid.url });
  const { signal } = new AbortController();
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(segment, { minLength: 1, maxLength: 8 }), async (plan) => {
        druid.segments.length = 0;
        const places = new Map<FakeSegment, string>();
        for (const { day, days, month, place, type, rows, ...extra } of plan) {
          const end = new Date(Date.UTC(2024, 0, day + days)).toISOString();
          // Druid lets no two segments of one version overlap, unless they are of the same interval.
          const version = new Date(Date.UTC(2024, month, day, days)).toISOString();
          const added = druid.addSegment(day, rowsOf(day, rows), {
            ...extra,
            end,
            version,
            isAvailable: place !== 'nowhere',
            isRealtime: place === 'indexer-executor',
          });
          if (type !== 'numbered') added.shardSpec = { type, partitionNum: added.partition };
          places.set(added, place);
        }
        druid.locationsOf = (each) =>
          ['historical', 'indexer-executor']
            .filter((type) => [type, 'both'].includes(places.get(each) ?? ''))
            .map((type) => ({ host: 'somewhere:1', type }));
        druid.coordinator = 'tells';
        const scope = { range: undefined, query: '' };
        const told = await listSegmentsToPin(client, 'edits', { logger, signal });
        const listed = await listPublishedSegments(client, 'edits', signal);
        expect(pinSegments(told, scope)).toEqual(pinSegments(listed, scope));
        // Where what is hidden is, nobody asks, and the Broker does not tell.
        const visible = (all: typeof told) => all.filter(({ isOvershadowed }) => !isOvershadowed);
        expect(visible(told)).toEqual(visible(listed));
      }),
      { numRuns: 60 },
    );
  } finally {
    client.close();
  }
});

describe('joinLocations', () => {
  const segmentOf = (interval: string, more: Partial<PublishedSegmentInfo> = {}): PublishedSegmentInfo => ({
    segmentId: interval,
    interval,
    version: 'v1',
    partitionNumber: 0,
    size: 1,
    shardSpec: { type: 'numbered', partitionNum: 0, partitions: 0 },
    isOvershadowed: false,
    isCompacted: false,
    isLoadable: true,
    ...more,
  });
  const partOf = (interval: string, ...types: string[]): SegmentCandidate => ({
    interval,
    version: 'v1',
    partitionNumber: 0,
    size: 1,
    locations: types.map((type) => ({ host: 'h:1', type })),
  });
  const availability = (...parts: SegmentCandidate[]) =>
    joinLocations([segmentOf('2024-01-01T00:00:00.000Z/2024-02-01T00:00:00.000Z')], parts)[0]?.availability;

  it('knows a segment by the parts that are left of it', () => {
    expect(availability(partOf('2024-01-02T00:00:00.000Z/2024-02-01T00:00:00.000Z', 'historical'))).toBe(
      'available',
    );
  });

  it('finds the parts among those of a thousand segments of one version', () => {
    const hour = (i: number, minutes = 0) => new Date(Date.UTC(2024, 0, 1, i, minutes)).toISOString();
    const hours = Array.from({ length: 1000 }, (_, i) => i);
    const segments = hours.map((i) => segmentOf(`${hour(i)}/${hour(i + 1)}`));
    // Every third is whole, of every third two parts are left, and every third is on no server.
    const parts = hours.flatMap((i) => {
      if (i % 3 === 0) return [partOf(`${hour(i)}/${hour(i + 1)}`, 'historical')];
      if (i % 3 === 1) return [];
      return [
        partOf(`${hour(i, 40)}/${hour(i + 1)}`, 'indexer-executor'),
        partOf(`${hour(i, 10)}/${hour(i, 20)}`, 'indexer-executor'),
      ];
    });
    const expected = hours.map((i) => ['available', 'unavailable', 'realtime'][i % 3]);
    expect(joinLocations(segments, parts.reverse()).map((each) => each.availability)).toEqual(expected);
  });

  it.each([
    ['another interval', partOf('2024-02-01T00:00:00.000Z/2024-03-01T00:00:00.000Z', 'historical')],
    [
      'another version',
      { ...partOf('2024-01-01T00:00:00.000Z/2024-02-01T00:00:00.000Z', 'historical'), version: 'v2' },
    ],
    [
      'another partition',
      { ...partOf('2024-01-01T00:00:00.000Z/2024-02-01T00:00:00.000Z', 'historical'), partitionNumber: 1 },
    ],
  ])('does not take for it one of %s', (_, part) => {
    expect(availability(part)).toBe('unavailable');
  });
});
