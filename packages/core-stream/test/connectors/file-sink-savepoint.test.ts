import { describe, expect, it } from 'vitest';
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
import { MemoryFileSystem } from '../support/memory-file-system.js';

const script = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => ({ value: from + n }));

const pausing = () => new ScriptedSource([[...script(0, 5), PAUSE, ...script(5, 8)]]);
const goingOn = () => new ScriptedSource([script(0, 8)]);

describe('a job with a file sink that begins with a savepoint', () => {
  function createRuns() {
    const fileSystem = new MemoryFileSystem();
    const clock = new ManualClock();
    const start = (
      source: ScriptedSource<number>,
      parallelism: number,
      config: Partial<CheckpointConfig> = {},
    ) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism });
      env.enableCheckpointing({ intervalMs: 10, storage: new MemoryCheckpointStorage(), ...config });
      env
        .fromSource(source, WatermarkStrategy.noWatermarks<number>(), 'numbers')
        .rebalance()
        .sinkTo(
          FileSink.forLines<number>({
            directory: '/data/out',
            format: String,
            bucketAssigner: (n) => (n % 2 === 0 ? 'even' : 'odd'),
            fileSystem,
          }),
        )
        .uid('files');
      return env.executeAsync('savepoint');
    };
    /** All lines, by bucket, in any order. */
    const written = () =>
      ['even', 'odd'].map((bucket) =>
        [...fileSystem.files()]
          .filter(([path]) => path.startsWith(`/data/out/${bucket}/`))
          .flatMap(([, text]) => text.trimEnd().split('\n').map(Number))
          .sort(),
      );
    return { clock, start, written };
  }

  it('goes on where that ended, at another parallelism', async () => {
    const { clock, start, written } = createRuns();
    const source = pausing();
    const savepoint = new MemoryCheckpointStorage();
    const first = start(source, 2);
    await until(() => source.emitted === 5);
    const stopped = first.stop({ savepoint });
    await drive(first, clock);
    await stopped;
    expect(written()).toEqual([
      [0, 2, 4],
      [1, 3],
    ]);
    await drive(start(goingOn(), 3, { restore: { savepoint } }), clock);
    expect(written()).toEqual([
      [0, 2, 4, 6],
      [1, 3, 5, 7],
    ]);
  });

  it('takes nothing from the job that goes on, nor from another that begins with it', async () => {
    const { clock, start, written } = createRuns();
    const source = pausing();
    const savepoint = new MemoryCheckpointStorage();
    const first = start(source, 1);
    await until(() => source.emitted === 5);
    let isSaved = false;
    void first.triggerSavepoint(savepoint).then(() => (isSaved = true));
    await until(
      () => isSaved,
      () => clock.advance(1),
    );
    for (const parallelism of [1, 2]) {
      await drive(start(goingOn(), parallelism, { restore: { savepoint } }), clock);
    }
    source.resume();
    await drive(first, clock);
    expect(written()).toEqual([
      [0, 2, 4, 6, 6, 6],
      [1, 3, 5, 5, 5, 7, 7, 7],
    ]);
  });
});
