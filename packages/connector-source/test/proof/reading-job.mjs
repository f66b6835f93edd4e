/**
 * Reads a datasource into files, in a process of its own, to be killed. `node reading-job.mjs <options as JSON>`; prints a line
 * for some rows and for every commit, so that the test knows how far it has got.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { setInterval } from 'node:timers';
import { setTimeout as wait } from 'node:timers/promises';
import { DruidSource, DruidSqlSource } from '@millrace/connector-source';
import {
  AsyncDataStream,
  FileCheckpointStorage,
  FileSink,
  StreamExecutionEnvironment,
  WatermarkStrategy,
} from '@millrace/core-stream';
import { sql } from '@millrace/druid-client';

const { directory, url, dataSource, reads, path, parallelism } = JSON.parse(process.argv[2]);
const say = (line) => void writeSync(1, `${line}\n`);

const segments = {
  druid: { url },
  path,
  dataSource,
  columns: { __time: 'timestamp', page: 'string', added: 'long' },
  batchSize: 50,
  maxBufferedRows: 100,
};
const ranges = {
  druid: { url },
  query: ({ condition }) =>
    sql`SELECT __time, page, added FROM ${sql.identifier(dataSource)} WHERE ${condition} ORDER BY __time`,
  interval: { start: '2024-01-01', end: '2024-01-04' },
  splitMs: 21_600_000,
  columns: { __time: 'timestamp not null', page: 'string', added: 'long not null' },
};
const source = {
  segments: () => new DruidSource(segments),
  follow: () => new DruidSource({ ...segments, mode: { unbounded: { pollIntervalMs: 50 } } }),
  any: () => new DruidSqlSource({ ...ranges, order: 'any' }),
  total: () => new DruidSqlSource({ ...ranges, order: 'total', maxBufferedRows: 100 }),
}[reads]();

setInterval(() => say('running'), 100).unref();
let taken = 0;
const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
env.enableCheckpointing({
  intervalMs: 10,
  storage: new FileCheckpointStorage(join(directory, 'checkpoints')),
});
const rows = env.fromSource(source, WatermarkStrategy.noWatermarks(), 'druid').uid('druid');
// Slower than Druid, so that checkpoints are taken in the middle of segments.
const slowed = AsyncDataStream.unorderedWait(
  rows,
  {
    asyncInvoke: async (row) => {
      await wait(1);
      if (++taken % 50 === 0) say(`read ${taken}`);
      return [row];
    },
  },
  { timeoutMs: 60_000, capacity: 20 },
);
slowed
  .uid('slowed')
  .sinkTo(
    FileSink.forNdjson({
      directory: join(directory, 'rows'),
      rolling: { maxAgeMs: 50 },
      format: (row) => row,
      onCommit: ({ checkpointId }) => say(`committed ${checkpointId}`),
    }),
  )
  .uid('rows');
await env.execute('read Druid');
say('finished');
