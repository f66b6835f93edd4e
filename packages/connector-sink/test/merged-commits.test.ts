import {
  DataGeneratorSource,
  FileCheckpointStorage,
  RestartStrategies,
  StreamExecutionEnvironment,
  WatermarkStrategy,
} from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { expect, it, onTestFinished } from 'vitest';
import { DruidSink, type CommitDone } from '../src/index.js';
import { FIRST_DAY, flightSchema, temporaryDirectory, type Flight } from './support/sink-harness.js';

it('writes every row once, in files of many checkpoints, when its job fails and goes on', async () => {
  const druid = await EmbeddedDruid.start();
  const client = new DruidClient({ url: druid.url });
  onTestFinished(async () => {
    client.close();
    await druid.stop();
  });
  const flight = (n: number): Flight => ({ date: FIRST_DAY + n * 1_000, origin: 'SFO', delay: n });
  const commits: CommitDone[] = [];
  const failAt = new Set([1_500, 3_000]);
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 2 });
  env.enableCheckpointing({ intervalMs: 5, storage: new FileCheckpointStorage(await temporaryDirectory()) });
  env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 2, delayMs: 1 }));
  env
    .fromSource(
      new DataGeneratorSource(flight, 4_000, { recordsPerSecond: 10_000 }),
      WatermarkStrategy.noWatermarks(),
      'flights',
    )
    .map((each) => {
      if (each.delay !== null && failAt.delete(each.delay)) throw new Error(`fails once at ${each.delay}`);
      return each;
    })
    .sinkTo(
      new DruidSink<Flight>({
        druid: client,
        schema: flightSchema('flights'),
        spoolDirectory: await temporaryDirectory(),
        minCommitRows: 300,
        compression: 'gzip',
        taskPollIntervalMs: 5,
        onCommit: (commit) => commits.push(commit),
      }),
    )
    .uid('druid-sink');
  await env.execute('flights');
  expect(await client.sql.query('SELECT COUNT(*) AS "rows", SUM("delay") AS "sum" FROM "flights"')).toEqual([
    { rows: 4_000, sum: (4_000 * 3_999) / 2 },
  ]);
  expect(failAt.size).toBe(0);
  // Those at the end of input; all others have waited until they were large enough.
  expect(commits.filter(({ rows }) => rows < 300).length).toBeLessThanOrEqual(2);
});
