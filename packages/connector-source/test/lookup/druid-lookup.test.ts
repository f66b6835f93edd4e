import {
  AsyncDataStream,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type AsyncContext,
  type AsyncFunctionFactory,
  type AsyncRuntimeContext,
} from '@millrace/core-stream';
import { CollectingSink, ManualClock, TestMetrics, until } from '@millrace/core-stream/testing';
import { DruidClient, sql } from '@millrace/druid-client';
import { EmbeddedDruid, FaultProxy } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidLookup,
  DruidSourceConfigError,
  DruidSourceError,
  DruidSourceRecordError,
  DruidSourceSchemaError,
} from '../../src/index.js';
import { append } from '../support/ingest.js';

interface Flight {
  readonly id: number;
  readonly origin: string | null;
}

const day = (date: number) => Date.UTC(2024, 0, date);
const row = (date: number, iata: string, city: string | null, id: number) =>
  JSON.stringify({ t: day(date), iata, city, id });

let embedded: EmbeddedDruid;
let proxy: FaultProxy;
let druid: DruidClient;

beforeAll(async () => {
  embedded = await EmbeddedDruid.start();
  proxy = await FaultProxy.start({ upstream: embedded.url });
  druid = new DruidClient({ url: embedded.url, sleep: () => Promise.resolve() });
  const dimensions = ['iata', 'city', { type: 'long', name: 'id' }];
  const rows = [
    row(1, 'SFO', 'San Francisco', 1),
    row(1, 'HEL', 'Helsinki', 2),
    row(1, "O'H", null, 3),
    row(3, 'TWO', 'first', 4),
    row(5, 'TWO', 'second', 5),
    row(2, 'DUP', 'x', 6),
    row(2, 'DUP', 'y', 7),
    row(1, 'BIG', 'far', 8).replace('"id":8', '"id":9007199254740993'),
  ];
  await append(druid, 'airports', rows, { dimensions });
});

afterEach(() => proxy.reset());

afterAll(async () => {
  druid.close();
  await proxy.stop();
  await embedded.stop();
});

const columns = { city: 'string', id: 'long not null' } as const;
const byIata = { from: 'airports', key: { iata: 'string' }, columns } as const;
const flights = ['SFO', 'XXX', 'HEL', null, "O'H", 'SFO'].map((origin, id): Flight => ({ id, origin }));

/** Runs a job whose only work is the lookup. */
async function run<T extends object, R>(
  records: readonly T[],
  join: AsyncFunctionFactory<T, R>,
  { isOrdered = true, timestamp = (_: T): number => 0 } = {},
): Promise<R[]> {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const sink = new CollectingSink<R>();
  const watermarks = WatermarkStrategy.forBoundedOutOfOrderness<T>(0).withTimestampAssigner(timestamp);
  const stream = env.fromCollection(records).assignTimestampsAndWatermarks(watermarks);
  const wait = isOrdered ? AsyncDataStream.orderedWait : AsyncDataStream.unorderedWait;
  wait(stream, join, { timeoutMs: 30_000 }).sinkTo(sink);
  await env.execute('lookup');
  return [...sink.values];
}

/** The innermost error of this package that a job failed with. */
async function failureOf(job: Promise<unknown>): Promise<DruidSourceError> {
  let error: unknown = await job.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  while (error instanceof Error && !DruidSourceError.is(error)) error = error.cause;
  if (DruidSourceError.is(error)) return error;
  throw new Error('the job did not fail with an error of this package');
}

/** One subtask of a lookup, driven by hand. */
async function subtask<R>(join: AsyncFunctionFactory<string, R>) {
  const clock = new ManualClock(day(10));
  const metrics = new TestMetrics(clock);
  const context = { clock, metrics: metrics.group } as unknown as AsyncRuntimeContext;
  const lookup = join(context);
  await lookup.open?.(context);
  const call = (value: string) => {
    const abort = new AbortController();
    const asked: AsyncContext = { signal: abort.signal, attempt: 1, timestamp: undefined };
    return Object.assign(lookup.asyncInvoke(value, asked), { abort: (why: Error) => abort.abort(why) });
  };
  const now = async (...values: string[]) => {
    const calls = Promise.all(values.map(call));
    clock.advance(5);
    return (await calls).flat();
  };
  const count = (name: string) => metrics.registry.value(`operator_lookup_${name}`);
  return { clock, call, now, count, close: () => lookup.close?.() };
}

