import type { Logger } from '@millrace/core-stream';
import { ManualClock } from '@millrace/core-stream/testing';
import { DruidClient, type SegmentCandidate } from '@millrace/druid-client';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DruidSource, equals, type DruidSourceError, type ReadPath } from '../src/index.js';
import { DataServers } from '../src/data-servers.js';
import { FakeDruid, type FakeRow } from './support/fake-druid.js';
import { TestJob, type TestCheckpoint } from './support/test-job.js';

const columns = { __time: 'timestamp', added: 'long' } as const;

let broker: FakeDruid;
let job: { stop(): Promise<void> } | undefined;
let nextId = 0;

beforeEach(async () => {
  nextId = 0;
  broker = await FakeDruid.start({ __time: 'TIMESTAMP', page: 'VARCHAR', added: 'BIGINT' });
});

afterEach(async () => {
  await job?.stop();
  job = undefined;
  await broker.stop();
});

function rowsOf(day: number, count: number): FakeRow[] {
  return Array.from({ length: count }, (_, i) => ({
    __time: Date.UTC(2024, 0, day) + i * 1000,
    page: `p${i % 3}`,
    added: nextId++,
  }));
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const idsOf = (rows: readonly { added: number | null }[]): number[] =>
  rows.map((row) => row.added ?? -1).sort((a, b) => a - b);

interface Extra {
  readonly path?: ReadPath;
  readonly filter?: ReturnType<typeof equals>;
  readonly maxAttempts?: number;
}

const sourceOf = (extra: Extra = {}) =>
  new DruidSource({
    druid: { url: broker.url, retry: { maxAttempts: 1 } },
    dataSource: 'edits',
    columns,
    batchSize: 7,
    maxBufferedRows: 20,
    ...extra,
  });

function start(extra: Extra = {}, options?: { parallelism?: number; restored?: TestCheckpoint }) {
  const started = new TestJob(sourceOf(extra), options);
  job = started;
  return started;
}

async function readAll(extra: Extra = {}, parallelism = 1): Promise<number[]> {
  const run = start(extra, { parallelism });
  await run.run();
  return idsOf(run.rows());
}

async function failureOf(extra: Extra): Promise<DruidSourceError> {
  const run = start(extra);
  return run.run().then(
    () => Promise.reject(new Error('The job did not fail')),
    (error: unknown) => error as DruidSourceError,
  );
}

describe('reading from the data servers', () => {
  it('asks them for every segment, and the Broker for none, with the filter pushed down', async () => {
    for (let day = 1; day <= 4; day++) broker.addSegment(day, rowsOf(day, 30));
    const [first, second] = [await broker.addDataServer(), await broker.addDataServer()];
    expect(await readAll({}, 2)).toEqual(upTo(nextId));
    expect(broker.scans).toEqual([]);
    expect(first.scans.length + second.scans.length).toBe(4);
    expect(first.scans.length).toBe(second.scans.length);
    await job?.stop();

    expect(await readAll({ filter: equals('page', 'p1') })).toHaveLength(40);
    expect(broker.scans).toEqual([]);
  });

  it('takes rows from Historicals only, not from a task that serves the segment', async () => {
    broker.addSegment(1, rowsOf(1, 5));
    const [historical, task] = [await broker.addDataServer(), await broker.addDataServer()];
    broker.locationsOf = () => [
      { host: task.host, type: 'indexer-executor' },
      { host: historical.host, type: 'historical' },
    ];
    expect(await readAll()).toEqual(upTo(5));
    expect([historical.scans.length, task.scans.length]).toEqual([1, 0]);
  });

  it.each(['auto', 'direct'] as const)(
    'goes on to another replica, at once, when one no longer has the segment (%s)',
    async (path) => {
      broker.addSegment(1, rowsOf(1, 25));
      const servers = [await broker.addDataServer(), await broker.addDataServer()];
      servers.sort((a, b) => (a.url < b.url ? -1 : 1));
      if (servers[0]?.segments[0]) servers[0].segments[0].isAvailable = false;
      const run = start({ path });
      const startedMs = run.clock.now();
      await run.run();
      expect(idsOf(run.rows())).toEqual(upTo(25));
      expect(servers.map(({ scans }) => scans.length)).toEqual([1, 1]);
      expect(broker.scans).toEqual([]);
      expect(run.clock.now()).toBe(startedMs);
    },
  );

  it.each(['auto', 'direct'] as const)(
    'reads through the Broker what no data server has (%s)',
    async (path) => {
      broker.addSegment(1, rowsOf(1, 25));
      broker.addSegment(2, rowsOf(2, 10));
      const servers = [await broker.addDataServer(), await broker.addDataServer()];
      for (const { segments } of servers) segments.splice(0, 1);
      broker.locationsOf = () => servers.map(({ host }) => ({ host, type: 'historical' }));
      expect(await readAll({ path })).toEqual(upTo(35));
      expect(broker.scans).toHaveLength(1);
    },
  );

  it('reads a pinned segment that was replaced meanwhile through the Broker, which no longer names its holders', async () => {
    const segment = broker.addSegment(1, rowsOf(1, 25));
    broker.addSegment(2, rowsOf(2, 5));
    await broker.addDataServer();
    const run = start({ path: 'direct' });
    await run.run(() => run.emitted.length > 10, 5);
    const restored = run.checkpoint();
    const before = run.rows();
    await run.stop();
    segment.isOvershadowed = true;
    const second = start({ path: 'direct' }, { restored });
    await second.run();
    expect(idsOf([...before, ...second.rows()])).toEqual(upTo(30));
    expect(broker.scans).toHaveLength(1);
  });

  it('resumes on another replica where the first one broke off', async () => {
    broker.addSegment(1, rowsOf(1, 50));
    const servers = [await broker.addDataServer(), await broker.addDataServer()];
    let faults = 1;
    for (const server of servers) {
      server.onQuery = () => (faults-- > 0 ? { kind: 'truncate', afterRows: 21 } : undefined);
    }
    expect(await readAll({ path: 'direct' })).toEqual(upTo(50));
    expect(servers.map(({ scans }) => scans.length)).toEqual([1, 1]);
    const offsets = servers.flatMap(({ scans }) => scans.map(({ offset }) => offset));
    expect(offsets.filter((offset) => offset !== undefined)).toEqual([14]); // whole batches of the 21 rows
  });
});

it('counts scans, segments and bytes', async () => {
  broker.addSegment(1, rowsOf(1, 25));
  broker.addSegment(2, rowsOf(2, 10));
  const server = await broker.addDataServer();
  server.segments.pop();
  broker.locationsOf = () => [{ host: server.host, type: 'historical' }];
  const run = start();
  await run.run();
  const value = (name: string) => run.metrics[0]?.registry.value(`operator_${name}`);
  const names = ['numSegmentsRead', 'numDirectScans', 'numBrokerScans', 'numIncompleteScans'];
  expect(names.map(value)).toEqual([2, 2, 1, 1]);
  expect(value('numBytesIn')).toBeGreaterThan(35 * 10);
});

describe('data servers that cannot be used', () => {
  it('leaves them out for a while, and reads through the Broker', async () => {
    for (let day = 1; day <= 3; day++) broker.addSegment(day, rowsOf(day, 10));
    const server = await broker.addDataServer();
    const { host } = server;
    broker.locationsOf = () => [{ host, type: 'historical' }];
    await server.stop();
    const run = start();
    await run.run();
    expect(idsOf(run.rows())).toEqual(upTo(30));
    expect(broker.scans).toHaveLength(3);
  });

  it('takes the word of the Broker where a data server refuses', async () => {
    broker.addSegment(1, rowsOf(1, 10));
    const server = await broker.addDataServer();
    server.onQuery = () => ({ kind: 'status', status: 403 });
    expect(await readAll()).toEqual(upTo(10));
    expect([server.scans.length, broker.scans.length]).toEqual([1, 1]);
  });

  it('does not turn to the Broker when told to read directly', async () => {
    broker.addSegment(1, rowsOf(1, 10));
    const server = await broker.addDataServer();
    const { host } = server;
    broker.locationsOf = () => [{ host, type: 'historical' }];
    await server.stop();
    const failure = await failureOf({ path: 'direct', maxAttempts: 3 });
    expect([failure.code, failure.retryable]).toEqual(['DRUID_SOURCE_READ', true]);
    expect(failure.message).toContain(host);
    expect(broker.scans).toEqual([]);
  });

  it('reads through the Broker where Druid does not tell who holds a segment, asking once', async () => {
    for (let day = 1; day <= 3; day++) broker.addSegment(day, rowsOf(day, 10));
    broker.tellsLocations = false;
    expect(await readAll()).toEqual(upTo(30));
    expect(broker.scans).toHaveLength(3);
    const failure = await failureOf({ path: 'direct' });
    expect(failure.code).toBe('DRUID_SOURCE_READ');
    expect(failure.message).toMatch(/does not tell which data servers.*path: 'auto'/);
  });

  it('reads nothing from data servers when told to use the Broker', async () => {
    broker.addSegment(1, rowsOf(1, 10));
    const server = await broker.addDataServer();
    expect(await readAll({ path: 'broker' })).toEqual(upTo(10));
    expect([server.scans.length, broker.scans.length]).toEqual([0, 1]);
  });
});

it('is exactly once under any mix of replicas that miss, break off, refuse and recover', async () => {
  const fault = fc.constantFrom('none', 'none', 'missing', 'truncate', 'refuse', 'crash');
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<ReadPath[]>('auto', 'direct'),
      fc.array(fault, { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 3 }),
      async (path, faults, crashes) => {
        const druid = await FakeDruid.start(broker.columns);
        nextId = 0;
        for (let day = 1; day <= 3; day++) druid.addSegment(day, rowsOf(day, 20 + day));
        const total = nextId;
        const servers = [await druid.addDataServer(), await druid.addDataServer()];
        let next = 0;
        for (const server of servers) {
          server.onQuery = () => {
            const kind = faults[next++];
            const [lost] = server.segments;
            if (kind === 'missing') server.segments.forEach((segment) => (segment.isAvailable = false));
            else server.segments.forEach((segment) => (segment.isAvailable = true));
            if (lost === undefined || kind === undefined || kind === 'none' || kind === 'missing') return;
            if (kind === 'truncate') return { kind: 'truncate', afterRows: 9 };
            // With `direct` what a data server refuses is final; a server that fails is not.
            return { kind: 'status', status: kind === 'refuse' && path === 'auto' ? 400 : 503 };
          };
        }
        const source = () =>
          new DruidSource({
            druid: { url: druid.url, retry: { maxAttempts: 1 } },
            dataSource: 'edits',
            columns,
            batchSize: 7,
            maxBufferedRows: 20,
            maxAttempts: 30,
            path,
          });
        const ids: number[] = [];
        let restored: TestCheckpoint | undefined;
        for (const limit of [...crashes, Infinity]) {
          const run = new TestJob(source(), { parallelism: 2, ...(restored && { restored }) });
          job = run;
          await run.run(() => run.emitted.length >= limit, 5);
          restored = run.checkpoint();
          ids.push(...idsOf(run.rows()));
          await run.stop();
        }
        await druid.stop();
        expect(ids.sort((a, b) => a - b)).toEqual(upTo(total));
      },
    ),
    { numRuns: 20 },
  );
}, 240_000);

