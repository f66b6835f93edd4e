import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../tooling/shared-druid.js';
import { appendTask, attemptId, taskBaseId } from '../src/commit/ingestion-spec.js';
import { druidSchema, DruidSink, type CommitDone, type DruidSinkOptions } from '../src/index.js';
import {
  FIRST_DAY,
  SinkJob,
  flights,
  flightSchema,
  recordingLogger,
  temporaryDirectory,
  type Flight,
} from './support/sink-harness.js';

/** Enough that Druid reads for a second or more. */
const MANY = 400_000;

let client: DruidClient;

beforeAll(async () => {
  requireRealServers();
  client = new DruidClient({ url: (await sharedDruid()).url });
});
afterAll(() => client?.close());

/** Distinct values are counted, not estimated: of ten, HyperLogLog finds nine at times. */
const query = (sql: string) =>
  client.sql.query(sql, { rowFormat: 'array', context: { useApproximateCountDistinct: false } });

function newSink(
  dataSource: string,
  spoolDirectory: string,
  options: Partial<DruidSinkOptions<Flight>> = {},
) {
  return new DruidSink<Flight>({
    druid: client,
    schema: flightSchema(dataSource),
    spoolDirectory,
    ...options,
  });
}

describe('DruidSink with a real Druid', () => {
  it('commits three files side by side into one interval, each row once', async () => {
    const events: CommitDone[] = [];
    const sink = newSink('flights_parallel', await temporaryDirectory(), {
      onCommit: (event) => events.push(event),
    });
    const job = new SinkJob(sink, { clock: systemClock });
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(5_000), flights(5_000, 5_000), flights(5_000, 10_000));
    await committer.commit(requests);
    expect(await query('SELECT COUNT(*), COUNT(DISTINCT "__commit_id") FROM "flights_parallel"')).toEqual([
      [15_000, 3],
    ]);
    expect(await query('SELECT COUNT(*) FROM (SELECT "__time" FROM "flights_parallel" GROUP BY 1)')).toEqual([
      [15_000],
    ]);
    expect(events.map(({ attempt, rows }) => [attempt, rows])).toEqual([
      [1, 5_000],
      [1, 5_000],
      [1, 5_000],
    ]);
    await committer.commit(requests);
    expect(await query('SELECT COUNT(*) FROM "flights_parallel"')).toEqual([[15_000]]);
  });

  it('brings every value back as it was written', async () => {
    interface Reading {
      at: string;
      name: string | null;
      tags: string[];
      id: bigint;
      value: number;
      ratio: number;
    }
    const sink = new DruidSink<Reading>({
      druid: client,
      schema: druidSchema<Reading>()({
        dataSource: 'readings',
        timestamp: 'at',
        dimensions: { name: 'string', tags: 'string[]', id: 'long', value: 'double', ratio: 'float' },
        segmentGranularity: 'month',
      }),
      spoolDirectory: await temporaryDirectory(),
    });
    const job = new SinkJob(sink as unknown as DruidSink<Flight>, { clock: systemClock });
    const rows: Reading[] = [
      {
        at: '2001-02-03T04:05:06.789Z',
        name: 'quote " \\ \u0001 é 日本 😀',
        tags: ['z', 'a', 'z'],
        id: 2n ** 63n - 1n,
        value: 0.1,
        ratio: 0.5,
      },
      {
        at: '1969-12-31T23:59:59.999Z',
        name: '',
        tags: [],
        id: -(2n ** 63n),
        value: Number.MIN_VALUE,
        ratio: -1.5,
      },
      { at: '2001-02-03', name: null, tags: ['only'], id: 0n, value: Number.MAX_VALUE, ratio: 0 },
    ];
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, rows as unknown as Flight[]));
    expect(
      await query(
        'SELECT TIMESTAMP_TO_MILLIS("__time"), "name", "tags", CAST("id" AS VARCHAR), "value", "ratio" FROM "readings" ORDER BY "__time"',
      ),
    ).toEqual([
      [-1, '', null, '-9223372036854775808', Number.MIN_VALUE, -1.5],
      [Date.UTC(2001, 1, 3), null, 'only', '0', Number.MAX_VALUE, 0],
      [981173106789, rows[0]?.name, '["z","a","z"]', '9223372036854775807', 0.1, 0.5],
    ]);
    await committer.close?.();
    // The columns that Druid has made agree with the schema that made them.
    await (await job.committer()).close?.();
  });

  /** Leaves a commit while Druid reads its file, as a killed process does. */
  async function dieWhileDruidReads(dataSource: string, spoolDirectory: string) {
    const dead = new SinkJob(newSink(dataSource, spoolDirectory), { clock: systemClock });
    const committer = await dead.committer();
    const requests = await dead.checkpoint(1, flights(MANY));
    const commit = committer.commit(requests).catch((error: unknown) => error);
    await expect
      .poll(
        () =>
          query(
            `SELECT "task_id" FROM sys.tasks WHERE "datasource" = '${dataSource}' AND "runner_status" = 'RUNNING'`,
          ),
        {
          timeout: 20_000,
          interval: 20,
        },
      )
      .toHaveLength(1);
    dead.crash();
    await committer.close?.();
    expect(String(await commit)).toContain('the job has crashed');
    return requests;
  }

  async function recover(
    dataSource: string,
    spoolDirectory: string,
    requests: Awaited<ReturnType<SinkJob['checkpoint']>>,
  ) {
    const events: CommitDone[] = [];
    const logger = recordingLogger();
    const sink = newSink(dataSource, spoolDirectory, { onCommit: (event) => events.push(event) });
    const job = new SinkJob(sink, { clock: systemClock, logger });
    const committer = await job.committer(requests);
    await committer.commit(requests);
    expect(await query(`SELECT COUNT(*) FROM "${dataSource}"`)).toEqual([[MANY]]);
    return { events, messages: logger.messages };
  }

  it('lets a task go on reading when the process that serves it comes back', async () => {
    const spoolDirectory = await temporaryDirectory();
    const requests = await dieWhileDruidReads('flights_resumed', spoolDirectory);
    const { events } = await recover('flights_resumed', spoolDirectory, requests);
    expect(events).toMatchObject([{ attempt: 1, isRecovered: true }]);
  });

  it('stops a task that nobody serves any more, proves that it published nothing, and tries again', async () => {
    const spoolDirectory = await temporaryDirectory();
    const requests = await dieWhileDruidReads('flights_moved', spoolDirectory);
    await rm(join(spoolDirectory, 'druid-sink', 'job-1', 'server.json'));
    const { events, messages } = await recover('flights_moved', spoolDirectory, requests);
    expect(events).toMatchObject([{ attempt: 2, isRecovered: true }]);
    expect(messages).toContain('A task has ended without success; its rows were counted: none');
  });

  it('finds rows that a task published although it shows as FAILED', async () => {
    const dataSource = 'flights_failed';
    const spoolDirectory = await temporaryDirectory();
    const job = new SinkJob(newSink(dataSource, spoolDirectory), { clock: systemClock });
    const committer = await job.committer();
    const requests = await job.checkpoint(1, flights(100));
    // Attempt 1 fails; then somebody publishes the very same rows: to the sink both look like one task.
    const [request] = requests;
    const { committable } = request!;
    const id = taskBaseId(
      { jobId: 'job-1', operatorUid: 'druid-sink', checkpointId: 1, subtaskIndex: 0 },
      committable,
    );
    const broken = { type: 'inline', data: '{"__time":"no time"}\n' } as const;
    await client.tasks.submit(appendTask(committable, { id: attemptId(id, 1), input: broken }));
    expect((await client.tasks.waitFor(attemptId(id, 1))).statusCode).toBe('FAILED');
    const data = await readFile(join(spoolDirectory, committable.file), 'utf8');
    await client.tasks.submit(
      appendTask(committable, { id: `${id}-published`, input: { type: 'inline', data } }),
    );
    expect((await client.tasks.waitFor(`${id}-published`)).statusCode).toBe('SUCCESS');
    await committer.commit(requests);
    expect(await query(`SELECT COUNT(*) FROM "${dataSource}"`)).toEqual([[100]]);
  });

  it('proves a commit by the count metric where rows are rolled up', async () => {
    const schema = druidSchema<Flight>()({
      dataSource: 'flights_rolled_up',
      timestamp: 'date',
      dimensions: { origin: 'string' },
      metrics: { flights: { type: 'count' }, delay_sum: { type: 'longSum', field: 'delay' } },
      rollup: true,
      segmentGranularity: 'day',
      queryGranularity: 'hour',
    });
    const job = new SinkJob(newSink('unused', await temporaryDirectory(), { schema }), {
      clock: systemClock,
    });
    const committer = await job.committer();
    const rows = flights(1_000);
    await committer.commit(await job.checkpoint(1, rows));
    expect(await query('SELECT SUM("flights"), SUM("delay_sum") FROM "flights_rolled_up"')).toEqual([
      [1_000, rows.reduce((sum, { delay }) => sum + (delay ?? 0), 0)],
    ]);
    expect(Number((await query('SELECT COUNT(*) FROM "flights_rolled_up"'))[0]?.[0])).toBeLessThan(100);
  });

  it('refuses a schema that contradicts the datasource', async () => {
    const job = new SinkJob(newSink('flights_conflict', await temporaryDirectory()), { clock: systemClock });
    const committer = await job.committer();
    await committer.commit(await job.checkpoint(1, [{ date: FIRST_DAY, origin: 'SFO', delay: 1 }]));
    const { dimensions, ...schema } = flightSchema('flights_conflict');
    const changed = dimensions.map(({ name }) => ({ name, type: 'double' }) as const);
    const other = new SinkJob(
      newSink('flights_conflict', await temporaryDirectory(), { schema: { ...schema, dimensions: changed } }),
    );
    await expect(other.committer()).rejects.toThrow(
      "'origin' is VARCHAR, the schema says DOUBLE; 'delay' is BIGINT",
    );
  });
});
