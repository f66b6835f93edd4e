/** SPEC.md, "Keys": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { keyGroupOf, ValueStateDescriptor, type DataStream } from '../../src/index.js';
import { subtaskOfKeyGroup } from '../../src/state/key-groups.js';
import { OperatorHarness } from '../../src/testing/index.js';

/** How many records of the same key there were before, and in which subtask. */
const count = (keys: DataStream<unknown>) =>
  keys
    .keyBy((key) => key)
    .process<{ readonly before: number; readonly subtask: number }>((context) => {
      const seen = context.getState(new ValueStateDescriptor<number>('seen', { defaultValue: 0 }));
      return {
        processElement(_key, _context, out) {
          const before = seen.value() ?? 0;
          seen.update(before + 1);
          out.collect({ before, subtask: context.subtaskIndex });
        },
      };
    });

async function countsOf(keys: readonly unknown[], parallelism = 3): Promise<number[]> {
  const harness = await OperatorHarness.of(count, { parallelism });
  for (const key of keys) harness.push(key);
  return harness.values().map(({ before }) => before);
}

describe('keys', () => {
  it('K1: keys are equal by value, not by identity', async () => {
    expect(
      await countsOf([
        [1, 'a'],
        [1, 'a'],
        [1, 'b'],
      ]),
    ).toEqual([0, 1, 0]);
    expect(await countsOf([{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }])).toEqual([0, 1, 0]);
    expect(await countsOf([new Date(5), new Date(5), 5])).toEqual([0, 1, 0]);
    expect(await countsOf([0, -0, NaN, -NaN, [0], [-0]])).toEqual([0, 1, 0, 1, 0, 1]);
    expect(await countsOf([1, 1n, '1', true, null, undefined, [1]])).toEqual([0, 0, 0, 0, 0, 0, 0]);
    // One letter to a reader, two sequences of code units.
    expect(await countsOf(['\u00e9', 'e\u0301', '\u00e9'])).toEqual([0, 0, 1]);
  });

  it('K1: … whatever they are made of', async () => {
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.bigInt());
    const key = fc.oneof(
      leaf,
      fc.array(leaf, { maxLength: 3 }),
      fc.dictionary(fc.string(), leaf, { maxKeys: 3 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(key, { minLength: 1, maxLength: 10 }), async (keys) => {
        const copies = keys.map((each) =>
          typeof each === 'object' && each !== null && !Array.isArray(each)
            ? Object.fromEntries(Object.entries(each).reverse())
            : structuredClone(each),
        );
        const counts = await countsOf([...new Map(keys.map((each) => [show(each), each])).values()]);
        expect(counts.every((before) => before === 0)).toBe(true);
        const twice = await countsOf([...keys, ...copies]);
        expect(twice.slice(keys.length).every((before) => before > 0)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('K2: a key belongs to one key group and one subtask', async () => {
    const keys = Array.from({ length: 50 }, (_, n) => ({ n }));
    for (const parallelism of [1, 2, 5]) {
      const harness = await OperatorHarness.of(count, { parallelism, maxParallelism: 16 });
      for (const key of keys) harness.push(key);
      expect(harness.values().map(({ subtask }) => subtask)).toEqual(
        keys.map((key) => subtaskOfKeyGroup(keyGroupOf(key, 16), parallelism, 16)),
      );
    }
  });

  it('K3: what cannot be told apart by value is no key', async () => {
    class Point {
      readonly x = 1;
    }
    for (const key of [new Point(), () => 1, Symbol('s'), [new Map()]]) {
      const harness = await OperatorHarness.of(count);
      expect(() => harness.push(key)).toThrow('Cannot encode');
    }
  });
});

/** Equal for equal keys, and for no others. */
function show(key: unknown): string {
  if (typeof key !== 'object' || key === null || Array.isArray(key))
    return (
      JSON.stringify(key, (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}n` : Object.is(value, -0) ? 0 : value,
      ) + typeof key
    );
  return show(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1))) + 'object';
}
