import fc from 'fast-check';
import { DruidConnectionError, type SupervisorStatus } from '@millrace/druid-client';
import { describe, expect, it } from 'vitest';
import { RowArrivals } from '../../src/kafka/row-arrivals.js';
import { isRead, readOffsets, Supervisor } from '../../src/kafka/supervisor.js';
import { hastyClock } from '../support/sink-harness.js';
import { rowsOf, FakeDruid } from './support/fake-kafka.js';

function setUp({ replicas = 1, begunMs = Infinity } = {}) {
  const druid = new FakeDruid();
  const patience = { clock: hastyClock(), signal: new AbortController().signal, unavailableTimeoutMs: 1_000 };
  const supervisor = new Supervisor(druid.client, 'flights', patience, replicas);
  const arrivals = new RowArrivals({
    ...patience,
    druid: druid.client,
    supervisorOf: () => supervisor,
    pollIntervalMs: 1_000,
    queryableTimeoutMs: 20_000,
    oldestBegunMs: () => begunMs,
    transactionTimeoutMs: 40_000,
  });
  /** What Druid shows from one look to the next. */
  const step = (changes: readonly (() => void)[]) => {
    const { clock } = patience;
    const { schedule } = clock;
    let next = 0;
    clock.schedule = (delayMs, callback) => {
      changes[next++]?.();
      return schedule(delayMs, callback);
    };
  };
  return { druid, arrivals, step };
}

const statusOf = (...tasks: object[]) =>
  ({
    detailedState: 'RUNNING',
    healthy: true,
    suspended: false,
    activeTasks: tasks,
  }) as Partial<SupervisorStatus>;

