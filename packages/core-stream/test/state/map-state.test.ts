import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRows } from '../../src/checkpoint/segment-reader.js';
import { SegmentBuilder } from '../../src/checkpoint/segment.js';
import { MapStateDescriptor, StateSchema, type MapState } from '../../src/index.js';
import { CacheBudget } from '../../src/state/cache-budget.js';
import { MOST_HELD } from '../../src/state/disk-rows.js';
import { DiskStore } from '../../src/state/disk-store.js';
import { DiskSubtaskRows } from '../../src/state/disk-subtask-rows.js';
import { keyGroupOf, keyGroupRangeOf, subtaskOfKeyGroup } from '../../src/state/key-groups.js';
import type { KeyedState } from '../../src/state/keyed-state.js';
import type { KeyedStateSnapshot } from '../../src/state/keyed-state-backend.js';
import { UnencodableRowError } from '../../src/state/row-encoding.js';
import { SubtaskRows, type SubtaskRowsOptions } from '../../src/state/subtask-rows.js';
import { temporaryDirectory } from '../support/disk-store.js';
import { Segments } from '../support/segments.js';

const MAX = 8;
const TTL_MS = 5;
const UID = 'uid';
const KEYS = ['a', { user: 1 }, 'x'.repeat(2500)] as const;
const NAMES = ['m', 'm2', 'ageing'] as const;
type Name = (typeof NAMES)[number];
type MapKey = string | number | bigint | boolean;
type Value = number | { n: number };

/** Of many types, some too long for the key of a store. */
function mapKeyOf(n: number): MapKey {
  if (n % 20 === 0) return `${n}`.padStart(2000 + n, 'y');
  return [n, String(n), BigInt(n), n > 50 ? true : n / 2][n % 4]!;
}

type Where = { readonly on: 'heap' } | { readonly on: 'disk'; readonly cacheBytes: number };

class Subtask {
  readonly rows: SubtaskRows;
  readonly state: KeyedState;
  readonly maps: Readonly<Record<Name, MapState<MapKey, Value>>>;

  constructor(rows: SubtaskRows, restored: readonly KeyedStateSnapshot[], now: () => number) {
    this.rows = rows;
    this.state = rows.access.createKeyedState(restored, {
      processingTime: now,
      eventTime: now,
    }) as KeyedState;
    const ttl = { ttlMs: TTL_MS };
    this.maps = {
      m: this.state.getMapState(new MapStateDescriptor<MapKey, Value>('m')),
      m2: this.state.getMapState(new MapStateDescriptor<MapKey, Value>('m2')),
      ageing: this.state.getMapState(new MapStateDescriptor<MapKey, Value>('ageing', { ttl })),
    };
  }
}

/** The subtasks of an operator, with their segments, on the heap or on disk. */
class Operator {
  readonly #segments = new Segments();
  #where: Where = { on: 'heap' };
  #store: DiskStore | undefined;
  #checkpointId = 0;
  #infos: readonly KeyedStateSnapshot[] = [];
  budget = new CacheBudget(1);
  #subtasks: Subtask[] = [];
  now = 0;

  of(key: unknown): Subtask {
    const subtask = this.#subtasks[subtaskOfKeyGroup(keyGroupOf(key, MAX), this.#subtasks.length, MAX)]!;
    subtask.state.setCurrentKey(key);
    return subtask;
  }

  get subtasks(): readonly Subtask[] {
    return this.#subtasks;
  }

  /** Returns the bytes of the rows that were stored. */
  async checkpoint(): Promise<number> {
    this.#infos = this.#subtasks.map(({ state }) => state.snapshot());
    this.#checkpointId++;
    let bytes = 0;
    for (const { rows } of this.#subtasks) {
      const builder = new SegmentBuilder(MAX);
      rows.snapshotTo({
        add: (table, key, id, data) => {
          bytes += id.length + (data?.length ?? 0);
          builder.add(table, key, id, data);
        },
      });
      await this.#segments.add(builder);
    }
    return bytes;
  }

  compact(from: number, count: number): Promise<void> {
    return this.#segments.compact(from, count);
  }

  /** From the segments. */
  async restore(parallelism: number, where: Where): Promise<void> {
    await this.close();
    this.#where = where;
    if (where.on === 'disk') this.#store = new DiskStore(temporaryDirectory());
    if (where.on === 'disk') this.budget = new CacheBudget(where.cacheBytes);
    await this.#start(parallelism, true);
  }

