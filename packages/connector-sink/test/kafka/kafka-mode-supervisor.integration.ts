/** Mode `kafka` of the sink while somebody else has to do with its supervisor; with a real Kafka and a real Druid. */
import { systemClock, type Clock } from '@millrace/core-stream';
import { DruidClient, type KafkaSupervisorSpec } from '@millrace/druid-client';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { DruidSink, type KafkaModeOptions } from '../../src/index.js';
import { kafkaTransport } from '../../src/kafka/index.js';
import { flights, flightSchema, recordingLogger, SinkJob, type Flight } from '../support/sink-harness.js';

type Tasks = Partial<Record<'activeTasks' | 'publishingTasks', readonly { readonly id: string }[]>>;

/** Rows of a checkpoint. */
const COUNT = 100;

describe.skipIf(!requireRealServers())('the supervisor of mode kafka', () => {
  let kafka: KafkaBroker;
  let druid: DruidClient;

  beforeAll(async () => {
    const [broker, { url }] = await Promise.all([KafkaBroker.start(), sharedDruid()]);
    kafka = broker;
    druid = new DruidClient({ url });
  });
  afterAll(async () => {
    druid?.close();
    await kafka?.stop();
  });

  /** A run of the sink, by hand. */
  async function start(dataSource: string, options: Partial<KafkaModeOptions<Flight>> = {}) {
    const sink = new DruidSink<Flight>({
      mode: 'kafka',
      druid,
      schema: flightSchema(dataSource),
      transport: kafkaTransport({ bootstrapServers: kafka.bootstrapServers, topic: dataSource }),
      // Its tasks are looked after every second, instead of every five.
      supervisor: { ioConfig: { period: 'PT1S', startDelay: 'PT0S', ...options.supervisor?.ioConfig } },
      supervisorPollIntervalMs: 100,
      queryableTimeoutMs: 100_000,
      ...options,
    });
    const logger = recordingLogger();
    let aheadMs = 0;
    let stepMs = 0;
    const clock: Clock = {
      now: () => systemClock.now(),
      monotonicNow: () => performance.now() + (aheadMs += stepMs),
      schedule: (delayMs, callback) => systemClock.schedule(delayMs, callback),
    };
    /** From now on every look at the clock finds that a minute has passed. */
    const hurry = () => void (stepMs = 60_000);
    const job = new SinkJob(sink, { clock, logger });
    const committer = await job.committer(pending.get(dataSource));
    const checkpoint = async (number: number) => {
      const requests = await job.checkpoint(number, flights(COUNT, number * COUNT));
      pending.set(dataSource, requests);
      return requests;
    };
    return { job, committer, checkpoint, logger, hurry };
  }
  /** What the last checkpoint has prepared. */
  const pending = new Map<string, Awaited<ReturnType<SinkJob['checkpoint']>>>();

  async function rowsOf(dataSource: string): Promise<unknown> {
    const [found] = await druid.native.timeseries({
      dataSource,
      intervals: ['2001/2002'],
      granularity: 'all',
      aggregations: [{ type: 'count', name: 'rows' }],
      context: { useCache: false },
    });
    return found?.result['rows'];
  }

  /** A task that it has not looked at yet would read on for its whole duration. */
  async function untilTasksAreKnown(id: string): Promise<void> {
    const isKnown = async () => {
      const tasks = await druid.tasks.list({ state: 'running', datasource: id });
      const { activeTasks = [], publishingTasks = [] } = { ...(await druid.supervisors.status(id)) } as Tasks;
      const known = [...activeTasks, ...publishingTasks].map((task) => task.id);
      return tasks.every((task) => known.includes(task.id));
    };
    await expect.poll(isKnown, { timeout: 100_000 }).toBe(true);
  }

  async function takeDown(id: string): Promise<void> {
    await untilTasksAreKnown(id);
    await druid.supervisors.terminate(id);
  }

  const stateOf = async (id: string) => (await druid.supervisors.status(id))?.detailedState;

  it('is suspended: rows wait in the topic until it is resumed', async () => {
    const id = 'kafka_suspended';
    const { committer, checkpoint, logger } = await start(id);
    await committer.commit(await checkpoint(0));
    await untilTasksAreKnown(id);
    await druid.supervisors.suspend(id);
    await expect
      .poll(() => logger.messages, { timeout: 60_000 })
      .toContain('The supervisor does not read; rows wait in the topic');
    const commit = committer.commit(await checkpoint(1));
    // Resumed before they have published, Druid may show their rows twice for a while.
    const tasks = () => druid.tasks.list({ state: 'running', datasource: id });
    await expect.poll(tasks, { timeout: 100_000 }).toEqual([]);
    await druid.supervisors.resume(id);
    await commit;
    expect(await rowsOf(id)).toBe(2 * COUNT);
    await takeDown(id);
  });

  it('is changed: it goes on where it was; the next start sets it back', async () => {
    const id = 'kafka_changed';
    const { committer, checkpoint } = await start(id);
    await committer.commit(await checkpoint(0));
    const spec = (await druid.supervisors.get(id)) as KafkaSupervisorSpec;
    const { spec: found } = spec;
    const ioConfig = { ...found.ioConfig, taskDuration: 'PT2H' };
    await druid.supervisors.submit({ ...spec, spec: { ...found, ioConfig } });
    await committer.commit(await checkpoint(1)); // which counts: no more and no less
    await start(id);
    expect(await druid.supervisors.get(id)).toMatchObject({
      spec: { ioConfig: { taskDuration: 'PT3600S' } },
    });
    await takeDown(id);
  });

  it('is terminated: the job fails in time, and its next start makes it again', async () => {
    const id = 'kafka_terminated';
    const { job, committer, checkpoint, hurry } = await start(id);
    await committer.commit(await checkpoint(0));
    await takeDown(id);
    // Then its tasks read no more.
    const published = `SELECT 1 FROM sys.segments WHERE datasource = '${id}' AND is_published = 1`;
    await expect.poll(() => druid.sql.query(published), { timeout: 100_000 }).toHaveLength(1);
    const requests = await checkpoint(1);
    hurry();
    await expect(committer.commit(requests)).rejects.toMatchObject({
      code: 'DRUID_SINK_TIMEOUT',
      message: expect.stringContaining('The supervisor is gone') as string,
    });
    job.crash();
    const next = await start(id);
    await next.committer.commit(pending.get(id)!);
    expect(await rowsOf(id)).toBe(2 * COUNT);
    await takeDown(id);
  });

  it('is idle: it reads again when there are rows', async () => {
    const id = 'kafka_idle';
    const idleConfig = { enabled: true, inactiveAfterMillis: 1_000 };
    const { committer, checkpoint } = await start(id, {
      supervisor: { ioConfig: { period: 'PT1S', startDelay: 'PT0S', idleConfig } },
    });
    await committer.commit(await checkpoint(0));
    await expect.poll(() => stateOf(id), { timeout: 100_000, interval: 100 }).toBe('IDLE');
    await committer.commit(await checkpoint(1));
    expect(await rowsOf(id)).toBe(2 * COUNT);
    await takeDown(id);
  });
});
