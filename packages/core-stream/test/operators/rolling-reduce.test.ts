import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DataStream, KeyedStream } from '../../src/index.js';
import { OperatorHarness, type HarnessOptions } from '../../src/testing/index.js';

interface Sale {
  readonly shop: string;
  readonly item: string;
  readonly price: number;
  readonly stock: bigint;
  readonly at: Date;
}

const sale = (shop: string, item: string, price: number): Sale => ({
  shop,
  item,
  price,
  stock: BigInt(price),
  at: new Date(price),
});
const sales = [sale('a', 'x', 5), sale('b', 'x', 1), sale('a', 'y', 2), sale('a', 'z', 7), sale('b', 'y', 1)];

function rolling(
  build: (sales: KeyedStream<Sale, string>) => DataStream<Sale>,
  options: HarnessOptions = {},
) {
  return OperatorHarness.of((input: DataStream<Sale>) => build(input.keyBy(({ shop }) => shop)), options);
}

async function results(build: (sales: KeyedStream<Sale, string>) => DataStream<Sale>): Promise<string[]> {
  const harness = await rolling(build);
  for (const each of sales) harness.push(each);
  return harness.values().map(({ shop, item, price }) => `${shop} ${item} ${price}`);
}

describe('rolling operations', () => {
  it.each([
    ['sum', (s: KeyedStream<Sale, string>) => s.sum('price'), ['a x 5', 'b x 1', 'a x 7', 'a x 14', 'b x 2']],
    ['min', (s: KeyedStream<Sale, string>) => s.min('price'), ['a x 5', 'b x 1', 'a x 2', 'a x 2', 'b x 1']],
    ['max', (s: KeyedStream<Sale, string>) => s.max('price'), ['a x 5', 'b x 1', 'a x 5', 'a x 7', 'b x 1']],
    ['minBy', (s: KeyedStream<Sale, string>) => s.minBy('at'), ['a x 5', 'b x 1', 'a y 2', 'a y 2', 'b x 1']],
    [
      'maxBy',
      (s: KeyedStream<Sale, string>) => s.maxBy('stock'),
      ['a x 5', 'b x 1', 'a x 5', 'a z 7', 'b x 1'],
    ],
  ])("%s gives the key's result so far with each record", async (_name, build, expected) => {
    expect(await results(build)).toEqual(expected);
  });

  it('sum adds bigints, min and max compare text', async () => {
    const harness = await rolling((s) => s.sum('stock'));
    for (const each of sales) harness.push(each);
    expect(harness.values().map(({ stock }) => stock)).toEqual([5n, 1n, 7n, 14n, 2n]);
    expect(await results((s) => s.max('item'))).toEqual(['a x 5', 'b x 1', 'a y 5', 'a z 5', 'b y 1']);
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['string', '5'],
  ])('sum refuses a record that has %s in its field', async (shown, price) => {
    const harness = await rolling((s) => s.sum('price'));
    harness.push(sale('a', 'x', 5));
    expect(() => harness.push({ ...sale('a', 'y', 5), price } as unknown as Sale)).toThrow(
      `sum('price') needs a number or a bigint there, but a record has ${shown}`,
    );
  });

  it('reduce agrees with folding each key, with the timestamp of the record', async () => {
    const records = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(9)), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(records, fc.boolean(), async (pairs, isRestored) => {
        const build = (input: DataStream<[string, number]>) =>
          input.keyBy(([key]) => key).reduce(([key, a], [, b]) => [key, a + b]);
        const first = await OperatorHarness.of(build, { parallelism: 2 });
        const half = isRestored ? pairs.length >> 1 : pairs.length;
        for (const [index, pair] of pairs.slice(0, half).entries()) first.push(pair, index);
        const second = await OperatorHarness.of(build, { parallelism: 1, restored: first.snapshot() });
        for (const [index, pair] of pairs.slice(half).entries()) second.push(pair, half + index);
        const sums = new Map<string, number>();
        const expected = pairs.map(([key, value], timestamp) => {
          sums.set(key, (sums.get(key) ?? 0) + value);
          return { value: [key, sums.get(key)], timestamp };
        });
        expect([...first.records(), ...second.records()]).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it('never changes a record', async () => {
    const frozen = sales.map((each) => Object.freeze({ ...each }));
    for (const build of [
      (s: KeyedStream<Sale, string>) => s.sum('price'),
      (s: KeyedStream<Sale, string>) => s.min('price'),
    ]) {
      const harness = await rolling(build);
      for (const each of frozen) harness.push(each);
      const emitted = harness.values();
      expect(new Set(emitted.slice(0, 3)).size).toBe(3);
      expect(frozen).toEqual(sales);
    }
  });

  it('emit only the final result of a key in batch mode, with the time of its last record', async () => {
    const harness = await rolling((s) => s.sum('price'), { runtimeMode: 'batch' });
    for (const shop of ['a', 'b']) {
      for (const each of sales.filter((one) => one.shop === shop)) harness.push(each, each.price);
      harness.endKey();
    }
    expect(harness.records().map(({ value, timestamp }) => [value.shop, value.price, timestamp])).toEqual([
      ['a', 14, 7],
      ['b', 2, 1],
    ]);
  });

  it('pass watermarks and idleness on', async () => {
    const harness = await rolling((s) => s.sum('price'));
    harness.watermark(5);
    harness.idle();
    expect(harness.elements).toEqual([
      { type: 'watermark', timestamp: 5 },
      { type: 'idle', isIdle: true },
    ]);
  });
});
