/**
 * A job that counts into an SQLite table, in a process of its own, to be killed. `node upsert-sink-job.mjs <directory>
 * <parallelism> <url of the package>`; prints lines while it runs, so that the test knows how far it has got.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import sqlite from 'node-sqlite3-wasm';
const [directory, parallelism] = [process.argv[2], Number(process.argv[3])];
const {
  FileCheckpointStorage,
  sqlUpsert,
  StreamExecutionEnvironment,
  UpsertSink,
  ValueStateDescriptor,
  WatermarkStrategy,
} = await import(process.argv[4]);
const RECORDS = 2000;

const file = join(directory, 'counts.db');
rmSync(`${file}.lock`, { recursive: true, force: true }); // this port of SQLite keeps it when its process is killed
const database = new sqlite.Database(file);
database.exec('CREATE TABLE IF NOT EXISTS counts (key INTEGER PRIMARY KEY, count INTEGER, last INTEGER)');

let position = { next: 0 };
const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
env.enableCheckpointing({
  intervalMs: 10,
  storage: new FileCheckpointStorage(join(directory, 'checkpoints')),
});
env
  .addSource(
    {
      restoreState: (state) => void (position = state),
      snapshotState: () => position,
      collect: (out) => {
        for (let i = 0; i < 10 && position.next < RECORDS; i++) out.collect(position.next++);
        return new Promise((resolve) => setTimeout(() => resolve(position.next < RECORDS), 1));
      },
    },
    WatermarkStrategy.noWatermarks(),
  )
  .uid('numbers')
  .keyBy((n) => n % 17)
  .process((context) => {
    const count = context.getState(new ValueStateDescriptor('count', { defaultValue: 0 }));
    return {
      processElement(n, { currentKey: key }, out) {
        count.update(count.value() + 1);
        out.collect({ key, count: count.value(), last: n });
      },
    };
  })
  .uid('count')
  .sinkTo(
    new UpsertSink({
      statement: sqlUpsert({
        table: 'counts',
        columns: ['key', 'count', 'last'],
        keyColumns: ['key'],
        dialect: 'sqlite',
      }),
      batch: { maxRows: 5 },
      connect: () => ({
        execute(statement, rows) {
          database.exec('BEGIN');
          for (const row of rows) database.run(statement, row);
          database.exec('COMMIT');
          process.stdout.write('written\n');
        },
      }),
    }),
  )
  .uid('counts');
await env.execute('upserts');
database.close();
process.stdout.write('finished\n');