describe('options', () => {
  it('refuses a path that there is not', () => {
    expect(() => sourceOf({ path: 'fast' as ReadPath })).toThrow(/auto, direct, broker/);
  });

  it('reads from data servers with a client of the caller, which stays open', async () => {
    broker.addSegment(1, rowsOf(1, 10));
    const server = await broker.addDataServer();
    const auth = { type: 'basic', username: 'ann', password: 'secret' } as const;
    const druid = new DruidClient({ url: broker.url, auth });
    const run = new TestJob(new DruidSource({ druid, dataSource: 'edits', columns, path: 'direct' }));
    job = run;
    await run.run();
    await run.stop();
    expect(idsOf(run.rows())).toEqual(upTo(10));
    expect([broker.scans.length, server.scans.length]).toEqual([0, 1]);
    expect(server.authorizations).toEqual([`Basic ${Buffer.from('ann:secret').toString('base64')}`]);
    expect(await druid.sql.query('SELECT 1')).toEqual([]);
    druid.close();
  });

  it('reads by clients of the caller, which it closes, at the addresses that the caller knows', async () => {
    broker.addSegment(1, rowsOf(1, 10));
    const server = await broker.addDataServer();
    broker.locationsOf = () => [{ host: 'historical.internal:8083', type: 'historical' }];
    const druid = new DruidClient({ url: broker.url });
    const opened: string[] = [];
    let closed = 0;
    const source = new DruidSource({
      druid,
      dataSource: 'edits',
      columns,
      openDataServer: (url) => {
        opened.push(url);
        const client = new DruidClient({ url: server.url });
        const close = client.close.bind(client);
        client.close = () => {
          closed++;
          close();
        };
        return client;
      },
    });
    const run = new TestJob(source);
    job = run;
    await run.run();
    await run.stop();
    expect(idsOf(run.rows())).toEqual(upTo(10));
    expect(opened).toEqual(['http://historical.internal:8083']);
    expect([closed, broker.scans.length, server.scans.length]).toEqual([1, 0, 1]);
    druid.close();
  });
});

