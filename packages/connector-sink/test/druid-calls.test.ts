import { StreamExecutionEnvironment, FileCheckpointStorage, type Clock } from '@millrace/core-stream';
import { ManualClock, until } from '@millrace/core-stream/testing';
import { DruidClient, DruidConnectionError } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { callDruid } from '../src/druid/druid-calls.js';
import { DruidSink, type DruidSinkOptions } from '../src/index.js';
import {
  SinkJob,
  flights,
  flightSchema,
  recordingLogger,
  temporaryDirectory,
  type Flight,
} from './support/sink-harness.js';

const away = () =>
  Promise.reject(new DruidConnectionError({ message: 'away', details: {} as never, retryable: true }));

function patience(clock: Clock) {
  const logger = recordingLogger();
  let outages = 0;
  const onOutage = () => void (outages += 1);
  const { signal } = new AbortController();
  return {
    logger,
    outages: () => outages,
    options: { clock, signal, logger, onOutage, unavailableTimeoutMs: 10_000 },
  };
}

describe('a call to a Druid that does not answer', () => {
  it('waits, says so once, and says when it goes on', async () => {
    const clock = new ManualClock();
    const { options, logger, outages } = patience(clock);
    let calls = 0;
    const answer = callDruid(options, 'a task status', () =>
      ++calls < 4 ? away() : Promise.resolve('here'),
    );
    await until(
      () => calls === 4,
      () => clock.advance(100),
    );
    expect(await answer).toBe('here');
    expect(logger.messages).toEqual(['Druid does not answer; the sink waits for it', 'Druid answers again']);
    expect(outages()).toBe(1);
  });

  it('neither gives up nor waits longer because somebody has set the clock', async () => {
    for (const stepMs of [3_600_000, -3_600_000]) {
      const time = new ManualClock(1e12);
      let setBy = 0;
      const clock: Clock = {
        now: () => time.now() + setBy,
        monotonicNow: () => time.now(),
        schedule: (delayMs, callback) => time.schedule(delayMs, callback),
      };
      const { options } = patience(clock);
      let calls = 0;
      const call = callDruid(options, 'a task status', () => {
        calls += 1;
        return away();
      });
      let hasFailed = false;
      call.catch(() => {
        hasFailed = true;
      });
      await until(() => calls === 1);
      setBy = stepMs;
      await until(
        () => hasFailed,
        () => time.advance(100),
      );
      const waitedMs = time.now() - 1e12;
      expect(waitedMs).toBeGreaterThanOrEqual(10_000);
      expect(waitedMs).toBeLessThan(21_000);
      await expect(call).rejects.toThrow('Druid did not answer a task status');
    }
  });
});

describe('DruidSink and a Druid that is away', () => {
  let druid: EmbeddedDruid;
  let client: DruidClient;
  let dataSource: string;
  let sources = 0;

  beforeAll(async () => {
    druid = await EmbeddedDruid.start();
    client = new DruidClient({ url: druid.url, retry: { maxAttempts: 1 } });
  });
  afterAll(async () => {
    client.close();
    await druid.stop();
  });
  beforeEach(() => {
    druid.clearFaults();
    dataSource = `away_${++sources}`;
  });

  const newSink = async (options: Partial<DruidSinkOptions<Flight>> = {}) =>
    new DruidSink<Flight>({
      druid: client,
      schema: flightSchema(dataSource),
      spoolDirectory: await temporaryDirectory(),
      inlineMaxBytes: 0,
      ...options,
    });
  const count = async () =>
    (await client.sql.query(`SELECT COUNT(*) FROM "${dataSource}"`, { rowFormat: 'array' }))[0]?.[0];

  it('is waited for at the start, with a word of why', async () => {
    druid.failNext({ path: '/druid/v2/sql', status: 503, times: 3 });
    const logger = recordingLogger();
    const job = new SinkJob(await newSink(), { logger });
    await job.committer();
    expect(logger.messages).toEqual(['Druid does not answer; the sink waits for it', 'Druid answers again']);
    expect(job.metrics.registry.value('operator_druidOutages')).toBe(1);
  });

  it('holds up neither the next barrier nor the rows behind it', async () => {
    druid.failNext({ path: '/druid/indexer', status: 503, times: 1e9 });
    const sink = await newSink({ unavailableTimeoutMs: 1e9 });
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    const storage = new FileCheckpointStorage(await temporaryDirectory());
    env.enableCheckpointing({ intervalMs: 10, storage });
    const completed = (checkpoints: number) =>
      expect
        .poll(() => job.snapshot().checkpoints.completed, { timeout: 10_000 })
        .toBeGreaterThanOrEqual(checkpoints);
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    async function* rows() {
      yield* flights(20);
      await completed(1);
      yield* flights(20, 20);
      await ended;
    }
    env.fromAsyncIterable(rows).sinkTo(sink).uid('druid-sink');
    const job = env.executeAsync('away');
    await completed(2);
    await expect.poll(() => job.snapshot().checkpoints.pendingCommits, { timeout: 10_000 }).toBe(2);
    druid.clearFaults();
    end();
    await job.result;
    expect(await count()).toBe(40);
  });
});