const cityOf = (lookup: Partial<ConstructorParameters<typeof DruidLookup>[0]> = {}) =>
  new DruidLookup({ druid, ...byIata, ...lookup } as typeof byIata & { druid: DruidClient }).leftJoin({
    key: (iata: string) => ({ iata }),
    join: (iata, found) => `${iata}: ${found?.city ?? '-'}`,
  });

describe('DruidLookup in a job', () => {
  it.each([true, false])('joins every record, also without a row (ordered: %s)', async (isOrdered) => {
    const lookup = new DruidLookup({ druid, ...byIata });
    const joined = await run(
      flights,
      lookup.leftJoin({
        key: (flight: Flight) => ({ iata: flight.origin }),
        join: (flight, airport) => ({ flight: flight.id, airport }),
      }),
      { isOrdered },
    );
    const sorted = isOrdered ? joined : joined.toSorted((a, b) => a.flight - b.flight);
    expect(sorted).toEqual([
      { flight: 0, airport: { city: 'San Francisco', id: 1 } },
      { flight: 1, airport: undefined },
      { flight: 2, airport: { city: 'Helsinki', id: 2 } },
      { flight: 3, airport: undefined },
      { flight: 4, airport: { city: null, id: 3 } },
      { flight: 5, airport: { city: 'San Francisco', id: 1 } },
    ]);
  });

  it('leaves out records without a row in an inner join', async () => {
    const lookup = new DruidLookup({ druid, ...byIata });
    const join = lookup.innerJoin({
      key: (flight: Flight) => ({ iata: flight.origin }),
      join: (flight, airport) => `${flight.id} ${airport.city}`,
    });
    expect(await run(flights, join)).toEqual(['0 San Francisco', '2 Helsinki', '4 null', '5 San Francisco']);
  });

  it('looks up by several columns, in a query, and checks rows by a schema', async () => {
    const lookup = new DruidLookup({
      druid,
      from: sql`SELECT iata, id, UPPER(city) AS big FROM airports WHERE id < ${5}`,
      key: { iata: 'string', id: 'long' },
      schema: z.object({ big: z.string().transform((text) => text.length) }),
    });
    const keys = [
      { iata: 'SFO', id: 1 },
      { iata: 'SFO', id: 2n },
      { iata: 'HEL', id: 2n },
      { iata: 'TWO', id: 5 },
    ];
    const join = lookup.leftJoin({
      key: (key: (typeof keys)[number]) => key,
      join: (_, found) => found?.big,
    });
    expect(await run(keys, join)).toEqual([13, undefined, 8, undefined]);
  });

  it('looks up by integers beyond 2^53 - 1, whatever other columns do with theirs', async () => {
    const lookup = new DruidLookup({
      druid,
      from: 'airports',
      key: { id: 'long' },
      columns: { iata: 'string' },
    });
    const join = lookup.leftJoin({
      key: (key: { id: number | bigint }) => key,
      join: (_, found) => found?.iata,
    });
    const keys = [{ id: 9_007_199_254_740_993n }, { id: 2 }, { id: 9_007_199_254_740_992n }];
    expect(await run(keys, join)).toEqual(['BIG', 'HEL', undefined]);
  });

  it('gives all rows of a key', async () => {
    const lookup = new DruidLookup({ druid, ...byIata, match: 'all' });
    const key = (flight: { origin: string }) => ({ iata: flight.origin });
    const records = ['DUP', 'XXX', 'TWO'].map((origin) => ({ origin }));
    const left = lookup.leftJoin({ key, join: (_, rows) => rows.map(({ id }) => id).toSorted() });
    expect(await run(records, left)).toEqual([[6, 7], [], [4, 5]]);
    const inner = lookup.innerJoin({ key, join: (_, rows) => rows.length });
    expect(await run(records, inner)).toEqual([2, 2]);
  });

  it("joins by event time: the row that was valid at the record's timestamp", async () => {
    const lookup = new DruidLookup({ druid, ...byIata, match: 'version' });
    const records = [2, 3, 4, 5, 9].map((date) => ({ at: day(date) }));
    const join = lookup.leftJoin({
      key: (_: { at: number }) => ({ iata: 'TWO' }),
      join: (_, airport) => airport?.city,
    });
    expect(await run(records, join, { timestamp: ({ at }) => at })).toEqual([
      undefined,
      'first',
      'first',
      'second',
      'second',
    ]);
  });

  it('joins by times of other columns, until a version has ended', async () => {
    const lookup = new DruidLookup({
      druid,
      from: sql`SELECT 'x' AS k, city, TIMESTAMP_TO_MILLIS(__time) AS since, CASE WHEN id = 4 THEN TIMESTAMP_TO_MILLIS(__time) + ${86_400_000} END AS until_ms FROM airports WHERE iata = 'TWO'`,
      key: { k: 'string' },
      columns: { city: 'string' },
      match: 'version',
      versionColumn: 'since',
      validToColumn: 'until_ms',
    });
    const records = [2, 3, 3.9, 4, 5, 9].map((date) => ({ at: day(1) + (date - 1) * 86_400_000 }));
    const join = lookup.leftJoin({
      key: (_: { at: number }) => ({ k: 'x' }),
      join: (_, found) => found?.city ?? '-',
    });
    expect(await run(records, join, { timestamp: ({ at }) => at })).toEqual([
      '-',
      'first',
      'first',
      '-',
      'second',
      'second',
    ]);
  });

  it.each(['columns', 'schema'] as const)(
    'fails where a row does not say from when it is valid (%s)',
    async (shape) => {
      const lookup = new DruidLookup({
        druid,
        from: sql`SELECT 'x' AS k, city, CASE WHEN id = 4 THEN TIMESTAMP_TO_MILLIS(__time) END AS since FROM airports WHERE iata = 'TWO'`,
        key: { k: 'string' },
        ...(shape === 'columns'
          ? { columns: { city: 'string' } as const }
          : { schema: z.object({ city: z.string().nullable() }) as never }),
        match: 'version',
        versionColumn: 'since',
      });
      const join = lookup.leftJoin({ key: (_: { at: number }) => ({ k: 'x' }), join: () => 1 });
      const failure = await failureOf(run([{ at: day(9) }], join, { timestamp: ({ at }) => at }));
      expect(failure).toBeInstanceOf(DruidSourceRecordError);
      expect(failure.message).toContain('valid from');
    },
  );

  it('fails where a key has several rows and one is expected, or two versions of one moment', async () => {
    const records = [{ origin: 'DUP' }];
    const join = { key: (flight: { origin: string }) => ({ iata: flight.origin }), join: () => 1 };
    const one = await failureOf(run(records, new DruidLookup({ druid, ...byIata }).leftJoin(join)));
    expect(one).toBeInstanceOf(DruidSourceRecordError);
    expect(one.message).toContain('more than 1 row for key "DUP"');
    const versions = new DruidLookup({ druid, ...byIata, match: 'version' });
    const ambiguous = await failureOf(run(records, versions.leftJoin(join)));
    expect(ambiguous.message).toContain('__time = 2024-01-02T00:00:00.000Z');
    const few = new DruidLookup({ druid, ...byIata, match: 'all', maxRowsPerKey: 1 });
    expect((await failureOf(run(records, few.leftJoin(join)))).message).toContain('maxRowsPerKey');
  });

  it('says what is wrong with a row, a value and a query', async () => {
    const join = { key: (flight: Flight) => ({ iata: flight.origin }), join: () => 1 };
    const schema = z.object({ city: z.string() });
    const { columns: _, ...rest } = byIata;
    const misfit = await failureOf(
      run([{ id: 0, origin: "O'H" }], new DruidLookup({ druid, ...rest, schema }).leftJoin(join)),
    );
    expect(misfit).toBeInstanceOf(DruidSourceRecordError);
    expect(misfit.message).toContain("column 'city'");
    const never = new DruidLookup({ druid, ...rest, columns: { city: 'string not null' } });
    const value = await failureOf(run([{ id: 0, origin: "O'H" }], never.leftJoin(join)));
    expect(value).toBeInstanceOf(DruidSourceRecordError);
    expect(value.details).toMatchObject({ column: 'city' });
  });

  it.each([
    [{ columns: { city: 'long' } }, "'city' is VARCHAR and cannot be read as 'long'"],
    [{ columns: { id: 'string not null' } }, "'id' is BIGINT and cannot be read as 'string not null'"],
    [{ columns: { town: 'string' } }, "Column 'town' not found"],
    [{ key: { id: 'string' } }, "'id' is BIGINT and cannot be a 'string' key"],
    [{ key: { iata: 'long' } }, "'iata' is VARCHAR and cannot be a 'long' key"],
    [{ key: { code: 'string' } }, "Column 'code' not found"],
    [{ match: 'version', versionColumn: 'city' }, "'city' is VARCHAR and cannot be the versionColumn"],
    [{ match: 'version', validToColumn: 'city' }, "'city' is VARCHAR and cannot be the validToColumn"],
    [{ from: 'harbours' }, "Object 'harbours' not found"],
    [{ from: sql`SELECT iata, city, SUM(id) AS id FROM` }, "the query in 'from'"],
  ] as const)('refuses columns that cannot be before the first record: %j', async (options, message) => {
    const asked = proxy.requests.length;
    const lookup = new DruidLookup({ druid: { url: proxy.url }, ...byIata, ...options } as never);
    const join = lookup.leftJoin({ key: () => ({}) as never, join: () => 1 });
    const refused = await failureOf(run(flights, join));
    expect(refused).toBeInstanceOf(DruidSourceSchemaError);
    expect(refused.message).toContain(message);
    expect(proxy.requests.length - asked).toBe(1);
  });

  it('fails in a way that may be tried again where Druid cannot be asked for the columns', async () => {
    proxy.on({ path: '/druid/v2/sql' }, { type: 'answer', status: 503 });
    const client = { url: proxy.url, retry: { maxAttempts: 1 } };
    const failure = await failureOf(
      run(
        ['SFO'].map((origin, id) => ({ id, origin })),
        new DruidLookup({ druid: client, ...byIata }).leftJoin({
          key: ({ origin }: Flight) => ({ iata: origin }),
          join: () => 1,
        }),
      ),
    );
    expect(failure).toMatchObject({ code: 'DRUID_SOURCE_READ', retryable: true });
  });
});

