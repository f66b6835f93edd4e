import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  FileSink,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type CheckpointConfig,
} from '../../src/index.js';
import {
  drive,
  ManualClock,
  MemoryCheckpointStorage,
  PAUSE,
  ScriptedSource,
  until,
} from '../../src/testing/index.js';

it('a job goes on from a savepoint, at another parallelism, with the files that were open', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-file-sink-savepoint-'));
  try {
    const script = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, n) => ({ value: from + n }));
    const source = new ScriptedSource([[...script(0, 5), PAUSE, ...script(5, 8)]]);
    const clock = new ManualClock();
    const start = (parallelism: number, config: Partial<CheckpointConfig>) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism });
      env.enableCheckpointing({ intervalMs: 10, storage: new MemoryCheckpointStorage(), ...config });
      env
        .fromSource(source, WatermarkStrategy.noWatermarks<number>(), 'numbers')
        .rebalance()
        .sinkTo(
          FileSink.forLines<number>({
            directory,
            format: String,
            bucketAssigner: (n) => (n % 2 === 0 ? 'even' : 'odd'),
          }),
        )
        .uid('files');
      return env.executeAsync('savepoint');
    };
    const savepoint = new MemoryCheckpointStorage();
    const first = start(2, {});
    await until(() => source.emitted === 5);
    const stopped = first.stop({ savepoint });
    await drive(first, clock);
    await stopped;
    expect((await readdir(directory)).filter((name) => !name.startsWith('.'))).toEqual([]); // all are still open
    source.resume();
    await drive(start(3, { restore: { savepoint } }), clock);
    for (const [bucket, numbers] of [
      ['even', ['0', '2', '4', '6']],
      ['odd', ['1', '3', '5', '7']],
    ] as const) {
      const names = await readdir(join(directory, bucket));
      const texts = await Promise.all(names.map((name) => readFile(join(directory, bucket, name), 'utf8')));
      expect(texts.join('').trimEnd().split('\n').sort()).toEqual(numbers);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
