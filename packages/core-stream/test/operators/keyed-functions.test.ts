import { describe, expect, it } from 'vitest';
import {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  ValueStateDescriptor,
  type DataStream,
  type KeyedProcessFunctionFactory,
} from '../../src/index.js';
import { OperatorHarness, type HarnessOptions } from '../../src/testing/index.js';

const batch: HarnessOptions = { runtimeMode: 'batch' };

function keyed(create: KeyedProcessFunctionFactory<string, string, string>, options?: HarnessOptions) {
  return OperatorHarness.of(
    (words: DataStream<string>) => words.keyBy((word) => word[0] ?? '').process(create),
    options,
  );
}

describe('a keyed function in batch mode', () => {
  it('gets its timers when the key ends, at +∞, and no watermark leaves', async () => {
    const harness = await keyed(
      () => ({
        processElement(word, { timers, currentWatermark }, out) {
          out.collect(`${word} at ${currentWatermark}`);
          timers.registerEventTimeTimer(word === 'a1' ? 20 : 10);
          timers.registerProcessingTimeTimer(5);
        },
        onTimer: (timestamp, context, out) =>
          out.collect(
            `${context.currentKey}@${timestamp} ${context.timeDomain} at ${context.currentWatermark}`,
          ),
      }),
      batch,
    );
    harness.push('a1', 1);
    harness.push('a2', 2);
    harness.advanceProcessingTime(1000);
    harness.endKey();
    expect(harness.values()).toEqual([
      'a1 at -Infinity',
      'a2 at -Infinity',
      'a@10 event-time at Infinity',
      'a@20 event-time at Infinity',
      'a@5 processing-time at Infinity',
    ]);
    harness.clear();
    harness.push('b', 1);
    harness.endKey();
    expect(harness.values()).toEqual([
      'b at -Infinity',
      'b@10 event-time at Infinity',
      'b@5 processing-time at Infinity',
    ]);
    expect(harness.watermarks()).toEqual([]);
  });

  it('gets the event-time timers that its timers set, and no further processing-time timers', async () => {
    const harness = await keyed(
      () => ({
        processElement: (_word, { timers }) => timers.registerProcessingTimeTimer(1),
        onTimer(timestamp, { timers, timeDomain }, out) {
          out.collect(`${timeDomain} ${timestamp}`);
          if (timestamp === 3) return;
          timers.registerEventTimeTimer(timestamp + 1);
          timers.registerProcessingTimeTimer(timestamp + 1);
        },
      }),
      batch,
    );
    for (const word of ['a', 'b']) {
      harness.push(word, 1);
      harness.endKey();
    }
    const each = ['processing-time 1', 'event-time 2', 'event-time 3'];
    expect(harness.values()).toEqual([...each, ...each]);
  });

  it('leaves no state behind when the key has ended', async () => {
    const harness = await keyed((context) => {
      const count = context.getState(new ValueStateDescriptor<number>('n', { defaultValue: 0 }));
      return {
        processElement(_word, { timers }) {
          count.update((count.value() ?? 0) + 1);
          timers.registerEventTimeTimer(9);
        },
        onTimer: (_timestamp, { currentKey }, out) => out.collect(`${currentKey} ${String(count.value())}`),
      };
    }, batch);
    for (const word of ['a', 'a', 'b']) {
      harness.push(word, 1);
      harness.endKey();
    }
    expect(harness.values()).toEqual(['a 1', 'a 1', 'b 1']);
    expect(harness.snapshot().rows).toEqual([]);
  });
});

