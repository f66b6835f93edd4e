/** Keyed state of every kind, brought to later versions while the job is rescaled 1 → 2 → 3 → 1. */
import { describe, expect, it } from 'vitest';
import {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateSchema,
  ValueStateDescriptor,
  type KeyedRuntimeContext,
} from '../../src/index.js';
import { refuseUnhandledRejections } from '../support/environment.js';
import { runPhases, runThrough, type Phase, type PhasedJob } from '../support/phases.js';

refuseUnhandledRejections();

/** Version 2: the number in an object; version 3: with a unit. Version 1 is the number itself. */
interface Boxed {
  readonly n: number;
  readonly unit?: string;
}
type Item = number | Boxed;

const first = StateSchema.initial<number>();
const second = first.migrate((n): Boxed => ({ n }));
const third = second.migrate((old): Boxed => ({ ...old, unit: 'pieces' }));

/** The program of a version: how it reads and writes what it has in its states. */
function itemsOf(version: number) {
  const schema = [first, second, third][version - 1] as StateSchema<Item>;
  const box = (n: number): Item => (version === 1 ? n : version === 2 ? { n } : { n, unit: 'pieces' });
  const unbox = (item: Item): number => {
    // A program knows its own version only.
    expect(item).toEqual(box(typeof item === 'number' ? item : item.n));
    return typeof item === 'number' ? item : item.n;
  };
  return { schema, box, unbox };
}

const ttl = { ttlMs: 3_600_000 };

function stateOf(context: KeyedRuntimeContext, version: number, hasTtl: boolean) {
  const { schema, box, unbox } = itemsOf(version);
  const options = { schema, ...(hasTtl && { ttl }) };
  const add = (a: Item, b: Item) => box(unbox(a) + unbox(b));
  const last = context.getState(new ValueStateDescriptor<Item>('last', options));
  const all = context.getListState(new ListStateDescriptor<Item>('all', options));
  const byRest = context.getMapState(new MapStateDescriptor<number, Item>('byRest', options));
  const sum = context.getReducingState(new ReducingStateDescriptor<Item>('sum', add, options));
  const squares = context.getAggregatingState(
    new AggregatingStateDescriptor<Item, Item, number>(
      'squares',
      {
        createAccumulator: () => box(0),
        add: (item, accumulator) => box(unbox(accumulator) + unbox(item) ** 2),
        getResult: unbox,
        merge: add,
      },
      options,
    ),
  );
  return {
    add(n: number): string {
      const before = last.value();
      last.update(box(n));
      all.add(box(n));
      byRest.put(n % 3, box(n));
      sum.add(box(n));
      squares.add(box(n));
      return JSON.stringify([
        before === undefined ? null : unbox(before),
        [...all.get()].map(unbox),
        [...byRest.entries()].map(([rest, item]) => [rest, unbox(item)]).sort(),
        unbox(sum.get()!),
        squares.get(),
      ]);
    },
  };
}

const KEYS = 7;
const RECORDS = 60;

function job(hasTtl: boolean): PhasedJob<number> {
  const inputs = [0, 1, 2, 3].map((phase) =>
    Array.from({ length: RECORDS / 4 }, (_, i) => ({ value: phase * (RECORDS / 4) + i })),
  );
  return {
    inputs,
    build: (stream, { version }) =>
      stream
        .keyBy((n) => `key ${n % KEYS}`)
        .process<string>((context) => {
          const state = stateOf(context, version, hasTtl);
          return {
            processElement: (n, { currentKey }, out) => out.collect(`${String(currentKey)} ${state.add(n)}`),
          };
        })
        .uid('states'),
  };
}

const rescaled = (versions: readonly number[]): Phase[] =>
  versions.map((version, index) => ({ version, parallelism: [1, 2, 3, 1][index]! }));

describe.each(['heap', 'disk'] as const)('state on %s that is migrated while it is rescaled', (backend) => {
  describe.each([false, true])('with a TTL: %s', (hasTtl) => {
    it.each([
      ['savepoint', [1, 2, 3, 3]],
      ['storage', [1, 2, 3, 3]],
      ['savepoint', [1, 3, 3, 3]],
      ['storage', [1, 1, 3, 3]],
    ] as const)('P9: has the same values, from each %s on, in versions %s', async (via, versions) => {
      const outputs = await runPhases(job(hasTtl), rescaled(versions), { backend, via });
      const expected = await runThrough(job(hasTtl), { parallelism: 1, version: 1 });
      expect(outputs.toSorted()).toEqual(expected.toSorted());
    });
  });
});
