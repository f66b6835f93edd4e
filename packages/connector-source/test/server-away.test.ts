import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DruidSource, equals, type DruidFilter, type ReadPath } from '../src/index.js';
import { FakeDruid, type FakeRow } from './support/fake-druid.js';
import { HastyClock, TestJob } from './support/test-job.js';

/** What a Broker of 27 and 33 says when it cannot connect to the server of a segment (seen). */
const noConnection = {
  kind: 'status',
  status: 500,
  errorClass: 'org.jboss.netty.channel.ChannelException',
} as const;

const columns = { __time: 'timestamp', added: 'long' } as const;
const filter = equals('page', 'a');
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function rowsOf(count: number): FakeRow[] {
  return upTo(count).map((added) => ({
    __time: Date.UTC(2024, 0, 1) + added,
    added,
    page: added % 3 === 0 ? 'b' : 'a',
  }));
}

/** A Historical ends; until ZooKeeper's session of it does, half a minute later, Druid says that it serves its segments. */
describe('a server that is away while Druid has not noticed', () => {
  let broker: FakeDruid;
  let job: TestJob<{ added: number | null; __time: number }> | undefined;
  let clock: HastyClock;

  beforeEach(async () => {
    clock = new HastyClock();
    broker = await FakeDruid.start({ __time: 'TIMESTAMP', page: 'VARCHAR', added: 'BIGINT' });
  });

  afterEach(async () => {
    await job?.stop();
    await broker.stop();
  });

  function start(
    options: { path?: ReadPath; filter?: DruidFilter; availabilityTimeoutMs?: number } = {},
  ): TestJob<{ added: number | null; __time: number }> {
    const druid = { url: broker.url, retry: { maxAttempts: 1 } };
    const source = new DruidSource({
      druid,
      dataSource: 'edits',
      columns,
      path: 'broker',
      maxAttempts: 3,
      ...options,
    });
    job = new TestJob(source, { clock });
    return job;
  }

  const added = () => job?.rows().map((row) => row.added);

  it('is waited for through the Broker, which cannot connect to it', async () => {
    broker.addSegment(1, rowsOf(30));
    const beganMs = clock.now();
    broker.onQuery = () => (clock.now() - beganMs < 30_000 ? noConnection : undefined);
    await start().run();
    expect(added()).toEqual(upTo(30));
  });

  it('is waited for when rows are counted, too', async () => {
    broker.addSegment(1, rowsOf(30));
    const beganMs = clock.now();
    broker.onQuery = () => (clock.now() - beganMs < 30_000 ? noConnection : undefined);
    await start({ filter }).run();
    expect(added()).toEqual(upTo(30).filter((id) => id % 3 > 0));
  });

  it('is waited for at its own address', async () => {
    broker.addSegment(1, rowsOf(30));
    const dead = await broker.addDataServer();
    const { host } = dead;
    await dead.stop();
    const alive = await broker.addDataServer();
    const beganMs = clock.now();
    broker.locationsOf = () => [
      { host: clock.now() - beganMs < 30_000 ? host : alive.host, type: 'historical' },
    ];
    await start({ path: 'direct' }).run();
    expect(added()).toEqual(upTo(30));
    expect(broker.scans).toEqual([]);
  });

  it('fails the read when it stays away, with what was tried and a retryable error', async () => {
    broker.addSegment(1, rowsOf(30));
    const beganMs = clock.now();
    broker.onQuery = () => noConnection;
    await expect(start({ availabilityTimeoutMs: 60_000 }).run()).rejects.toMatchObject({
      code: 'DRUID_SOURCE_READ',
      retryable: true,
    });
    expect(clock.now() - beganMs).toBeGreaterThanOrEqual(60_000);
  });

  it('is waited for before rows are read by a schema, as only Druid knows the types of their columns', async () => {
    const segment = broker.addSegment(1, rowsOf(30));
    const source = new DruidSource({
      druid: { url: broker.url, retry: { maxAttempts: 1 } },
      dataSource: 'edits',
      schema: z.object({ added: z.bigint() }),
      int64: 'bigint',
    });
    const first = new TestJob(source, { clock });
    await first.run(() => first.emitted.length >= 10, 10);
    const restored = first.checkpoint();
    await first.stop();
    const { added: type, ...others } = broker.columns;
    segment.isAvailable = false;
    delete broker.columns['added']; // with its last server, a datasource loses its columns
    const second = new TestJob(source, { clock, restored });
    const beganMs = clock.now();
    await second.run(() => clock.now() - beganMs > 30_000);
    Object.assign(broker.columns, { ...others, added: type });
    segment.isAvailable = true;
    await second.run();
    await second.stop();
    const rows = [...first.rows(), ...second.rows()];
    expect(rows.map((row) => row.added)).toEqual(upTo(30).map(BigInt));
  });

  it('does not use up the attempts for what comes after it', async () => {
    const segment = broker.addSegment(1, rowsOf(30), { isAvailable: false });
    const broken = [503, 503];
    broker.onQuery = () => {
      const status = segment.isAvailable === false ? undefined : broken.shift();
      return status === undefined ? undefined : { kind: 'status', status };
    };
    const run = start({ filter });
    const beganMs = clock.now();
    await run.run(() => clock.now() - beganMs > 60_000);
    segment.isAvailable = true;
    await run.run();
    expect(added()).toEqual(upTo(30).filter((id) => id % 3 > 0));
  });
});