  /** Everything since the last checkpoint is lost; on disk, what was there is taken back in place. */
  async crash(): Promise<void> {
    if (this.#store === undefined) await this.restore(this.#subtasks.length, this.#where);
    else {
      this.#store.rollBackTo(this.#checkpointId);
      this.budget = new CacheBudget(this.budget.maxBytes);
      await this.#start(this.#subtasks.length, false);
    }
  }

  async #start(parallelism: number, fromSegments: boolean): Promise<void> {
    this.#subtasks = await Promise.all(
      Array.from({ length: parallelism }, async (_, index) => {
        const keyGroups = keyGroupRangeOf(index, parallelism, MAX);
        const restored = fromSegments
          ? await readRows(this.#segments, this.#segments.refs, keyGroups)
          : undefined;
        return new Subtask(
          this.#rows({ isEnabled: true, maxParallelism: MAX, restored }, keyGroups, fromSegments),
          this.#infos,
          () => this.now,
        );
      }),
    );
  }

  #rows(options: SubtaskRowsOptions, keyGroups: { start: number; end: number }, isNew: boolean): SubtaskRows {
    const store = this.#store;
    if (store === undefined || this.#where.on === 'heap') return new SubtaskRows(options);
    return new DiskSubtaskRows({
      ...options,
      ...{ keyGroups, store, uid: UID },
      budget: this.budget,
      writer: store.writer(this.#checkpointId),
      known: new Set(isNew ? [] : store.tablesOf(UID)),
      isInPlace: false,
      onOtherRows: () => undefined,
    });
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }
}

interface Expected {
  value: Value;
  touchedAt: number;
}

/** By key and state: a map. */
class Oracle {
  #maps = new Map<string, Map<MapKey, Expected>>();

  map(key: unknown, name: Name): Map<MapKey, Expected> {
    const id = `${JSON.stringify(key)}/${name}`;
    let map = this.#maps.get(id);
    if (map === undefined) this.#maps.set(id, (map = new Map()));
    return map;
  }

  seen(key: unknown, name: Name, now: number): Map<MapKey, Value> {
    const seen = new Map<MapKey, Value>();
    for (const [mapKey, { value, touchedAt }] of this.map(key, name)) {
      if (name !== 'ageing' || now - touchedAt < TTL_MS) seen.set(mapKey, value);
    }
    return seen;
  }

  copy(): Oracle {
    const copy = new Oracle();
    copy.#maps = structuredClone(this.#maps);
    return copy;
  }
}

const place = fc.oneof(
  fc.constant<Where>({ on: 'heap' }),
  fc.record({ on: fc.constant('disk' as const), cacheBytes: fc.constantFrom(1, 5_000, 1 << 20) }),
);
const at = {
  key: fc.constantFrom<unknown>(...KEYS),
  name: fc.constantFrom(...NAMES),
  n: fc.nat(60),
};
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constantFrom(
        ...(['put', 'put object', 'remove', 'in place', 'put many', 'put many', 'remove many'] as const),
        ...(['iterate', 'iterate and change', 'clear', 'drop'] as const),
      ),
      ...at,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constantFrom('checkpoint' as const, 'pass' as const), ...at }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom('compact' as const, 'crash' as const), ...at }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('restore' as const),
      parallelism: fc.integer({ min: 1, max: 3 }),
      place,
    }),
  },
);

describe('map state', () => {
  it('is as a map would be, large or small, on the heap and on disk, over checkpoints, crashes, restores and rescaling', async () => {
    await fc.assert(
      fc.asyncProperty(place, fc.array(step, { maxLength: 50, size: 'max' }), async (first, steps) => {
        const operator = new Operator();
        await operator.restore(1, first);
        let oracle = new Oracle();
        let copy = oracle.copy();
        const check = (): void => {
          for (const key of KEYS) {
            const { maps } = operator.of(key);
            for (const name of NAMES) {
              const expected = oracle.seen(key, name, operator.now);
              const entries = [...maps[name].entries()];
              expect(entries).toHaveLength(expected.size);
              expect(new Map(entries)).toEqual(expected);
              expect(maps[name].isEmpty()).toBe(expected.size === 0);
            }
          }
          for (const name of ['m', 'm2'] as const) {
            const keys = operator.subtasks.flatMap(({ state }) => state.keysOf(new MapStateDescriptor(name)));
            expect(keys).toHaveLength(KEYS.filter((key) => oracle.map(key, name).size > 0).length);
          }
        };
        for (const next of steps) {
          switch (next.type) {
            case 'checkpoint':
              await operator.checkpoint();
              copy = oracle.copy();
              if (operator.now === 0) expect(await operator.checkpoint()).toBe(0); // else the sweep may go on
              break;
            case 'pass':
              operator.now += next.n % TTL_MS;
              break;
            case 'compact':
              await operator.compact(next.n % 9, next.n % 5);
              break;
            case 'crash':
              await operator.crash();
              oracle = copy.copy();
              break;
            case 'restore':
              await operator.checkpoint();
              copy = oracle.copy();
              await operator.restore(next.parallelism, next.place);
              check();
              break;
            case 'drop':
              operator.of(next.key).state.dropCurrentKey();
              for (const name of NAMES) oracle.map(next.key, name).clear();
              break;
            default:
              change(operator, oracle, next);
          }
        }
        check();
        await operator.close();
      }),
      { numRuns: 150 },
    );
  });
});

