/**
 * A job in a process of its own, to be killed. `node crashing-job.mjs <directory> <parallelism> <url of the package>`; prints a line per
 * committed checkpoint, so that the test knows how far it has got.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  existsSync,
  mkdirSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
const [directory, parallelism] = [process.argv[2], Number(process.argv[3])];
const {
  FileCheckpointStorage,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
} = await import(process.argv[4]);
const RECORDS = 3000;

/** Transactions as files: prepared under one name, committed by a rename. */
class FileSink {
  constructor(root) {
    this.prepared = join(root, 'prepared');
    this.committed = join(root, 'committed');
    mkdirSync(this.prepared, { recursive: true });
    mkdirSync(this.committed, { recursive: true });
  }

  createWriter({ subtaskIndex }) {
    let lines = [];
    return {
      write: (line) => void lines.push(line),
      flush: () => undefined,
      prepareCommit: (checkpointId) => {
        if (lines.length === 0) return [];
        const name = `${checkpointId}-${subtaskIndex}-${process.pid}`;
        const file = openSync(join(this.prepared, name), 'w');
        writeSync(file, `${lines.join('\n')}\n`);
        fsyncSync(file);
        closeSync(file);
        lines = [];
        return [name];
      },
      close: () => undefined,
    };
  }

  createCommitter() {
    return {
      recover: (pending) => {
        const kept = new Set(pending.map(({ committable }) => committable));
        for (const name of readdirSync(this.prepared)) if (!kept.has(name)) rmSync(join(this.prepared, name));
      },
      commit: async (requests) => {
        for (const { committable } of requests) {
          const from = join(this.prepared, committable);
          if (existsSync(from)) renameSync(from, join(this.committed, committable));
          else if (!existsSync(join(this.committed, committable))) throw new Error(`${committable} is lost`);
        }
        process.stdout.write(`committed ${requests[0].checkpointId}\n`);
      },
    };
  }
}

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
      // A few records a turn: there are many checkpoints on the way, and so many places to be killed at.
      collect: (out) => {
        for (let i = 0; i < 10 && position.next < RECORDS; i++) out.collect(position.next++);
        const hasMore = position.next < RECORDS;
        return new Promise((resolve) => setTimeout(() => resolve(hasMore), 1));
      },
    },
    WatermarkStrategy.forMonotonousTimestamps().withTimestampAssigner((n) => n),
  )
  .uid('numbers');
records
  .keyBy((n) => n % 13)
  .process((context) => {
    const count = context.getState(new ValueStateDescriptor('count', { defaultValue: 0 }));
    return {
      processElement(n, { currentKey }, out) {
        count.update(count.value() + 1);
        out.collect(`count ${currentKey} ${count.value()}`);
      },
    };
  })
  .uid('count')
  .sinkTo(new FileSink(join(directory, 'counts')))
  .uid('counts');
records
  .keyBy((n) => n % 3)
  .window(TumblingEventTimeWindows.of(100))
  .reduce(
    (a, b) => a + b,
    (key, { window }, [sum], out) => out.collect(`sum ${key} ${window.start} ${sum}`),
  )
  .uid('sum')
  .sinkTo(new FileSink(join(directory, 'sums')))
  .uid('sums');
await env.execute('crash');
process.stdout.write('finished\n');
