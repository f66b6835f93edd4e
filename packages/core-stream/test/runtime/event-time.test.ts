import { describe, expect, it } from 'vitest';
import { StreamExecutionEnvironment, TumblingEventTimeWindows, WatermarkStrategy } from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf, quiet, until } from '../support/conditions.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource, timed } from '../support/scripted-source.js';
import { environment, refuseUnhandledRejections } from '../support/environment.js';

refuseUnhandledRejections();

describe('event time', () => {
  const onAdvance = WatermarkStrategy.forMonotonousTimestamps<number>().withEmission('on-advance');

  it('comes to its end also for a source that was idle when it ended', async () => {
    const { clock, env } = environment({ parallelism: 2, autoWatermarkIntervalMs: 10 });
    const source = new ScriptedSource<number>([
      [...timed([[1, 5]]), PAUSE],
      [...timed([[1, 5]]), PAUSE],
    ]);
    const sink = new CollectingSink<number>();
    env
      .fromSource(source, onAdvance.withIdleness(100), 'In')
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    const job = env.executeAsync('idle end');
    await until(() => source.emitted === 2);
    for (let i = 0; i < 30; i++) {
      clock.advance(10);
      await quiet(3);
    }
    source.resume();
    await drive(job, clock, 0);
    expect(sink.values).toEqual([2]);
  });

  it('is not ended by one input while another is idle', async () => {
    const { clock, env } = environment({ parallelism: 2, autoWatermarkIntervalMs: 10 });
    const source = new ScriptedSource<number>([
      timed([[1, 5]]),
      [
        ...timed([[1, 5]]),
        PAUSE,
        ...timed([
          [1, 25],
          [1, 35],
        ]),
      ],
    ]);
    const sink = new CollectingSink<number>();
    env
      .fromSource(source, onAdvance.withIdleness(100), 'In')
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    const job = env.executeAsync('one ends');
    await until(() => source.emitted === 2);
    for (let i = 0; i < 30; i++) {
      clock.advance(10);
      await quiet(3);
    }
    expect(sink.values).toEqual([]);
    source.resume();
    const result = await drive(job, clock, 0);
    expect(sink.values).toEqual([2, 1, 1]);
    expect(result.operators.map(({ lateRecordsDropped }) => lateRecordsDropped)).toEqual([0, 0, 0]);
  });

  it('goes on where it was after a restart, also where one of two readers had ended', async () => {
    // The watermark 99 has closed a window; a record for it must be late after the restart, too.
    const { clock } = environment();
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([
      [],
      [
        ...timed([
          [1, 5],
          [2, 100],
        ]),
        PAUSE,
        ...timed([
          [3, 6],
          [4, 101],
        ]),
      ],
    ]);
    const emitted: number[] = [];
    const start = (parallelism: number) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism });
      env.enableCheckpointing({ intervalMs: 10, storage });
      const result = env
        .fromSource(source, onAdvance, 'In')
        .keyBy(() => 0)
        .window(TumblingEventTimeWindows.of(10))
        .reduce((a, b) => a + b);
      result.addSink({ emit: (n) => void emitted.push(n) });
      return env.executeAsync('watermarks');
    };
    const first = start(2);
    await until(() => emitted.length === 1);
    clock.advance(10);
    await until(() => storage.lastId === 1);
    first.cancel();
    await failureOf(first.result);
    const saved = storage.checkpoints.slice();
    for (const parallelism of [2, 1, 3]) {
      storage.checkpoints.splice(0, Infinity, ...saved);
      emitted.length = 0;
      source.resumes = 0;
      const job = start(parallelism);
      source.resume();
      const result = await drive(job, clock);
      expect(emitted).toEqual([6]);
      expect(result.operators.find(({ name }) => name === 'Window Reduce')?.lateRecordsDropped).toBe(1);
    }
  });
});
