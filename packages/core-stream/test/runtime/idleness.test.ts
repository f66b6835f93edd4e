import { describe, expect, it } from 'vitest';
import {
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type Source,
  type SourceSplit,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, quiet, until } from '../support/conditions.js';
import { environment, numbers, refuseUnhandledRejections } from '../support/environment.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource, timed } from '../support/scripted-source.js';

refuseUnhandledRejections();

const strategy = WatermarkStrategy.forMonotonousTimestamps<number>()
  .withEmission('on-advance')
  .withIdleness(100);

describe('idleness', () => {
  it('is not declared while the source could not emit because downstream was full', async () => {
    const { clock, env } = environment({ parallelism: 1, autoWatermarkIntervalMs: 10 });
    const gate = createGate();
    const sink = new CollectingSink<number>({ backPressure: () => gate.opened });
    // The second split is far ahead: with the first one idle, all that is left of the first would be late.
    const source = new ScriptedSource<number>([
      timed(numbers(6000).map((n) => [1, n])),
      timed(numbers(6000).map((n) => [1, 1_000_000 + n])),
    ]);
    env
      .fromSource(source, strategy, 'In')
      .setParallelism(2)
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    const job = env.executeAsync('full');
    await quiet(100);
    expect(source.emitted).toBeGreaterThan(4096);
    expect(source.emitted).toBeLessThan(12_000);
    for (let i = 0; i < 30; i++) {
      clock.advance(10);
      await quiet(3);
    }
    gate.open();
    const result = await drive(job, clock, 0);
    expect(result.operators.find(({ name }) => name === 'Window Reduce')?.lateRecordsDropped).toBe(0);
    expect(sink.values.reduce((sum, n) => sum + n, 0)).toBe(12_000);
  });

  it('is not declared while the source was blocked on its own sink', async () => {
    const { clock, env } = environment({ parallelism: 2, autoWatermarkIntervalMs: 10 });
    const gate = createGate();
    let isBlocking = true;
    const blocking = new CollectingSink<number>({
      backPressure: () => (isBlocking && source.emitted > 0 ? gate.opened : undefined),
    });
    const source = new ScriptedSource<number>(
      [timed(numbers(600).map((n) => [1, n])), timed(numbers(600).map((n) => [1, 1_000_000 + n]))],
      { batch: 256 },
    );
    const results = new CollectingSink<number>();
    const stream = env.fromSource(source, strategy, 'In');
    stream.sinkTo(blocking);
    stream
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .setParallelism(1)
      .sinkTo(results);
    const job = env.executeAsync('blocked');
    await until(() => source.emitted > 0);
    for (let i = 0; i < 30; i++) {
      clock.advance(10);
      await quiet(3);
    }
    isBlocking = false;
    gate.open();
    const result = await drive(job, clock, 0);
    expect(result.operators.find(({ name }) => name === 'Window Reduce')?.lateRecordsDropped).toBe(0);
  });

  it('is declared for a split that has nothing while another one has records', async () => {
    const { clock, env } = environment({ autoWatermarkIntervalMs: 10 });
    const source = new ScriptedSource<number>([[], timed(numbers(2000).map((n) => [1, n]))], {
      boundedness: 'unbounded',
      batch: 10,
    });
    const sink = new CollectingSink<number>();
    env
      .fromSource(source, strategy, 'In')
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    const job = env.executeAsync('one silent');
    await until(
      () => sink.values.length > 0,
      () => clock.advance(10),
    );
    job.cancel();
    await expect(job.result).rejects.toThrow();
  });
});