describe('state of a keyed function', () => {
  it('is had of every kind, and goes on at another parallelism', async () => {
    const create: KeyedProcessFunctionFactory<string, string, string> = (context) => {
      const longest = context.getReducingState(
        new ReducingStateDescriptor<string>('longest', (a, b) => (b.length > a.length ? b : a)),
      );
      const mean = context.getAggregatingState(
        new AggregatingStateDescriptor('mean', {
          createAccumulator: (): readonly [number, number] => [0, 0],
          add: (word: string, [sum, count]) => [sum + word.length, count + 1] as const,
          getResult: ([sum, count]) => sum / count,
          merge: (a, b) => [a[0] + b[0], a[1] + b[1]] as const,
        }),
      );
      const seen = context.getMapState(new MapStateDescriptor<string, number>('seen'));
      return {
        processElement(word, _context, out) {
          longest.add(word);
          mean.add(word);
          seen.put(word, (seen.get(word) ?? 0) + 1);
          out.collect(`${String(longest.get())} ${String(mean.get())} ${[...seen.keys()].join()}`);
        },
      };
    };
    const first = await keyed(create, { parallelism: 2 });
    for (const word of ['ab', 'b', 'abcd']) first.push(word);
    const second = await keyed(create, { parallelism: 3, restored: first.snapshot() });
    for (const word of ['a', 'bcd']) second.push(word);
    expect(second.values()).toEqual(['abcd 2.3333333333333335 ab,abcd,a', 'bcd 2 b,bcd']);
  });

  it('ages by the clock where its TTL says so', async () => {
    const harness = await keyed((context) => {
      const last = context.getState(new ValueStateDescriptor<string>('last', { ttl: { ttlMs: 100 } }));
      return {
        processElement(word, _context, out) {
          out.collect(`${word} after ${String(last.value())}`);
          last.update(word);
        },
      };
    });
    harness.push('a1');
    harness.advanceProcessingTime(99);
    harness.push('a2');
    harness.advanceProcessingTime(100);
    harness.push('a3');
    expect(harness.values()).toEqual(['a1 after undefined', 'a2 after a1', 'a3 after undefined']);
  });

  it('that ages by event time is seen by every timer within its TTL, however far the watermark jumps', async () => {
    const create: KeyedProcessFunctionFactory<string, string, string> = (context) => {
      const ttl = { ttlMs: 100, timeDomain: 'event-time' as const };
      const words = context.getListState(new ListStateDescriptor<string>('words', { ttl }));
      return {
        processElement(word, { timers, timestamp = 0 }) {
          words.add(word);
          timers.registerEventTimeTimer(timestamp + 60);
          timers.registerEventTimeTimer(timestamp + 160);
        },
        onTimer: (timestamp, _context, out) => out.collect(`${timestamp} ${words.get().join()}`),
      };
    };
    for (const jump of [Infinity, 1000]) {
      const harness = await keyed(create);
      harness.watermark(0);
      harness.push('a1', 1);
      harness.watermark(50);
      harness.push('a2', 51);
      harness.watermark(jump);
      // a1 is from 0, a2 from 50: watermarks, not timestamps.
      expect(harness.values()).toEqual(['61 a1,a2', '111 a2', '161 ', '211 ']);
    }
  });

  it('does not age by event time in batch mode', async () => {
    const harness = await keyed((context) => {
      const ttl = { ttlMs: 1, timeDomain: 'event-time' as const };
      const last = context.getState(new ValueStateDescriptor<string>('last', { ttl }));
      return {
        processElement(word, { timers }) {
          last.update(word);
          timers.registerEventTimeTimer(1e6);
        },
        onTimer: (_timestamp, _context, out) => out.collect(String(last.value())),
      };
    }, batch);
    for (const word of ['a', 'b']) {
      harness.push(word, 1);
      harness.endKey();
    }
    expect(harness.values()).toEqual(['a', 'b']);
  });
});

describe('operator state', () => {
  const total = new ListStateDescriptor<number>('total');
  const firsts = new ListStateDescriptor<string>('firsts');

  it('of a keyed function is brought up to date right before a snapshot, without a current key', async () => {
    const ids: number[] = [];
    const create: KeyedProcessFunctionFactory<string, string, string> = (context) => {
      const count = context.getState(new ValueStateDescriptor<number>('count'));
      const stored = context.getOperatorListState(total);
      let records = stored.get().reduce((a, b) => a + b, 0);
      return {
        processElement(word, _context, out) {
          count.update((count.value() ?? 0) + 1);
          out.collect(`${word} ${++records}`);
        },
        snapshotState(checkpointId) {
          ids.push(checkpointId);
          expect(count.value()).toBeUndefined();
          stored.update([records]);
        },
      };
    };
    const first = await keyed(create);
    for (const word of ['a', 'b']) first.push(word);
    const snapshot = first.snapshot();
    first.push('a');
    expect(first.values()).toEqual(['a 1', 'b 2', 'a 3']);
    const second = await keyed(create, { restored: snapshot });
    second.push('c');
    expect(second.values()).toEqual(['c 3']);
    expect(ids).toHaveLength(1);
  });

  it('of a function without keys goes to all subtasks: dealt out, or everything to each', async () => {
    const build = (words: DataStream<string>) =>
      words.rebalance().process<string>((context) => {
        const own = context.getOperatorListState(total);
        const all = context.getUnionListState(firsts);
        const restored = [own.get().join('+'), [...all.get()].sort().join('+')];
        own.update([]);
        all.update([]);
        const words: string[] = [];
        return {
          processElement(word, _context, out) {
            words.push(word);
            out.collect(`${context.subtaskIndex}: ${restored.join(' ')}`);
          },
          snapshotState() {
            own.update(words.map((word) => word.length));
            all.update(words.slice(0, 1));
          },
        };
      });
    const first = await OperatorHarness.of(build, { parallelism: 2 });
    for (const word of ['a', 'bb', 'ccc', 'dddd']) first.push(word);
    const third = await OperatorHarness.of(build, { parallelism: 3, restored: first.snapshot() });
    for (const word of ['x', 'y', 'z']) third.push(word);
    const restored = third.values().map((value) => value.split(' '));
    expect(
      restored
        .map(([, own]) => own?.split('+') ?? [])
        .flat()
        .sort(),
    ).toEqual(['1', '2', '3', '4']);
    expect(restored.map(([, , all]) => all)).toEqual(['a+bb', 'a+bb', 'a+bb']);
  });
});