describe('DruidLookup in one subtask', () => {
  it('invariant 1: asks once for what is wanted together, and not for what it remembers', async () => {
    const { now, count, close } = await subtask(cityOf());
    expect(await now('SFO', 'HEL', 'XXX', 'SFO')).toEqual([
      'SFO: San Francisco',
      'HEL: Helsinki',
      'XXX: -',
      'SFO: San Francisco',
    ]);
    expect(await now('SFO', 'XXX')).toEqual(['SFO: San Francisco', 'XXX: -']);
    const counts = ['hits', 'misses', 'shared', 'unmatched', 'queries', 'keysAsked', 'rowsRead'].map(count);
    expect(counts).toEqual([2, 4, 1, 2, 1, 3, 2]);
    expect(count('cachedRows')).toBe(3);
    await close();
  });

  it('invariant 2: asks again when the time to live is over, sooner for what was not there', async () => {
    const { now, clock, count, close } = await subtask(
      cityOf({ cache: { ttlMs: 1000, negativeTtlMs: 100 } }),
    );
    await now('SFO', 'XXX');
    clock.advance(99);
    await now('SFO', 'XXX'); // advances by 5: the next one comes at 104
    expect(count('queries')).toBe(1);
    await now('SFO', 'XXX');
    expect([count('queries'), count('keysAsked')]).toEqual([2, 3]);
    clock.advance(900);
    await now('SFO');
    expect(count('queries')).toBe(3);
    await close();
  });

  it('counts what makes room in the cache, and what waits or runs', async () => {
    const { now, call, clock, count, close } = await subtask(cityOf({ cache: { maxRows: 1 } }));
    await now('SFO', 'HEL');
    expect([count('cachedRows'), count('evictions')]).toEqual([1, 1]);
    const asked = call('SFO');
    expect([count('waitingKeys'), count('runningQueries')]).toEqual([1, 0]);
    clock.advance(5);
    expect([count('waitingKeys'), count('runningQueries')]).toEqual([0, 1]);
    await asked;
    await close();
  });

  it('remembers nothing without a cache', async () => {
    const { now, count, close } = await subtask(cityOf({ cache: { maxRows: 0 } }));
    await now('SFO');
    await now('SFO');
    expect(count('queries')).toBe(2);
    await close();
  });

  it('repeats a query that the network broke, and fails when Druid keeps refusing', async () => {
    const client = new DruidClient({ url: proxy.url, sleep: () => Promise.resolve() });
    const { now, count, close } = await subtask(cityOf({ druid: client }));
    proxy.on({ path: '/druid/v2/sql', nth: 1 }, { type: 'answer', status: 503 });
    expect(await now('SFO')).toEqual(['SFO: San Francisco']);
    proxy.reset();
    proxy.on({ path: '/druid/v2/sql' }, { type: 'answer', status: 500 });
    const failure = await failureOf(now('HEL'));
    expect(failure).toMatchObject({ code: 'DRUID_SOURCE_READ', retryable: true });
    expect(count('failedQueries')).toBe(1);
    proxy.reset();
    expect(await now('HEL')).toEqual(['HEL: Helsinki']);
    await close();
    client.close();
  });

  it('invariant 3: closing cancels the query, and so does a time-out of all who wait for it', async () => {
    const { call, clock, count, close } = await subtask(
      cityOf({ druid: { url: proxy.url, sleep: () => Promise.resolve() } }),
    );
    proxy.on({ method: 'POST', path: '/druid/v2/sql' }, { type: 'silence' });
    const cancels = () => proxy.requests.filter(({ method }) => method === 'DELETE').length;
    const posts = () => proxy.requests.filter(({ method }) => method === 'POST').length;
    const first = call('SFO');
    clock.advance(5);
    await until(() => posts() === 2); // the first looked at the columns
    first.abort(new Error('time is up'));
    await expect(first).rejects.toThrow('time is up');
    await until(() => cancels() === 1);
    const second = call('SFO');
    const rejected = expect(second).rejects.toThrow('The lookup was closed');
    clock.advance(5);
    await until(() => posts() === 3);
    await close();
    await rejected;
    await expect.poll(cancels).toBeGreaterThan(1);
    expect(count('failedQueries')).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('does not ask for a string that Druid cannot hold', async () => {
    const { call, count, close } = await subtask(cityOf());
    expect(await call('\ud800')).toEqual(['\ud800: -']);
    expect([count('misses'), count('queries')]).toEqual([0, 0]);
    await close();
  });

  it('does not know what a version is without a timestamp', async () => {
    const { now, close } = await subtask(cityOf({ match: 'version' } as object));
    expect(await failureOf(now('TWO'))).toBeInstanceOf(DruidSourceConfigError);
    await close();
  });
});

it('emits what onTimeout says, and only then has a time-out of its own', () => {
  const lookup = new DruidLookup({ druid, ...byIata });
  const join = { key: (iata: string) => ({ iata }), join: (iata: string) => iata };
  const context = {
    clock: new ManualClock(),
    metrics: new TestMetrics().group,
  } as unknown as AsyncRuntimeContext;
  const late = lookup.leftJoin({ ...join, onTimeout: (iata) => [`${iata} is late`] })(context);
  expect(late.timeout?.('SFO')).toEqual(['SFO is late']);
  const again = {
    clock: new ManualClock(),
    metrics: new TestMetrics().group,
  } as unknown as AsyncRuntimeContext;
  expect(lookup.leftJoin(join)(again).timeout).toBeUndefined();
});

it.each([
  [{ from: '' }, 'from'],
  [{ key: {} }, 'key'],
  [{ columns: {} }, 'columns'],
  [{ schema: z.object({ a: z.string() }) }, 'columns'],
  [{ match: 'latest' }, 'match'],
  [{ versionColumn: 'since' }, 'versionColumn'],
  [{ validToColumn: 'until' }, 'validToColumn'],
  [{ match: 'all', maxRowsPerKey: 0 }, 'maxRowsPerKey'],
  [{ cache: { ttlMs: -1 } }, 'cache.ttlMs'],
  [{ batch: { maxKeys: 0 } }, 'batch.maxKeys'],
])('refuses %j', (options, option) => {
  const make = () => new DruidLookup({ druid, ...byIata, ...options } as never);
  expect(make).toThrow(DruidSourceConfigError);
  expect(make).toThrow(`'${option}'`);
});