function change(
  operator: Operator,
  oracle: Oracle,
  { type, key, name, n }: { type: string; key: unknown; name: Name; n: number },
): void {
  const map = operator.of(key).maps[name];
  const expected = oracle.map(key, name);
  const { now } = operator;
  const put = (mapKey: MapKey, value: Value): void => {
    map.put(mapKey, value);
    expected.set(mapKey, { value: structuredClone(value), touchedAt: now });
  };
  const remove = (mapKey: MapKey): void => {
    map.remove(mapKey);
    expected.delete(mapKey);
  };
  switch (type) {
    case 'put':
      put(mapKeyOf(n), n);
      break;
    case 'put object':
      put(mapKeyOf(n), { n });
      break;
    case 'put many':
      for (let i = n; i < n + 40; i++) put(mapKeyOf(i), i % 3 === 0 ? { n: i } : i);
      break;
    case 'remove':
      remove(mapKeyOf(n));
      break;
    case 'remove many':
      for (let i = n; i < n + 50; i++) remove(mapKeyOf(i));
      break;
    case 'clear':
      map.clear();
      expected.clear();
      break;
    case 'in place': {
      // All are got first, others are looked at in between, and then all are changed.
      const keys = [n, n + 3, n + 6].map(mapKeyOf);
      const got = keys.map((mapKey) => map.get(mapKey));
      const seen = oracle.seen(key, name, now);
      for (const [, value] of map.entries()) if (typeof value === 'object') got.push(value);
      for (const [i, mapKey] of keys.entries()) {
        expect(got[i]).toEqual(seen.get(mapKey));
        expect(map.has(mapKey)).toBe(seen.has(mapKey));
      }
      const isKnown = (value: Value | undefined): value is { n: number } => typeof value === 'object';
      for (const value of new Set(got.filter(isKnown))) value.n += 100;
      for (const value of [...seen.values()].filter(isKnown)) value.n += 100;
      break;
    }
    case 'iterate': {
      const seen = oracle.seen(key, name, now);
      expect(new Map(map.entries())).toEqual(seen);
      expect(new Set(map.keys())).toEqual(new Set(seen.keys()));
      expect([...map.values()]).toHaveLength(seen.size);
      break;
    }
    case 'iterate and change': {
      const before = [...oracle.seen(key, name, now).keys()];
      const given = new Set<MapKey>();
      const removed = new Set<MapKey>();
      let i = n;
      for (const [mapKey, value] of map.entries()) {
        expect(given.has(mapKey)).toBe(false);
        given.add(mapKey);
        expect(value).toEqual(oracle.seen(key, name, now).get(mapKey));
        if (given.size > 30) continue;
        const gone = mapKeyOf((i += 7) % 100);
        remove(gone);
        removed.add(gone); // if it is put again it need not be given
        put(mapKeyOf((i += 5) % 100), i);
      }
      expect(before.filter((mapKey) => !removed.has(mapKey) && !given.has(mapKey))).toEqual([]);
      break;
    }
  }
}

