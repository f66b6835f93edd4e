import { describe, expect, it } from 'vitest';
import {
  OutputTag,
  SlidingEventTimeWindows,
  type AggregateFunction,
  type DataStream,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';

interface Counter {
  n: number;
}

/** Counts records, and how often each of its methods is called. */
function counting(sharesPanes: boolean | undefined) {
  const calls = { add: 0, merge: 0 };
  const count: AggregateFunction<number, Counter, number> = {
    createAccumulator: () => ({ n: 0 }),
    add: (_value, counter) => {
      calls.add++;
      counter.n++;
      return counter;
    },
    getResult: ({ n }) => n,
    merge: (a, b) => {
      calls.merge++;
      return { n: a.n + b.n };
    },
    ...(sharesPanes === undefined ? {} : { sharesPanes }),
  };
  return { calls, count };
}

const sliding = SlidingEventTimeWindows.of(10, 2);
const late = new OutputTag<number>('late');
const program =
  <ACC>(aggregate: AggregateFunction<number, ACC, number>, latenessMs = 0) =>
  (input: DataStream<number>) =>
    input
      .keyBy(() => 'k')
      .window(sliding)
      .allowedLateness(latenessMs)
      .sideOutputLateData(late)
      .aggregate(aggregate);

describe('sliding windows that share slices', () => {
  it.each([
    ['says so', true, 20],
    ['says that it must not', false, 100],
    ['says nothing, and has objects for accumulators', undefined, 100],
  ])('add a record once where the aggregate %s', async (_what, sharesPanes, adds) => {
    const { calls, count } = counting(sharesPanes);
    const harness = await OperatorHarness.of(program(count));
    for (let at = 0; at < 20; at++) harness.push(at, at);
    await harness.endInput();
    expect(calls.add).toBe(adds);
    expect(harness.values()).toEqual([2, 4, 6, 8, 10, 10, 10, 10, 10, 10, 8, 6, 4, 2]);
  });

  it('add a record once where accumulators are primitives', async () => {
    let adds = 0;
    const harness = await OperatorHarness.of(
      program({
        createAccumulator: () => 0,
        add: (_value: number, n: number) => (adds++, n + 1),
        getResult: (n) => n,
        merge: (a, b) => a + b,
      }),
    );
    for (let at = 0; at < 20; at++) harness.push(at, at);
    expect(adds).toBe(20);
  });

  it('slice invariant 3: a record is late where the last of its windows is', async () => {
    const harness = await OperatorHarness.of(program(counting(true).count, 3));
    harness.watermark(21);
    harness.push(8, 8); // its last window is [8, 18): 17 + 3 ≤ 21
    harness.push(10, 10); // [10, 20): 19 + 3 > 21
    expect(harness.values(late)).toEqual([8]);
    expect(harness.values()).toEqual([1]); // [10, 20) at once; those before it are gone
  });

  it('slice invariant 4: a late record that is allowed emits its windows again, with all their slices', async () => {
    const harness = await OperatorHarness.of(program(counting(true).count, 100));
    for (const at of [1, 3, 5, 7]) harness.push(at, at);
    harness.watermark(9);
    harness.clear();
    harness.push(4, 4);
    expect(harness.records()).toEqual([
      { value: 4, timestamp: 5 }, // [-4, 6)
      { value: 5, timestamp: 7 },
      { value: 5, timestamp: 9 },
    ]);
  });

  it('slice invariant 5: merging changes no accumulator: later windows see what they should', async () => {
    const { calls, count } = counting(true);
    const harness = await OperatorHarness.of(program(count));
    for (const at of [0, 2, 4]) harness.push(at, at);
    harness.watermark(7);
    harness.push(5, 5); // late for the windows that have fired, not for those to come
    harness.clear();
    await harness.endInput();
    expect(harness.values()).toEqual([4, 3, 2]);
    expect(calls.merge).toBeGreaterThan(0);
  });

  it('slice invariant 2: nothing is left when the last window has fired', async () => {
    const build = program(counting(true).count);
    const harness = await OperatorHarness.of(build);
    const untouched = await OperatorHarness.of(build);
    for (let at = 0; at < 20; at++) harness.push(at, 20 - at);
    for (const each of [harness, untouched]) each.watermark(1_000);
    expect(harness.snapshot()).toEqual(untouched.snapshot());
  });
});
