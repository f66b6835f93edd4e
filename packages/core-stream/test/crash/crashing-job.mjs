/**
 * A job in a process of its own, to be killed at any instant. `node crashing-job.mjs <options as JSON>`; prints a line whenever
 * it begins with something, so that the test knows what it is at, and `finished` at its end, or `stopped`.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const { directory, checkpoints, backend, parallelism, records, url, ...options } = JSON.parse(
  process.argv[2],
);
/** Where it begins, where there is no checkpoint; where it writes a savepoint, and after which commit it does, and stops or not. */
const { restore, savepoint, saveAfter, stopAfter } = options;
const {
  FileCheckpointStorage,
  FileSink,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
} = await import(url);
const { diskStateBackend } = await import(new URL('disk-state/index.js', url));

const say = (line) => void writeSync(1, `${line}\n`);

/** Transactions as files: prepared under one name, committed by a rename. As small as it can be: the other sink is the library's. */
class RenamingSink {
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
        say('committing');
        for (const { committable } of requests) {
          const from = join(this.prepared, committable);
          if (existsSync(from)) renameSync(from, join(this.committed, committable));
          else if (!existsSync(join(this.committed, committable))) throw new Error(`${committable} is lost`);
        }
        onCommit();
      },
    };
  }
}

class TellingStorage extends FileCheckpointStorage {
  #isRunning = false;

  latest() {
    say('restoring');
    return super.latest();
  }

  putSegment(id, chunks) {
    this.#isRunning = true;
    say('segment');
    return super.putSegment(id, chunks);
  }

  readSegment(id, range) {
    if (this.#isRunning) say('merging');
    return super.readSegment(id, range);
  }

  write(checkpoint) {
    say('manifest');
    return super.write(checkpoint);
  }
}

let commits = 0;
function onCommit() {
  say('committed');
  commits++;
  const ignore = () => undefined; // the job may be over before
  if (commits === saveAfter) {
    say('saving');
    client.triggerSavepoint(`${savepoint}-besides`).then(() => say('saved'), ignore);
  }
  if (commits === stopAfter) {
    say('stopping');
    client.stop({ savepoint }).catch(ignore);
  }
}

let position = { next: 0 };
const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
env.enableCheckpointing({
  intervalMs: 5,
  storage: new TellingStorage(checkpoints),
  ...(restore && { restore: { savepoint: restore } }),
});
if (backend === 'disk')
  env.setStateBackend(diskStateBackend({ directory: join(directory, 'state'), cacheBytes: 1_000 }));
const numbers = env
  .addSource(
    {
      restoreState: (state) => void (position = state),
      snapshotState: () => position,
      // A few records a turn: there are many checkpoints on the way, and so many places to be killed at.
      collect: (out) => {
        for (let i = 0; i < 10 && position.next < records; i++) out.collect(position.next++);
        const hasMore = position.next < records;
        if (!hasMore) say('ending');
        return new Promise((resolve) => setTimeout(() => resolve(hasMore), 1));
      },
    },
    WatermarkStrategy.forMonotonousTimestamps().withTimestampAssigner((n) => n),
  )
  .uid('numbers');
numbers
  .keyBy((n) => n % 13)
  .process((context) => {
    const count = context.getState(new ValueStateDescriptor('count', { defaultValue: 0 }));
    return {
      processElement(n, { currentKey, timers }, out) {
        count.update(count.value() + 1);
        timers.registerEventTimeTimer(Math.floor(n / 50) * 50 + 70);
        out.collect(`count ${currentKey} ${count.value()}`);
      },
      onTimer(timestamp, { currentKey }, out) {
        out.collect(`timer ${currentKey} ${timestamp}`);
      },
    };
  })
  .uid('count')
  .sinkTo(new RenamingSink(join(directory, 'counts')))
  .uid('counts');
numbers
  .keyBy((n) => n % 3)
  .window(TumblingEventTimeWindows.of(100))
  .reduce(
    (a, b) => a + b,
    (key, { window }, [sum], out) => out.collect(`sum ${key} ${window.start} ${sum}`),
  )
  .uid('sum')
  .sinkTo(FileSink.forLines({ directory: join(directory, 'sums'), onCommit: () => say('committed file') }))
  .uid('sums');
const client = env.executeAsync('crash');
say('started');
const { status } = await client.result;
say(status === 'suspended' ? 'stopped' : 'finished');
