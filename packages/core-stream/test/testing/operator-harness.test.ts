import { describe, expect, it } from 'vitest';
import {
  OutputTag,
  SlidingEventTimeWindows,
  StreamExecutionEnvironment,
  StreamRecordError,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type DataStream,
  type KeyedProcessFunctionFactory,
} from '../../src/index.js';
import type { OperatorFactory } from '../../src/operators/operator.js';
import { OperatorHarness, until } from '../../src/testing/index.js';
import { failureOf } from '../support/conditions.js';

/** Counts a key's words; says so at the next full ten, and half a second later. */
const count: KeyedProcessFunctionFactory<string, string, string> = (context) => {
  const words = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
  return {
    processElement(_word, { timers, timestamp = 0 }) {
      words.update((words.value() ?? 0) + 1);
      timers.registerEventTimeTimer(Math.ceil(timestamp / 10) * 10);
      timers.registerProcessingTimeTimer(timers.currentProcessingTime() + 500);
    },
    onTimer(_timestamp, { currentKey, timeDomain }, out) {
      out.collect(`${currentKey} ${String(words.value())} ${timeDomain}`);
    },
  };
};
const counting = (words: DataStream<string>) => words.keyBy((word) => word).process(count);

describe('the operator harness', () => {
  it('gives records and watermarks, and shows what comes out in order', async () => {
    const harness = await OperatorHarness.of(counting);
    harness.push('a', 3);
    harness.push('b', 14);
    harness.push('a', 5);
    expect(harness.elements).toEqual([]);
    harness.watermark(10);
    expect(harness.elements).toEqual([
      { type: 'record', value: 'a 2 event-time', timestamp: 10 },
      { type: 'watermark', timestamp: 10 },
    ]);
    harness.clear();
    harness.watermark(9);
    expect(harness.elements).toEqual([]);
    harness.watermark(25);
    expect(harness.values()).toEqual(['b 1 event-time']);
    expect(harness.watermarks()).toEqual([25]);
  });

  it('fires processing-time timers at their time', async () => {
    const harness = await OperatorHarness.of(counting);
    harness.push('a', 3);
    harness.advanceProcessingTime(499);
    expect(harness.records()).toEqual([]);
    harness.advanceProcessingTime(1);
    expect(harness.records()).toEqual([{ value: 'a 1 processing-time', timestamp: undefined }]);
    expect(harness.clock.now()).toBe(500);
  });

  it('shows side outputs by tag', async () => {
    const late = new OutputTag<number>('late');
    const harness = await OperatorHarness.of((numbers: DataStream<number>) =>
      numbers
        .keyBy((n) => n % 2)
        .window(TumblingEventTimeWindows.of(10))
        .sideOutputLateData(late)
        .reduce((a, b) => a + b),
    );
    harness.push(1, 1);
    harness.push(3, 2);
    harness.watermark(9);
    harness.push(5, 4);
    expect(harness.records()).toEqual([{ value: 4, timestamp: 9 }]);
    expect(harness.records(late)).toEqual([{ value: 5, timestamp: 4 }]);
    expect(harness.values(late)).toEqual([5]);
    expect(harness.elements.at(-1)).toEqual({ type: 'side-output', tag: 'late', value: 5, timestamp: 4 });
  });

  it('counts what was dropped as late', async () => {
    const harness = await OperatorHarness.of((numbers: DataStream<number>) =>
      numbers
        .keyBy(() => 0)
        .window(TumblingEventTimeWindows.of(10))
        .reduce((a, b) => a + b),
    );
    harness.watermark(9);
    harness.push(5, 4);
    expect(harness.lateRecordsDropped).toBe(1);
  });

  it.each([
    [1, 3],
    [3, 2],
    [4, 1],
  ])('restores state and timers from parallelism %i at %i', async (before, after) => {
    const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`);
    const first = await OperatorHarness.of(counting, { parallelism: before });
    for (const key of keys) first.push(key, 3);
    first.watermark(5);
    const snapshot = first.snapshot();
    first.push('key-0', 4); // is not in the snapshot any more
    const second = await OperatorHarness.of(counting, { parallelism: after, restored: snapshot });
    expect(second.watermarks()).toEqual([5]);
    for (const key of keys) second.push(key, 6);
    second.watermark(10);
    expect(second.values().sort()).toEqual(keys.map((key) => `${key} 2 event-time`).sort());
    expect(second.watermarks()).toEqual([5, 10]);
  });

  it('refuses a snapshot of state that is not plain data', async () => {
    const harness = await OperatorHarness.of((numbers: DataStream<number>) =>
      numbers
        .keyBy(() => 0)
        .process<number>((context) => {
          const state = context.getState(new ValueStateDescriptor<() => number>('f'));
          return { processElement: (n) => state.update(() => n) };
        }),
    );
    harness.push(1);
    let thrown: unknown;
    try {
      harness.snapshot();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(StreamRecordError);
    expect((thrown as Error).message).toContain('Cannot encode function');
  });

  it('throws what a function throws, also from timers', async () => {
    const harness = await OperatorHarness.of((numbers: DataStream<number>) =>
      numbers
        .keyBy(() => 0)
        .process<number>(() => ({
          processElement(n, { timers }) {
            if (n === 1) throw new Error('boom');
            timers.registerProcessingTimeTimer(10);
          },
          onTimer() {
            throw new Error('late boom');
          },
        })),
    );
    expect(() => harness.push(1)).toThrow('boom');
    harness.push(2);
    expect(() => harness.advanceProcessingTime(10)).toThrow('late boom');
    harness.push(2);
  });

  it('ends the input with +∞: event-time timers fire, processing-time timers do not', async () => {
    const harness = await OperatorHarness.of(counting);
    harness.push('a', 3);
    await harness.endInput();
    harness.advanceProcessingTime(1_000);
    expect(harness.elements).toEqual([
      { type: 'record', value: 'a 1 event-time', timestamp: 10 },
      { type: 'watermark', timestamp: Infinity },
    ]);
    await harness.close();
  });

  it('runs several operators, with watermarks merged over subtasks', async () => {
    const harness = await OperatorHarness.of(
      (numbers: DataStream<number>) =>
        numbers
          .map((n) => n * 2)
          .keyBy((n) => n)
          .window(SlidingEventTimeWindows.of(10, 5))
          .reduce((a, b) => a + b)
          .keyBy(() => 'all')
          .window(TumblingEventTimeWindows.of(5))
          .reduce((a, b) => a + b),
      { parallelism: 3 },
    );
    for (let n = 0; n < 10; n++) harness.push(n, n);
    harness.watermark(9);
    expect(harness.records()).toEqual([
      { value: 20, timestamp: 4 },
      { value: 90, timestamp: 9 },
    ]);
    expect(harness.watermarks()).toEqual([9]);
  });

  it('passes idleness on', async () => {
    const harness = await OperatorHarness.of(counting, { parallelism: 2 });
    harness.idle();
    harness.watermark(7);
    harness.idle(false);
    expect(harness.elements).toEqual([
      { type: 'idle', isIdle: true },
      { type: 'idle', isIdle: false },
      { type: 'watermark', timestamp: 7 },
    ]);
  });

  it('refuses programs with sources or sinks of their own', async () => {
    const error = await failureOf(
      OperatorHarness.of((numbers: DataStream<number>) => {
        numbers.print();
        return numbers.map((n) => n);
      }),
    );
    expect(error.message).toContain("has the sink 'Print'");
    const other = StreamExecutionEnvironment.getExecutionEnvironment().fromCollection([1]);
    await expect(OperatorHarness.of((numbers: DataStream<number>) => numbers.union(other))).rejects.toThrow(
      'different environments',
    );
  });

  it('gives two inputs their records, and the operator the minimum of their watermarks', async () => {
    const harness = await OperatorHarness.ofTwo((words: DataStream<string>, numbers: DataStream<number>) =>
      words
        .keyBy((word) => word.length)
        .connect(numbers.keyBy((n) => n))
        .process<string>((context) => {
          const seen = context.getState(new ValueStateDescriptor<string>('seen', { defaultValue: '' }));
          return {
            processElement1(word, { timers }) {
              seen.update(`${seen.value() ?? ''} ${word}`);
              timers.registerEventTimeTimer(10);
            },
            processElement2: (n, _context, out) => out.collect(`${n}:${seen.value() ?? ''}`),
            onTimer: (_timestamp, { currentKey }, out) => out.collect(`timer of ${currentKey}`),
          };
        }),
    );
    harness.pushLeft('one', 1);
    harness.pushLeft('two', 2);
    harness.pushRight(3, 3);
    harness.watermarkLeft(20);
    expect(harness.values()).toEqual(['3: one two']);
    harness.watermarkRight(10);
    expect(harness.elements.slice(1)).toEqual([
      { type: 'record', value: 'timer of 3', timestamp: 10 },
      { type: 'watermark', timestamp: 10 },
    ]);
    harness.idleRight();
    harness.idleRight(false);
    expect(harness.watermarks()).toEqual([10, 20]);
    harness.idle();
    harness.watermark(30);
    expect(harness.elements.slice(3)).toEqual([
      { type: 'watermark', timestamp: 20 },
      { type: 'idle', isIdle: true },
    ]);
  });

  it('goes back from idle to what the other input has', async () => {
    const harness = await OperatorHarness.ofTwo((a: DataStream<number>, b: DataStream<number>) =>
      a.connect(b).map({ map1: (n) => n, map2: (n) => -n }),
    );
    harness.idleLeft();
    harness.watermarkRight(5);
    harness.pushLeft(1);
    harness.pushRight(2);
    expect(harness.values()).toEqual([1, -2]);
    harness.idleLeft(false);
    harness.watermarkRight(7);
    harness.watermarkLeft(6);
    expect(harness.watermarks()).toEqual([5, 6]);
  });

  describe('with an operator that waits', () => {
    /** Holds up to two records; each comes out when its release is called, or by `drain` at the end. */
    const held: { readonly release: () => void }[] = [];
    const holding: OperatorFactory = (context, output) => {
      let waiting = 0;
      return {
        get isFull() {
          return waiting >= 2;
        },
        processElement(value, timestamp) {
          waiting++;
          const release = () =>
            context.post(() => {
              waiting--;
              if (value === 'bad') throw new Error('bad result');
              output.collect(value, timestamp);
            });
          held.push({ release });
        },
        processWatermark: (timestamp) => output.emitWatermark(timestamp),
        processIdle: (isIdle) => output.emitIdle(isIdle),
        drain: () => (waiting === 0 ? 'done' : 'wait'),
        finish: () => output.collect('finished', 0),
      };
    };
    const start = () => {
      held.length = 0;
      return OperatorHarness.of((input: DataStream<string>) => input.transform<string>('Hold', holding));
    };

    it('refuses a record where the engine would not give one', async () => {
      const harness = await start();
      harness.push('a', 1);
      expect(harness.isFull).toBe(false);
      harness.push('b', 2);
      expect(harness.isFull).toBe(true);
      expect(() => harness.push('c', 3)).toThrow('The operator is full');
      held[1]?.release();
      harness.push('c', 3);
      expect(harness.values()).toEqual(['b']);
    });

    it('drains before it finishes', async () => {
      const harness = await start();
      harness.push('a', 1);
      harness.push('b', 2);
      const end = harness.endInput();
      await until(() => true);
      expect(harness.records()).toEqual([]);
      held.forEach(({ release }) => release());
      await end;
      expect(harness.values()).toEqual(['a', 'b', 'finished']);
    });

    it('invariant 3: what fails in between is thrown by the next call', async () => {
      const harness = await start();
      harness.push('bad', 1);
      held[0]?.release();
      expect(() => harness.watermark(1)).toThrow('bad result');
      harness.watermark(2);
    });

    it('invariant 1: mail does not run in the middle of a record, nor after the end', async () => {
      const log: string[] = [];
      const harness = await OperatorHarness.of((input: DataStream<number>) =>
        input.transform<number>('Post', (context, output) => ({
          processElement(value, timestamp) {
            context.post(() => void log.push(`mail ${String(value)}`));
            context.schedule(100, () => void log.push('too late'));
            log.push(`record ${String(value)}`);
            output.collect(value, timestamp);
          },
          processWatermark: () => undefined,
          processIdle: () => undefined,
        })),
      );
      harness.push(1);
      harness.push(2);
      await harness.endInput();
      harness.advanceProcessingTime(100);
      expect(log).toEqual(['record 1', 'mail 1', 'record 2', 'mail 2']);
    });
  });

  it('ends keys in batch mode', async () => {
    const calls: string[] = [];
    const harness = await OperatorHarness.of(
      (input: DataStream<number>) =>
        input.transform<number>('Batch', ({ isBatch }, output) => ({
          processElement: (value) => void calls.push(`${String(value)} ${isBatch ? 'batch' : 'streaming'}`),
          processWatermark: () => undefined,
          processIdle: () => undefined,
          finishKey: () => output.collect(calls.length, 0),
        })),
      { runtimeMode: 'batch' },
    );
    harness.push(1);
    harness.push(1);
    harness.endKey();
    expect(calls).toEqual(['1 batch', '1 batch']);
    expect(harness.values()).toEqual([2]);
  });

  it('has what functions have counted, by subtask', async () => {
    const harness = await OperatorHarness.of(
      (input: DataStream<number>) =>
        input
          .keyBy((n) => n)
          .process<number>(({ metrics }) => ({ processElement: () => metrics.counter('seen').inc() })),
      { parallelism: 2 },
    );
    for (let n = 0; n < 10; n++) harness.push(n);
    const seen = ['0', '1'].map((subtask_index) => harness.metrics.value('operator_seen', { subtask_index }));
    expect(seen.every((count) => count! > 0)).toBe(true);
    expect(seen[0]! + seen[1]!).toBe(10);
  });

  it('refuses a snapshot with another number of key groups', async () => {
    const snapshot = (await OperatorHarness.of(counting)).snapshot();
    await expect(OperatorHarness.of(counting, { maxParallelism: 64, restored: snapshot })).rejects.toThrow(
      'max parallelism of 128',
    );
  });
});
