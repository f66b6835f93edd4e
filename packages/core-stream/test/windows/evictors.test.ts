import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CountEvictor,
  CountTrigger,
  DeltaEvictor,
  EventTimeSessionWindows,
  GlobalWindows,
  TimeEvictor,
  TumblingEventTimeWindows,
  type DataStream,
  type Evictor,
  type GlobalWindow,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';

type Timed = readonly [value: number, timestamp: number];

/** Fires at every second record; what has been seen is joined. */
const program = (evictor: Evictor<number, GlobalWindow>) => (input: DataStream<number>) =>
  input
    .keyBy(() => 'k')
    .window(GlobalWindows.create())
    .trigger(CountTrigger.of(2))
    .evictor(evictor)
    .process<string>((_key, _context, elements, out) => out.collect([...elements].join()));

const records = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: -20, max: 20 })), {
  maxLength: 30,
});

async function emitsLike(
  evictor: (doEvictAfter: boolean) => Evictor<number, GlobalWindow>,
  keep: (elements: readonly Timed[]) => readonly Timed[],
  isTimed = true,
) {
  await fc.assert(
    fc.asyncProperty(records, fc.boolean(), async (records, doEvictAfter) => {
      const harness = await OperatorHarness.of(program(evictor(doEvictAfter)));
      let elements: readonly Timed[] = [];
      const expected: string[] = [];
      for (const [index, [value, timestamp]] of records.entries()) {
        if (isTimed) harness.push(value, timestamp);
        else harness.push(value);
        elements = [...elements, [value, timestamp]];
        if (index % 2 === 0) continue;
        const kept = keep(elements);
        expected.push((doEvictAfter ? elements : kept).map(([seen]) => seen).join());
        elements = kept;
      }
      expect(harness.values()).toEqual(expected);
    }),
    { numRuns: 60 },
  );
}

describe('evictors', () => {
  it('CountEvictor keeps the newest records', () =>
    emitsLike(
      (after) => CountEvictor.of(3, after),
      (elements) => elements.slice(-3),
    ));

  it('TimeEvictor keeps records that are less than its time older than the newest', () =>
    emitsLike(
      (after) => TimeEvictor.of(10, after),
      (elements) => {
        const newest = Math.max(...elements.map(([, at]) => at));
        return elements.filter(([, at]) => at > newest - 10);
      },
    ));

  it('TimeEvictor keeps all where there are no timestamps', () =>
    emitsLike(
      (after) => TimeEvictor.of(10, after),
      (elements) => elements,
      false,
    ));

  it('DeltaEvictor keeps records that are less than the threshold away from the newest', () =>
    emitsLike(
      (after) => DeltaEvictor.of(5, (from: number, to: number) => Math.abs(from - to), after),
      (elements) => elements.filter(([value]) => Math.abs(value - elements.at(-1)![0]) < 5),
    ));

  it('of one’s own see window and time, and may evict on both sides of the function', async () => {
    const seen: string[] = [];
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input
        .keyBy(() => 'k')
        .window(TumblingEventTimeWindows.of(10))
        .allowedLateness(100)
        .evictor({
          evictBefore: (elements, window, context) => {
            seen.push(`${window.start} at ${context.currentWatermark}: ${elements.length}`);
            return elements.filter(({ value }) => value > 0);
          },
          evictAfter: (elements) => elements.slice(1),
        })
        .process<string>((_key, _context, elements, out) => out.collect([...elements].join())),
    );
    for (const value of [-1, 1, 2]) harness.push(value, 1);
    harness.watermark(9);
    harness.push(3, 2);
    expect(harness.values()).toEqual(['1,2', '2,3']);
    expect(seen).toEqual(['0 at 9: 3', '0 at 9: 2']);
  });

  it('work on windows that merge, and over a restore', async () => {
    const build = (input: DataStream<number>) =>
      input
        .keyBy(() => 'k')
        .window(EventTimeSessionWindows.withGap(10))
        .evictor(CountEvictor.of(2))
        .process<string>((_key, _context, elements, out) => out.collect([...elements].join()));
    const before = await OperatorHarness.of(build);
    before.push(20, 20);
    before.push(1, 1);
    const harness = await OperatorHarness.of(build, { restored: before.snapshot() });
    harness.push(11, 11);
    harness.watermark(100);
    expect(harness.values()).toEqual(['20,11']);
  });
});