describe('RowArrivals', () => {
  it('waits until all rows are counted, writer by writer (invariant 1)', async () => {
    const { druid, arrivals, step } = setUp();
    step([() => druid.counts.set('a', 3), () => druid.counts.set('b', 1), () => druid.counts.set('b', 2)]);
    expect(await arrivals.untilCounted([rowsOf('a', 3), rowsOf('b', 2)])).toEqual([]);
    expect(druid.calls.filter((call) => call === 'count')).toHaveLength(4);
  });

  it('is not content with more of one and less of another', async () => {
    const { druid, arrivals } = setUp();
    druid.counts = new Map([
      ['a', 4],
      ['b', 1],
    ]);
    await expect(arrivals.untilCounted([rowsOf('a', 3), rowsOf('b', 2)])).rejects.toMatchObject({
      code: 'DRUID_SINK_CHECKPOINT',
      message: expect.stringContaining("holds 4 rows with __commit_id = 'a', but 3 were written") as string,
    });
  });

  it('takes rows for rejected when they and those that are there make up all', async () => {
    const { druid, arrivals, step } = setUp();
    druid.counts = new Map([['a', 2]]);
    const bad = { input: '{__time=never, __commit_id=a}', details: ['Timestamp[never] is unparseable!'] };
    const ofOthers = { input: '{"__commit_id":"x"}', details: [] };
    step([() => (druid.parseErrors = [ofOthers]), () => (druid.parseErrors = [ofOthers, bad])]);
    expect(await arrivals.untilCounted([rowsOf('a', 3)])).toEqual([
      { dataSource: 'flights', commitId: 'a', text: bad.input, reason: 'Timestamp[never] is unparseable!' },
    ]);
  });

  it('gives up in time and says what it has seen (invariant 2)', async () => {
    const { druid, arrivals } = setUp();
    druid.counts = new Map([['a', 2]]);
    druid.status = { ...druid.status, detailedState: 'UNHEALTHY_TASKS', aggregateLag: 7 };
    await expect(arrivals.untilCounted([rowsOf('a', 3)])).rejects.toMatchObject({
      code: 'DRUID_SINK_TIMEOUT',
      retryable: true,
      message: expect.stringMatching(
        /not queryable after 20000 ms: the Broker counts 2, .*UNHEALTHY_TASKS, 7 records/,
      ) as string,
    });
  });

  it('gives up where more rows are rejected than a task remembers, and says so', async () => {
    const { druid, arrivals } = setUp();
    druid.parseErrors = Array.from({ length: 1_000 }, (_, n) => ({
      input: `{__time=never, n=${n}, __commit_id=a}`,
      details: ['unparseable'],
    }));
    await expect(arrivals.untilCounted([rowsOf('a', 1_001)])).rejects.toMatchObject({
      code: 'DRUID_SINK_TIMEOUT',
      message: expect.stringContaining('1000 were rejected, as many as a task remembers') as string,
    });
    expect(await arrivals.untilCounted([rowsOf('a', 1_000)])).toHaveLength(1_000);
  });

  it('waits while Druid is down, for its time; what it had counted it does not count again', async () => {
    const { druid, arrivals } = setUp();
    druid.counts.set('a', 3);
    const { native } = druid.client;
    const away = new DruidConnectionError({ message: 'away', details: {} as never, retryable: true });
    const answer = native.groupBy.bind(native);
    let calls = 0;
    const asked: unknown[] = [];
    native.groupBy = (query, options) => {
      asked.push((query.filter as { values: unknown }).values);
      if (++calls === 1) return answer(query, options);
      if (calls === 2) return Promise.reject(away);
      druid.counts.set('b', 2);
      return answer(query, options);
    };
    expect(await arrivals.untilCounted([rowsOf('a', 3), rowsOf('b', 2)])).toEqual([]);
    expect(asked).toEqual([['a', 'b'], ['b'], ['b']]);
    native.groupBy = () => Promise.reject(away);
    await expect(arrivals.untilCounted([rowsOf('a', 3)])).rejects.toMatchObject({
      code: 'DRUID_SINK_CONNECTION',
      retryable: true,
    });
  });

  it('takes what two copies of a task tell of one row for one row', async () => {
    const { druid, arrivals } = setUp({ replicas: 2 });
    druid.counts = new Map([['a', 1]]);
    const bad = { input: '{__time=never, __commit_id=a}', details: ['unparseable'] };
    druid.parseErrors = [bad, bad];
    // One is rejected, the other has not come.
    await expect(arrivals.untilCounted([rowsOf('a', 3)])).rejects.toMatchObject({
      code: 'DRUID_SINK_TIMEOUT',
    });
    druid.parseErrors = [bad, bad, { ...bad, input: '{__time=, __commit_id=a}' }];
    expect(await arrivals.untilCounted([rowsOf('a', 3)])).toHaveLength(2);
  });

  it('does not take rows for rejected that are there without one of their values', async () => {
    const { druid, arrivals } = setUp();
    druid.counts = new Map([['a', 2]]);
    druid.parseErrors = [
      { input: '{__commit_id=a}', details: ['no number'], errorType: 'processedWithError' },
    ];
    await expect(arrivals.untilCounted([rowsOf('a', 3)])).rejects.toMatchObject({
      code: 'DRUID_SINK_TIMEOUT',
    });
  });

  it('gives up before a transaction that waits behind is so old that brokers abort it (invariant 2)', async () => {
    const { druid, arrivals } = setUp({ begunMs: hastyClock().now() - 25_000 });
    druid.counts = new Map([['a', 2]]);
    await expect(arrivals.untilCounted([rowsOf('a', 3)])).rejects.toMatchObject({
      code: 'DRUID_SINK_TIMEOUT',
      retryable: true,
      details: { waitedMs: 5_000 },
      message: expect.stringContaining('a transaction that waits behind them') as string,
    });
  });

  it('does not take the offsets of a topic that was deleted for read rows', async () => {
    const { druid, arrivals, step } = setUp();
    druid.status = { ...statusOf({ startingOffsets: { 0: 5_000 } }), latestOffsets: { 0: 11 } };
    await expect(arrivals.untilRead([rowsOf('a', 3, { 0: 10 })])).rejects.toMatchObject({
      code: 'DRUID_SINK_TIMEOUT',
    });
    step([() => (druid.status = { ...statusOf({ currentOffsets: { 0: 10 } }), latestOffsets: { 0: 11 } })]);
    await arrivals.untilRead([rowsOf('a', 3, { 0: 10 })]);
  });

  it('waits until tasks have read every partition to its end', async () => {
    const { druid, arrivals, step } = setUp();
    druid.status = statusOf({ startingOffsets: { 0: 4 }, currentOffsets: { 0: 10 } });
    step([
      () => (druid.status = undefined),
      () => (druid.status = statusOf({ currentOffsets: { 0: 12 } }, { currentOffsets: { 1: 4 } })),
      () => (druid.status = statusOf({ startingOffsets: { 0: 12, 1: 5 } })),
    ]);
    await arrivals.untilRead([rowsOf('a', 3, { 0: 10 }), rowsOf('b', 3, { 0: 12, 1: 5 })]);
    expect(druid.calls.filter((call) => call === 'status')).toHaveLength(4);
  });
});

describe('readOffsets', () => {
  it('knows of each partition what the task that is farthest has read; the unknown is not read (invariant 2)', () => {
    const offsets = fc.dictionary(fc.constantFrom('0', '1', '2'), fc.oneof(fc.nat(9), fc.constant(null)));
    const task = fc.record({
      startingOffsets: offsets,
      currentOffsets: fc.oneof(offsets, fc.constant(null)),
    });
    fc.assert(
      fc.property(
        fc.array(task, { maxLength: 4 }),
        fc.array(task, { maxLength: 2 }),
        (active, publishing) => {
          const read = readOffsets({
            activeTasks: active,
            publishingTasks: publishing,
          } as unknown as SupervisorStatus);
          for (const partition of ['0', '1', '2']) {
            const known = [...active, ...publishing]
              .flatMap(({ startingOffsets, currentOffsets }) => [startingOffsets, currentOffsets ?? {}])
              .flatMap((each) => (typeof each[partition] === 'number' ? [each[partition]] : []));
            for (let end = 0; end < 11; end++)
              expect(isRead(read, { [partition]: end })).toBe(known.some((offset) => offset >= end));
          }
        },
      ),
      { numRuns: 200 },
    );
    expect(isRead(readOffsets(undefined), { 0: 0 })).toBe(false);
  });
});
