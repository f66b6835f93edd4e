import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  CheckpointError,
  ListStateDescriptor,
  MapStateDescriptor,
  StateSchema,
  StreamConfigError,
  ValueStateDescriptor,
} from '../../src/index.js';
import { HeapBroadcastState } from '../../src/state/broadcast-state.js';
import { HeapOperatorState } from '../../src/state/operator-state.js';
import { migrateContent } from '../../src/state/state-migration.js';
import { migrationOf } from '../../src/state/state-schema.js';

const cart = StateSchema.initial<{ items: string[] }>()
  .migrate((old) => ({ ...old, currency: 'EUR' }))
  .migrate((old) => ({ ...old, count: old.items.length }));

describe('a state schema', () => {
  it('counts its versions from 1, which is also that of state without a schema', () => {
    expect(StateSchema.initial<string>().version).toBe(1);
    expect(cart.version).toBe(3);
    expect(migrationOf(undefined, 1, 'x')).toBeUndefined();
    expect(migrationOf(StateSchema.initial(), 1, 'x')).toBeUndefined();
  });

  it('takes a value through all migrations from its version on', () => {
    expect(cart.migrationFrom(1, 'x')({ items: ['a'] })).toEqual({ items: ['a'], currency: 'EUR', count: 1 });
    expect(cart.migrationFrom(2, 'x')({ items: ['a'], currency: 'USD' })).toEqual({
      items: ['a'],
      currency: 'USD',
      count: 1,
    });
    expect(cart.migrationFrom(3, 'x')({ items: [] })).toEqual({ items: [] });
  });

  it('refuses state of a later version, naming both', () => {
    expect(() => cart.migrationFrom(4, "State 'cart'")).toThrow(
      "State 'cart' has version 4 in the checkpoint, but version 3 in the program",
    );
    expect(() => migrationOf(undefined, 2, "State 'cart'")).toThrow(CheckpointError);
  });

  it('refuses state of a version that it has given up', () => {
    const recent = StateSchema.startingAt<{ n: number }>(4).migrate(({ n }) => n);
    expect(recent.version).toBe(5);
    expect(recent.migrationFrom(4, 'x')({ n: 1 })).toBe(1);
    expect(() => recent.migrationFrom(3, "State 'n'")).toThrow('reads versions from 4 on');
  });

  it('names the migration that failed', () => {
    const broken = cart.migrate(() => {
      throw new Error('no price');
    });
    expect(() => broken.migrationFrom(2, "State 'cart'")({ items: [], currency: 'EUR' })).toThrow(
      "State 'cart' could not be migrated from version 3 to 4: Error: no price",
    );
  });

  it('refuses what is no version', () => {
    expect(() => StateSchema.startingAt(0)).toThrow(StreamConfigError);
    expect(() => StateSchema.startingAt(1.5)).toThrow('got 1.5');
  });

  it('gives its type to the descriptor', () => {
    const descriptor = new ValueStateDescriptor('cart', { schema: cart });
    expectTypeOf(descriptor).toEqualTypeOf<
      ValueStateDescriptor<{ items: string[]; currency: string; count: number }>
    >();
    // @ts-expect-error the state holds numbers, the schema describes carts
    new ValueStateDescriptor<number>('cart', { schema: cart });
  });
});

describe('migrated state', () => {
  const migrate = (value: unknown) => `${String(value)}!`;

  it('is migrated where its values lie', () => {
    const at = { touchedAt: 7 };
    expect(migrateContent({ kind: 'value', hasTtl: false }, 1, migrate)).toBe('1!');
    expect(migrateContent({ kind: 'reducing', hasTtl: true }, { value: 1, ...at }, migrate)).toEqual({
      value: '1!',
      ...at,
    });
    expect(migrateContent({ kind: 'aggregating', hasTtl: false }, 1, migrate)).toBe('1!');
    expect(migrateContent({ kind: 'list', hasTtl: false }, [1, 2], migrate)).toEqual(['1!', '2!']);
    expect(migrateContent({ kind: 'list', hasTtl: true }, { values: [1], touchedAt: [7] }, migrate)).toEqual({
      values: ['1!'],
      touchedAt: [7],
    });
    expect(migrateContent({ kind: 'map', hasTtl: false }, new Map([['a', 1]]), migrate)).toEqual(
      new Map([['a', '1!']]),
    );
    expect(
      migrateContent({ kind: 'map', hasTtl: true }, new Map([['a', { value: 1, ...at }]]), migrate),
    ).toEqual(new Map([['a', { value: '1!', ...at }]]));
  });

  it('of an operator is migrated when it is asked for, and stored with its new version', () => {
    const place = { subtaskIndex: 0, parallelism: 1 };
    const first = new HeapOperatorState(place, []);
    first.getOperatorListState(new ListStateDescriptor<number>('n')).add(1);
    const stored = first.snapshot();
    const schema = StateSchema.initial<number>().migrate((n) => ({ n }));
    const second = new HeapOperatorState(place, [stored]);
    expect(second.snapshot()).toEqual(stored); // not asked for yet
    const list = second.getOperatorListState(new ListStateDescriptor('n', { schema }));
    expect(list.get()).toEqual([{ n: 1 }]);
    expect(second.snapshot()).toEqual([{ name: 'n', mode: 'split', version: 2, elements: [{ n: 1 }] }]);
    const third = new HeapOperatorState(place, [second.snapshot()]);
    expect(() => third.getOperatorListState(new ListStateDescriptor<number>('n'))).toThrow(
      "Operator state 'n' has version 2 in the checkpoint, but version 1 in the program",
    );
  });

  it('that is broadcast is migrated where it is declared', () => {
    const of = { operatorName: 'Rules', subtaskIndex: 0 };
    const rules = new MapStateDescriptor<string, number>('rules');
    const first = new HeapBroadcastState([rules], of, []);
    first.get(rules).put('a', 1);
    const schema = StateSchema.initial<number>().migrate((limit) => ({ limit }));
    const next = new MapStateDescriptor<string, { limit: number }>('rules', { schema });
    const second = new HeapBroadcastState([next], of, [first.snapshot()]);
    expect(second.get(next).get('a')).toEqual({ limit: 1 });
    expect(() => new HeapBroadcastState([rules], of, [second.snapshot()])).toThrow(CheckpointError);
    expect(new HeapBroadcastState([], of, [second.snapshot()]).snapshot()).toEqual(second.snapshot());
  });
});
