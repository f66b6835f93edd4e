import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { expect, it } from 'vitest';
import { sharedDruid } from '../../../tooling/shared-druid.js';
import { DruidSink } from '../src/index.js';
import { SinkJob, flights, flightSchema, temporaryDirectory } from './support/sink-harness.js';

it('speed', async () => {
  const client = new DruidClient({ url: (await sharedDruid()).url });
  console.log(await client.cluster.workerCapacity());
  for (const waitUntil of ['queryable', 'published', 'submitted'] as const) {
    const sink = new DruidSink({ druid: client, schema: flightSchema(`speed_${waitUntil}`), spoolDirectory: await temporaryDirectory(), waitUntil, inlineMaxBytes: 0, maxConcurrentTasks: 4 });
    const job = new SinkJob(sink, { clock: systemClock });
    const committer = await job.committer();
    const started = performance.now();
    const each: number[] = [];
    for (let n = 1; n <= 6; n++) {
      const requests = await job.checkpoint(n, flights(20_000, n * 20_000));
      const at = performance.now();
      await committer.commit(requests);
      each.push(Math.round(performance.now() - at));
    }
    await (await job.writer()).flush(true);
    console.log(waitUntil, each, Math.round(performance.now() - started));
  }
  expect(1).toBe(1);
  client.close();
}, 200_000);
