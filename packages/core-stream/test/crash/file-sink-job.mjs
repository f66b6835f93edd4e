/**
 * A job with file sinks in a process of its own, to be killed. `node file-sink-job.mjs <directory> <parallelism> <url of the
 * package>`; prints lines while it runs, so that the test knows how far it has got.
 */
import { join } from 'node:path';
const [directory, parallelism] = [process.argv[2], Number(process.argv[3])];
const { dateTimeBuckets, FileCheckpointStorage, FileSink, StreamExecutionEnvironment, WatermarkStrategy } =
  await import(process.argv[4]);
const RECORDS = 4000;

let position = { next: 0 };
const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
env.enableCheckpointing({
  intervalMs: 5,
  storage: new FileCheckpointStorage(join(directory, 'checkpoints')),
});
const records = env
  .addSource(
    {
      restoreState: (state) => void (position = state),
      snapshotState: () => position,
      collect: (out) => {
        for (let i = 0; i < 10 && position.next < RECORDS; i++) out.collect(position.next++);
        if (position.next % 50 === 0) process.stdout.write(`read ${position.next}\n`);
        return new Promise((resolve) => setTimeout(() => resolve(position.next < RECORDS), 1));
      },
    },
    WatermarkStrategy.forMonotonousTimestamps().withTimestampAssigner((n) => n * 1000),
  )
  .uid('numbers')
  .rebalance();
records
  .sinkTo(
    FileSink.forNdjson({
      directory: join(directory, 'by-minute'),
      bucketAssigner: dateTimeBuckets('HH/mm'),
      rolling: { maxAgeMs: 50 },
      maxOpenFiles: 3,
      format: (n) => ({ n }),
      onCommit: ({ checkpointId }) => void process.stdout.write(`committed ${checkpointId}\n`),
    }),
  )
  .uid('by-minute');
records
  .sinkTo(
    FileSink.forCsv({
      directory: join(directory, 'csv'),
      rolling: { maxRecords: 700 },
      maxBufferedBytes: 100,
      columns: ['n', 'half'],
      format: (n) => ({ n, half: n / 2 }),
    }),
  )
  .uid('csv');
await env.execute('file sinks');
process.stdout.write('finished\n');
