/** SPEC.md, "Joins": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { TumblingEventTimeWindows, type DataStream, type JoinType } from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';

interface Record {
  readonly id: string;
  readonly key: string;
  readonly at: number;
}

const TYPES: readonly JoinType[] = ['inner', 'left', 'right', 'full'];
const records = (side: string) =>
  fc
    .array(fc.record({ key: fc.constantFrom('a', 'b'), at: fc.integer({ min: -20, max: 20 }) }), {
      maxLength: 8,
    })
    .map((all) => all.map((each, n) => ({ ...each, id: `${side}${n}` })));

/** Every pair that `isPair` accepts, and what the type says of records without one. */
function naiveJoin(
  type: JoinType,
  left: readonly Record[],
  right: readonly Record[],
  isPair: (left: Record, right: Record) => boolean,
): string[] {
  const pairs = left.flatMap((l) => right.filter((r) => isPair(l, r)).map((r) => `${l.id} ${r.id}`));
  const loneLeft = left.filter((l) => !right.some((r) => isPair(l, r))).map(({ id }) => `${id} -`);
  const loneRight = right.filter((r) => !left.some((l) => isPair(l, r))).map(({ id }) => `- ${id}`);
  return [
    ...pairs,
    ...(type === 'left' || type === 'full' ? loneLeft : []),
    ...(type === 'right' || type === 'full' ? loneRight : []),
  ].sort();
}

const interval =
  (type: JoinType, lower: number, upper: number) => (left: DataStream<Record>, right: DataStream<Record>) =>
    left
      .keyBy(({ key }) => key)
      .intervalJoin(
        right.keyBy(({ key }) => key),
        type,
      )
      .between(lower, upper)
      .process<string>((l, r, _context, out) => out.collect(`${l?.id ?? '-'} ${r?.id ?? '-'}`));

describe('joins', () => {
  it.each(TYPES)(
    'J1: a %s interval join gives every pair, and the lone records of its sides',
    async (type) => {
      await fc.assert(
        fc.asyncProperty(
          records('l'),
          records('r'),
          fc.integer({ min: -10, max: 10 }),
          fc.nat(10),
          async (left, right, lower, span) => {
            const upper = lower + span;
            const harness = await OperatorHarness.ofTwo(interval(type, lower, upper));
            const both = [
              ...left.map((record) => ({ record, push: () => harness.pushLeft(record, record.at) })),
              ...right.map((record) => ({ record, push: () => harness.pushRight(record, record.at) })),
            ].sort((x, y) => x.record.at - y.record.at);
            for (const { record, push } of both) {
              push();
              harness.watermark(record.at - 1);
            }
            await harness.endInput();
            const isPair = (l: Record, r: Record) =>
              l.key === r.key && r.at - l.at >= lower && r.at - l.at <= upper;
            expect(harness.values().sort()).toEqual(naiveJoin(type, left, right, isPair));
          },
        ),
        { numRuns: 100 },
      );
    },
  );

  it('J2: both bounds of an interval belong to it', async () => {
    const harness = await OperatorHarness.ofTwo(interval('inner', -5, 5));
    const at = (id: string, time: number) => ({ id, key: 'a', at: time });
    harness.pushLeft(at('l', 100), 100);
    for (const time of [94, 95, 105, 106]) harness.pushRight(at(String(time), time), time);
    expect(harness.values()).toEqual(['l 95', 'l 105']);
  });

  it('J5: a record is late for an interval join when its timestamp is below the watermark', async () => {
    const harness = await OperatorHarness.ofTwo(interval('inner', -5, 5));
    const at = (id: string, time: number) => ({ id, key: 'a', at: time });
    harness.pushLeft(at('l', 100), 100);
    harness.watermark(101);
    harness.pushRight(at('late', 100), 100);
    harness.pushRight(at('at the watermark', 101), 101);
    expect(harness.values()).toEqual(['l at the watermark']);
    expect(harness.lateRecordsDropped).toBe(1);
  });

  it.each(TYPES)(
    'J3: a %s window join gives every pair of a window, and the lone records of its sides',
    async (type) => {
      const program = (left: DataStream<Record>, right: DataStream<Record>) =>
        left
          .join(right, type)
          .where(({ key }) => key)
          .equalTo(({ key }) => key)
          .window(TumblingEventTimeWindows.of(10))
          .apply((l, r) => `${l?.id ?? '-'} ${r?.id ?? '-'}`);
      const windowOf = ({ at }: Record) => Math.floor(at / 10);
      await fc.assert(
        fc.asyncProperty(records('l'), records('r'), async (left, right) => {
          const harness = await OperatorHarness.ofTwo(program, { parallelism: 2 });
          for (const record of left) harness.pushLeft(record, record.at);
          for (const record of right) harness.pushRight(record, record.at);
          harness.watermark(100);
          const isPair = (l: Record, r: Record) => l.key === r.key && windowOf(l) === windowOf(r);
          expect(harness.values().sort()).toEqual(naiveJoin(type, left, right, isPair));
          for (const { timestamp = 0 } of harness.records())
            expect(Math.abs(timestamp % 10)).toBe(timestamp < 0 ? 1 : 9);
        }),
        { numRuns: 60 },
      );
    },
  );

  it('J4: a coGroup sees each key and window of either side once, with all its records', async () => {
    const program = (left: DataStream<Record>, right: DataStream<Record>) =>
      left
        .coGroup(right)
        .where(({ key }) => key)
        .equalTo(({ key }) => key)
        .window(TumblingEventTimeWindows.of(10))
        .apply<string>((lefts, rights, out) =>
          out.collect(`${lefts.map(({ id }) => id).join()}/${rights.map(({ id }) => id).join()}`),
        );
    const harness = await OperatorHarness.ofTwo(program);
    const at = (id: string, key: string, time: number) => ({ id, key, at: time });
    harness.pushRight(at('r1', 'a', 9), 9);
    harness.pushLeft(at('l1', 'a', 1), 1);
    harness.pushLeft(at('l2', 'a', 0), 0);
    harness.pushLeft(at('l3', 'b', 0), 0);
    harness.pushRight(at('r2', 'a', 10), 10);
    await harness.endInput();
    expect(harness.values().sort()).toEqual(['/r2', 'l1,l2/r1', 'l3/']);
  });
});
