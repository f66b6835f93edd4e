/**
 * A job in a process of its own, to be told to end. `node signalled-job.mjs <options as JSON>`; prints what happens, and ends with
 * code 0 where it can go on without a loss.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';

const { directory, records, storesState, hangs, url } = JSON.parse(process.argv[2]);
const {
  FileCheckpointStorage,
  FileSink,
  StreamExecutionEnvironment,
  ValueStateDescriptor,
  fieldsFirst,
  stopOnSignals,
} = await import(url);

const say = (line) => void writeSync(1, `${line}\n`);
const ignore = () => undefined;
const logger = fieldsFirst({
  debug: ignore,
  info: ({ signal }, message) => signal !== undefined && say(`${message}: ${signal}`),
  warn: (_fields, message) => say(message),
  error: ignore,
});

let position = { next: 0 };
const env = StreamExecutionEnvironment.getExecutionEnvironment({
  cancellationTimeoutMs: hangs ? 50 : 30_000,
});
// Only a checkpoint that is asked for is taken.
const storage = new FileCheckpointStorage(join(directory, 'checkpoints'));
if (storesState) env.enableCheckpointing({ intervalMs: 3_600_000, storage });
const counts = env
  .addSource({
    restoreState: (state) => void (position = state),
    snapshotState: () => position,
    collect: (out) => {
      for (let i = 0; i < 10 && position.next < records; i++) out.collect(position.next++);
      if (position.next % 50 === 0) say(`read ${position.next}`);
      const hasMore = position.next < records;
      return new Promise((resolve) => setTimeout(() => resolve(hasMore), 1));
    },
  })
  .uid('numbers')
  .keyBy((n) => n % 7)
  .process((context) => {
    const count = context.getState(new ValueStateDescriptor('count', { defaultValue: 0 }));
    return {
      processElement(_n, { currentKey }, out) {
        count.update(count.value() + 1);
        out.collect(`count ${currentKey} ${count.value()}`);
      },
    };
  })
  .uid('count');
counts.sinkTo(FileSink.forLines({ directory: join(directory, 'counts') })).uid('counts');
if (hangs) {
  const writer = { write: ignore, flush: () => new Promise(ignore), close: ignore };
  counts.sinkTo({ createWriter: () => writer }).uid('hangs');
}
const client = env.executeAsync('signals');
stopOnSignals(client, { logger });
say('started');
try {
  const { status } = await client.result;
  say(status);
} catch (error) {
  say(`${client.snapshot().status}: ${error.code}`);
  process.exitCode = 1;
}
say(`${process.listenerCount('SIGTERM')} handlers`);