describe('an idle subtask', () => {
  it('does not set the watermark back when the parallelism changes', async () => {
    const storage = new MemoryStorage();
    const clock = new ManualClock();
    const seen: number[] = [];
    const source = new ScriptedSource<number>(
      [
        [PAUSE, PAUSE, { value: 3, timestamp: 50 }],
        [PAUSE, { value: 1, timestamp: 100 }, PAUSE, { value: 2, timestamp: 101 }],
      ],
      { boundedness: 'unbounded' },
    );
    const start = (parallelism: number) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, autoWatermarkIntervalMs: 10 });
      env.enableCheckpointing({ intervalMs: 500, storage });
      env
        .fromSource(source, strategy, 'In')
        .setParallelism(parallelism)
        .process<number>(() => ({
          processElement: (value, context, out) => {
            seen.push(context.currentWatermark);
            out.collect(value);
          },
        }))
        .setParallelism(parallelism)
        .sinkTo(new CollectingSink());
      return env.executeAsync('idle rescale');
    };
    const stop = async (job: ReturnType<typeof start>) => {
      job.cancel();
      await expect(job.result).rejects.toThrow();
    };
    const first = start(2);
    for (let passed = 0; passed < 490; passed += 10) {
      clock.advance(10);
      await quiet(3);
    }
    source.resume(); // split 1 is active at the checkpoint, split 0 is idle
    await until(() => seen.length === 1);
    await until(
      () => storage.lastId === 1,
      () => clock.advance(1),
    );
    await stop(first);
    seen.length = 0;
    const second = start(1);
    source.resume();
    await until(
      () => seen.length === 2,
      () => clock.advance(10),
    );
    expect(Math.min(...seen)).toBe(99);
    await stop(second);
  });
});

describe('a reader that was idle for want of splits', () => {
  it('holds event time back from when it is given one, so that nothing of it is late', async () => {
    const { clock, env } = environment({ parallelism: 2, autoWatermarkIntervalMs: 10 });
    const waiting: { add: (split: SourceSplit) => void; outputs: number[]; wake: () => void }[] = [];
    const seen: [value: number, watermark: number][] = [];
    /** Reader `i` emits what is put into `waiting[i].outputs`, as timestamps. */
    const source: Source<number> = {
      boundedness: 'unbounded',
      createEnumerator: (context) => ({
        start: () => undefined,
        handleSplitRequest: (i) => (waiting[i]!.add = (split) => context.assignSplit(split, i)),
        addSplitsBack: () => undefined,
        snapshotState: () => undefined,
      }),
      createReader: ({ subtaskIndex, requestSplit }) => {
        const own = { add: () => undefined, outputs: [] as number[], wake: (): void => undefined };
        waiting[subtaskIndex] = own;
        return {
          start: requestSplit,
          pollNext: (output) => {
            for (const timestamp of own.outputs.splice(0)) output.forSplit('s').collect(timestamp, timestamp);
            return 'wait';
          },
          isAvailable: () => new Promise<void>((resolve) => (own.wake = resolve)),
          addSplits: () => undefined,
          notifyNoMoreSplits: () => undefined,
          snapshotState: () => [],
        };
      },
    };
    env
      .fromSource(source, strategy, 'In')
      .keyBy(() => 0)
      .process<number>(() => ({
        processElement: (value, context) => void seen.push([value, context.currentWatermark]),
      }))
      .sinkTo(new CollectingSink());
    const job = env.executeAsync('splits come late');
    const emit = async (reader: number, timestamp: number) => {
      const count = seen.length;
      waiting[reader]!.outputs.push(timestamp);
      waiting[reader]!.wake();
      await until(() => seen.length > count);
    };
    await quiet();
    waiting[0]!.add({ splitId: 's' });
    await emit(0, 1);
    for (let passed = 0; passed < 200; passed += 10) {
      clock.advance(10);
      await quiet(3);
    }
    waiting[1]!.add({ splitId: 's' });
    await quiet();
    await emit(0, 1000);
    await emit(0, 2000); // after the watermark that the record before it led to
    await emit(1, 500);
    expect(seen.at(-1)).toEqual([500, 0]);
    job.cancel();
    await expect(job.result).rejects.toThrow();
  });
});
