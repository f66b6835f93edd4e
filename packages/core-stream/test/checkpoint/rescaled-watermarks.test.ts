import { expect, it } from 'vitest';
import { AsyncDataStream, TumblingEventTimeWindows, WatermarkStrategy } from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, quiet, until } from '../support/conditions.js';
import { environment } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

it.each([
  ['2, of which one has nothing to read, to 1', 2, 1],
  ['2, of which one has nothing to read, to 3', 2, 3],
])(
  'a subtask that is given other records than before does not pass on how far it had come: a source from %s',
  async (_name, before, after) => {
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([
      [{ value: 1, timestamp: 1 }, PAUSE, ...[2, 3, 4, 5].map((value) => ({ value, timestamp: value }))],
    ]);
    const sink = new CollectingSink<string>();
    const gate = createGate();
    let isGated = false;
    const start = (parallelism: number) => {
      const { env, clock } = environment({ autoWatermarkIntervalMs: 1 });
      env.enableCheckpointing({ intervalMs: 1, storage });
      const numbers = env
        .fromSource(source, WatermarkStrategy.forMonotonousTimestamps<number>(), 'numbers')
        .setParallelism(parallelism);
      AsyncDataStream.orderedWait(
        numbers,
        ({ subtaskIndex }) => ({
          async asyncInvoke(value: number) {
            if (isGated && subtaskIndex === 1) await gate.opened;
            return [value];
          },
        }),
        { timeoutMs: Infinity },
      )
        .setParallelism(2)
        .windowAll(TumblingEventTimeWindows.of(10))
        .process<string>((_context, values, out) => out.collect([...values].sort().join(',')))
        .sinkTo(sink);
      return { job: env.executeAsync('job'), clock };
    };

    const first = start(before);
    await until(
      () => storage.checkpoints.length > 2 && source.emitted === 1,
      () => first.clock.advance(1),
    );
    first.job.cancel();
    await expect(first.job.result).rejects.toThrow('cancelled');

    isGated = true;
    const second = start(after);
    source.resume();
    await until(() => source.emitted === 5);
    for (let turn = 0; turn < 50; turn++) {
      second.clock.advance(1);
      await quiet(1);
    }
    expect(sink.values).toEqual([]);
    gate.open();
    await drive(second.job, second.clock);
    expect(sink.values).toEqual(['1,2,3,4,5']);
  },
);
