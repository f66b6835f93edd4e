import {
  AsyncDataStream,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type AsyncFunctionFactory,
} from '@millrace/core-stream';
import { CollectingSink } from '@millrace/core-stream/testing';
import { DruidClient, sql } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid, type SharedDruid } from '../../../../tooling/shared-druid.js';
import { DruidLookup, loadLookup, type LoadLookupOptions } from '../../src/index.js';
import { append } from '../support/ingest.js';

const day = (date: number) => Date.UTC(2024, 0, date);
const count = 3000;
const strange = ["O'Hare", 'say "hi"', '', 'ÄÖ\u{1f600}', 'a,b', '?', '%'];

interface Place {
  readonly t: number;
  readonly country: string;
  readonly id: string;
  readonly name: string | null;
  readonly n: number;
}

/** Three versions of each place, of days that differ. */
const places: Place[] = Array.from({ length: count }, (_, i) => ({
  t: day(1 + ((i * 7) % 20)),
  country: i % 3 === 0 ? strange[i % strange.length]! : `c${i % 11}`,
  id: String(2n ** 53n + BigInt(i % 1000)),
  name: i % 13 === 0 ? null : `place ${i}`,
  n: i,
}));

async function run<T extends object, R>(
  records: readonly T[],
  join: AsyncFunctionFactory<T, R>,
  timestamp: (record: T) => number = () => 0,
): Promise<R[]> {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const sink = new CollectingSink<R>();
  const watermarks = WatermarkStrategy.forBoundedOutOfOrderness<T>(86_400_000 * 40).withTimestampAssigner(
    timestamp,
  );
  const stream = env.fromCollection(records).assignTimestampsAndWatermarks(watermarks);
  AsyncDataStream.orderedWait(stream, join, { timeoutMs: 60_000, capacity: 2000 }).sinkTo(sink);
  await env.execute('lookup');
  return [...sink.values];
}

describe.skipIf(!requireRealServers())('DruidLookup against a real Druid', () => {
  let cluster: SharedDruid;
  let druid: DruidClient;

  beforeAll(async () => {
    cluster = await sharedDruid();
    druid = new DruidClient({ url: cluster.url });
    // Integers beyond 2^53 - 1 must reach Druid with all their digits.
    const lines = places.map(({ id, ...place }) =>
      JSON.stringify({ ...place, tags: ['x', place.country] }).replace('{', `{"id":${id},`),
    );
    await append(druid, 'places', lines, {
      dimensions: ['country', { type: 'long', name: 'id' }, 'name', { type: 'long', name: 'n' }, 'tags'],
    });
  });

  afterAll(async () => {
    druid?.close();
  });

  const records = Array.from({ length: 4000 }, (_, i) => ({
    country: i % 4 === 0 ? strange[i % strange.length]! : `c${i % 17}`,
    id: 2n ** 53n + BigInt((i * 31) % 1100),
    at: day(1 + (i % 25)),
  }));
  type Asked = (typeof records)[number];
  const rowsOf = ({ country, id }: Asked) =>
    places.filter((place) => place.country === country && place.id === String(id));

  it('finds by two columns what a search through all rows finds', async () => {
    const lookup = new DruidLookup({
      druid,
      from: 'places',
      key: { country: 'string', id: 'long' },
      columns: { name: 'string', id: 'long not null' },
      int64: 'bigint',
      match: 'all',
    });
    const join = lookup.leftJoin({
      key: ({ country, id }: Asked) => ({ country, id }),
      join: (_, found) => found.map(({ name, id }) => `${name} ${id}`).toSorted(),
    });
    const expected = records.map((record) =>
      rowsOf(record)
        .map(({ name, id }) => `${name} ${id}`)
        .toSorted(),
    );
    expect(expected.filter((found) => found.length > 0).length).toBeGreaterThan(100);
    expect(await run(records, join)).toEqual(expected);
  });

  it.each([undefined, 3])(
    'joins by event time what a search through all rows finds (valid for %s days)',
    async (days) => {
      const start = days === undefined ? {} : { versionColumn: 'since', validToColumn: 'until_time' };
      const lookup = new DruidLookup({
        druid,
        from: sql`SELECT country, id, __time, TIMESTAMP_TO_MILLIS(__time) AS since, TIMESTAMPADD(DAY, 3, __time) AS until_time, MAX(n) AS n FROM places GROUP BY 1, 2, 3, 4, 5`,
        key: { country: 'string', id: 'long' },
        columns: { n: 'long not null' },
        match: 'version',
        ...start,
      });
      const join = lookup.leftJoin({
        key: ({ country, id }: Asked) => ({ country, id }),
        join: (_, found) => found?.n,
      });
      const expected = records.map((record) => {
        const valid = rowsOf(record).filter(({ t }) => t <= record.at);
        const latest = Math.max(...valid.map(({ t }) => t));
        const last = valid.filter(({ t }) => t === latest).map(({ n }) => n);
        const hasEnded = latest + (days ?? Infinity) * 86_400_000 <= record.at;
        return last.length === 0 || hasEnded ? undefined : Math.max(...last);
      });
      expect(new Set(expected).size).toBeGreaterThan(20);
      expect(await run(records, join, ({ at }) => at)).toEqual(expected);
    },
  );

  it('finds strings of any characters by one column', async () => {
    const lookup = new DruidLookup({
      druid,
      from: sql`SELECT country, COUNT(*) AS n FROM places GROUP BY country`,
      key: { country: 'string' },
      columns: { n: 'long not null' },
    });
    const join = lookup.leftJoin({
      key: ({ country }: { country: string }) => ({ country }),
      join: (_, found) => found?.n,
    });
    const wanted = [...strange, 'nowhere', '\ud800'].map((country) => ({ country }));
    const expected = wanted.map(
      ({ country }) => places.filter((place) => place.country === country).length || undefined,
    );
    expect(await run(wanted, join)).toEqual(expected);
  });

  it('says that a multi-value column cannot be a key, once a query has several', async () => {
    const lookup = new DruidLookup({
      druid,
      from: 'places',
      key: { tags: 'string' },
      columns: { name: 'string' },
      match: 'all',
      maxRowsPerKey: 10_000,
    });
    const join = lookup.leftJoin({ key: ({ tags }: { tags: string }) => ({ tags }), join: () => 1 });
    await expect(run([{ tags: 'x' }, { tags: 'c1' }], join)).rejects.toThrow(
      /multi-value column cannot be one/,
    );
  });

  it("keeps Druid's own lookups in memory, by definition and by SQL", async () => {
    const map = { fi: 'Finland', "o'": 'Quote', empty: '' };
    await druid.lookups.initialize();
    await druid.lookups.set('__default', 'countries', {
      version: 'v1',
      lookupExtractorFactory: { type: 'map', map },
    });
    const joined = async (options: Partial<LoadLookupOptions>) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment();
      const sink = new CollectingSink<string | undefined>();
      const lookup = loadLookup({ druid: { url: cluster.url }, name: 'countries', ...options });
      const codes = env.fromCollection([...Object.keys(map), 'xx']);
      codes.process(lookup.map((code: string, names) => names.get(code))).sinkTo(sink);
      await env.execute('countries');
      return sink.values;
    };
    const expected = ['Finland', 'Quote', '', undefined];
    expect(await joined({})).toEqual(expected);
    for (;;) {
      const status = await druid.lookups.status();
      if (status?.['__default']?.['countries']?.loaded === true) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(await joined({ via: 'sql' })).toEqual(expected);
    await expect(joined({ name: 'planets' })).rejects.toThrow(/no lookup 'planets'.*countries/);
  });
});