describe('clients of data servers', () => {
  const location = { host: 'h:8083', hostAndTlsPort: 'h:8283', type: 'historical' };
  const split = {
    splitId: 's',
    segment: { interval: '2024-01-01/2024-01-02', version: 'v', partition: 0 },
    pinnedRows: 1,
    expectedRows: null,
    position: 0,
    query: '',
  };

  function serversOf(url: string, locations: SegmentCandidate['locations'], extra: { logger?: Logger } = {}) {
    const clock = new ManualClock();
    const found = [{ interval: '', version: 'v', partitionNumber: 0, size: 1, locations }];
    const datasources = { segmentServers: () => Promise.resolve(found) };
    const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, ...extra.logger };
    const servers = new DataServers({
      broker: { url, datasources } as unknown as DruidClient,
      open: () => {
        throw new Error('not opened here');
      },
      dataSource: 'edits',
      isRequired: false,
      subtaskIndex: 0,
      clock,
      logger,
    });
    return { servers, clock, holders: () => servers.holders(split, new AbortController().signal) };
  }

  it('speak TLS if the Broker does: invariant 2', async () => {
    expect(await serversOf('http://router', [location]).holders()).toEqual(['http://h:8083']);
    expect(await serversOf('https://router', [location]).holders()).toEqual(['https://h:8283']);
    const plain = { ...location, hostAndTlsPort: null };
    expect(await serversOf('https://router', [plain]).holders()).toEqual([]);
  });

  it('are tried in turn, and again a minute after they could not be used', async () => {
    const { servers, clock, holders } = serversOf('http://router', [
      location,
      { ...location, host: 'g:8083' },
    ]);
    expect(await holders()).toEqual(['http://g:8083', 'http://h:8083']);
    expect(await holders()).toEqual(['http://h:8083', 'http://g:8083']);
    servers.avoid('http://g:8083', new Error('refused'));
    expect(await holders()).toEqual(['http://h:8083']);
    clock.advance(59_999);
    expect(await holders()).toEqual(['http://h:8083']);
    clock.advance(1);
    expect(await holders()).toHaveLength(2);
  });

  it('are told of in the log once when they work, and whenever they do not', () => {
    const lines: string[] = [];
    const log = (message: string) => void lines.push(message);
    const { servers } = serversOf('http://router', [location], {
      logger: { debug: log, info: log, warn: log, error: log },
    });
    servers.worked('http://h:8083');
    servers.worked('http://g:8083');
    servers.avoid('http://h:8083', new Error('refused'));
    expect(lines).toEqual([
      'Druid segments are read from the data servers directly',
      'Druid data server cannot be used, reading its segments elsewhere for a while',
    ]);
  });
});