describe.each<Where>([{ on: 'heap' }, { on: 'disk', cacheBytes: 1 }])('a large map on $on', (where) => {
  const started = async (): Promise<Operator> => {
    const operator = new Operator();
    await operator.restore(1, where);
    return operator;
  };

  it('costs a checkpoint what has changed of it, and not what it holds', async () => {
    const operator = await started();
    const map = operator.of('a').maps.m;
    for (let n = 0; n < 100_000; n++) map.put(`entry ${n}`, n);
    expect(await operator.checkpoint()).toBeGreaterThan(2_000_000);
    operator.of('a').maps.m.put('entry 77777', -1);
    expect(await operator.checkpoint()).toBeLessThan(100);
    operator.of('a').maps.m.remove('entry 5');
    expect(await operator.checkpoint()).toBeLessThan(200);
    await operator.crash();
    const { m } = operator.of('a').maps;
    expect([m.get('entry 77777'), m.has('entry 5'), m.get('entry 99999')]).toEqual([-1, false, 99_999]);
    await operator.close();
  });

  it('map entries invariant 1: knows when it is empty, also after it has grown and was stored', async () => {
    const operator = await started();
    for (let n = 0; n < 40; n++) operator.of('a').maps.m.put(n, n);
    await operator.checkpoint();
    operator.of('a').maps.m.put('one more', 1);
    await operator.checkpoint();
    await operator.crash();
    for (let n = 0; n < 40; n++) operator.of('a').maps.m.remove(n);
    expect([...operator.of('a').maps.m.entries()]).toEqual([['one more', 1]]);
    expect(operator.of('a').maps.m.isEmpty()).toBe(false);
    operator.of('a').maps.m.remove('one more');
    expect(operator.of('a').maps.m.isEmpty()).toBe(true);
    expect(operator.of('b').state.keysOf(new MapStateDescriptor('m'))).toEqual([]);
    await operator.checkpoint();
    await operator.crash();
    expect(operator.subtasks[0]!.rows.keyedSize).toBe(0);
    await operator.close();
  });

  it('is kept where the program does not ask for it, and migrated once where it does', async () => {
    const operator = await started();
    const schema = StateSchema.initial<number>();
    for (const key of ['a', 'b', 'c']) {
      const { state } = operator.of(key);
      for (const ttl of [undefined, { ttlMs: 50 }]) {
        const name = ttl === undefined ? 'counts' : 'ageing counts';
        const counts = state.getMapState(
          new MapStateDescriptor<number, number>(name, { schema, ...(ttl && { ttl }) }),
        );
        for (let n = 0; n < (key === 'c' ? 3 : 400); n++) counts.put(n, n);
      }
    }
    const restored = async (): Promise<void> => {
      await operator.checkpoint();
      await operator.restore(2, where);
    };
    await restored(); // nobody asks
    await restored();
    const next = schema.migrate((n) => n + 1000);
    for (let round = 0; round < 2; round++) {
      for (const key of ['a', 'b', 'c']) {
        const { state } = operator.of(key);
        for (const descriptor of [
          new MapStateDescriptor<number, number>('counts', { schema: next }),
          new MapStateDescriptor<number, number>('ageing counts', { schema: next, ttl: { ttlMs: 50 } }),
        ]) {
          const counts = state.getMapState(descriptor);
          expect([counts.get(2), [...counts.values()].reduce((sum, n) => sum + n, 0)]).toEqual(
            key === 'c' ? [1002, 3003] : [1002, 479_800],
          );
        }
      }
      await restored();
    }
    await operator.close();
  });

  it('is swept when its entries expire, by and by', async () => {
    const operator = await started();
    for (let n = 0; n < 500; n++) operator.of('a').maps.ageing.put(n, n);
    operator.now += 3;
    operator.of('a').maps.ageing.put('young', 1);
    operator.now += 3;
    await operator.checkpoint();
    await operator.checkpoint();
    expect(operator.subtasks[0]!.rows.keyedSize).toBe(2); // the key and one entry
    expect([...operator.of('a').maps.ageing.keys()]).toEqual(['young']);
    operator.now += 3;
    for (let round = 0; round < 3; round++) await operator.checkpoint();
    expect(operator.subtasks[0]!.rows.keyedSize).toBe(0);
    await operator.close();
  });

  it('names the state, the key and the place of what is not plain data', async () => {
    const operator = new Operator();
    await operator.restore(1, { on: 'heap' });
    const { m } = operator.of('a').maps;
    for (let n = 0; n < 40; n++) m.put(n, n);
    m.put(7, { n: (() => 1) as unknown as number });
    const error = await operator.checkpoint().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnencodableRowError);
    expect((error as UnencodableRowError).named(String).message).toContain("state 'm', key a, .value.n");
  });
});

describe('a large map on disk', () => {
  it('disk rows invariants 1, 4: is read in parts, and what is handed out stays in memory for one record only', async () => {
    const operator = new Operator();
    await operator.restore(1, { on: 'disk', cacheBytes: 100_000 });
    const { m, m2 } = operator.of('a').maps;
    for (let n = 0; n < 20_000; n++) m.put(n, n);
    for (let n = 0; n < 20_000; n++) m2.put(n, { n });
    expect(operator.budget.usedBytes).toBeGreaterThan(MOST_HELD * 200);
    operator.of('a');
    for (const _entry of m.entries()) {
      expect(operator.budget.usedBytes).toBeLessThan(400_000);
    }
    expect([...m.keys()]).toHaveLength(20_000);
    const all = [...m2.values()] as { n: number }[];
    for (const value of all.slice(-MOST_HELD)) value.n = -1;
    await operator.checkpoint();
    await operator.crash();
    const changed = [...operator.of('a').maps.m2.values()].filter(
      (value) => (value as { n: number }).n === -1,
    );
    expect(changed).toHaveLength(MOST_HELD);
    await operator.close();
  });
});
