import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRows } from '../../src/checkpoint/segment-reader.js';
import { SegmentBuilder } from '../../src/checkpoint/segment.js';
import {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from '../../src/index.js';
import type { KeyedState } from '../../src/state/keyed-state.js';
import type { KeyedStateSnapshot } from '../../src/state/keyed-state-backend.js';
import { keyGroupOf, keyGroupRangeOf, subtaskOfKeyGroup } from '../../src/state/key-groups.js';
import { Row, RowTracker, type RowFormat } from '../../src/state/rows.js';
import { SubtaskRows } from '../../src/state/subtask-rows.js';
import { TimerQueue } from '../../src/time/timer-service.js';
import { Segments } from '../support/segments.js';

const MAX = 8;
const ttl = { ttlMs: 5 };
const KEYS = ['a', 'b', 1, '1', { user: 1 }, [1, 'x'], null] as const;

/** All kinds of keyed state, and timers, of one subtask. */
class Subtask {
  time = 0;
  readonly rows: SubtaskRows;
  readonly state: KeyedState;
  readonly timers: TimerQueue;
  readonly handles;

  constructor(rows: SubtaskRows, restored: readonly KeyedStateSnapshot[], time: number) {
    this.time = time;
    this.rows = rows;
    const ages = { processingTime: () => this.time, eventTime: () => this.time };
    this.state = rows.access.createKeyedState(restored, ages) as KeyedState;
    this.timers = new TimerQueue('timers', rows.access);
    this.handles = {
      value: this.state.getState(new ValueStateDescriptor<{ n: number }>('value')),
      list: this.state.getListState(new ListStateDescriptor<number>('list')),
      map: this.state.getMapState(new MapStateDescriptor<number, number>('map')),
      reducing: this.state.getReducingState(new ReducingStateDescriptor<number>('reducing', (a, b) => a + b)),
      aggregating: this.state.getAggregatingState(
        new AggregatingStateDescriptor<number, number[], string>('aggregating', {
          createAccumulator: () => [],
          add: (value, all) => [...all, value],
          getResult: (all) => all.join(),
          merge: (a, b) => [...a, ...b],
        }),
      ),
      ageingValue: this.state.getState(new ValueStateDescriptor<number>('ageing value', { ttl })),
      ageingList: this.state.getListState(new ListStateDescriptor<number>('ageing list', { ttl })),
      ageingMap: this.state.getMapState(new MapStateDescriptor<number, number>('ageing map', { ttl })),
    };
  }

  /** Everything that a function can see. */
  contentsOf(key: unknown): unknown {
    this.state.setCurrentKey(key);
    const { handles } = this;
    return [
      handles.value.value(),
      handles.list.get(),
      [...handles.map.entries()],
      handles.reducing.get(),
      handles.aggregating.get(),
      handles.ageingValue.value(),
      handles.ageingList.get(),
      [...handles.ageingMap.entries()],
    ];
  }
}

type Name = keyof Subtask['handles'];
const names: Name[] = [
  'value',
  'list',
  'map',
  'reducing',
  'aggregating',
  'ageingValue',
  'ageingList',
  'ageingMap',
];
/** A few keys and states at a time: what a checkpoint leaves out is missed. */
const scripts = fc
  .tuple(
    fc.subarray([...KEYS], { minLength: 1, maxLength: 3 }),
    fc.subarray(names, { minLength: 1, maxLength: 2 }),
  )
  .chain(([keys, some]) => {
    const key = fc.constantFrom<unknown>(...keys);
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          type: fc.constantFrom('write' as const, 'write' as const, 'clear' as const, 'in place' as const),
          key,
          name: fc.constantFrom(...some),
          n: fc.nat(3),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          type: fc.constantFrom('timer' as const, 'delete timer' as const, 'drop' as const),
          key,
          n: fc.nat(9),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ type: fc.constantFrom('pass' as const, 'fire' as const), n: fc.nat(6) }),
      },
      {
        weight: 4,
        arbitrary: fc.record({ type: fc.constantFrom('checkpoint' as const, 'declined' as const) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constant('compact' as const), from: fc.nat(9), count: fc.nat(4) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          type: fc.constant('restore' as const),
          parallelism: fc.integer({ min: 1, max: 3 }),
        }),
      },
    );
    return fc.array(step, { maxLength: 50, size: 'max' });
  });

/** The subtasks of an operator, with their segments; each key's steps go to the subtask that has it. */
class Operator {
  readonly segments = new Segments();
  subtasks: Subtask[] = [];

  static async start(): Promise<Operator> {
    const operator = new Operator();
    await operator.restore(1, []);
    return operator;
  }

  subtaskOf(key: unknown): Subtask {
    return this.subtasks[subtaskOfKeyGroup(keyGroupOf(key, MAX), this.subtasks.length, MAX)]!;
  }

  /** Returns how many rows were stored. */
  async checkpoint(): Promise<number> {
    let rows = 0;
    for (const subtask of this.subtasks) {
      const builder = new SegmentBuilder(MAX);
      subtask.rows.snapshotTo(builder);
      rows += await this.segments.add(builder);
    }
    return rows;
  }

  async restore(parallelism: number, infos: readonly KeyedStateSnapshot[]): Promise<void> {
    const time = this.subtasks[0]?.time ?? 0;
    this.subtasks = await Promise.all(
      Array.from({ length: parallelism }, async (_, index) => {
        const restored = await readRows(
          this.segments,
          this.segments.refs,
          keyGroupRangeOf(index, parallelism, MAX),
        );
        return new Subtask(new SubtaskRows({ isEnabled: true, maxParallelism: MAX, restored }), infos, time);
      }),
    );
  }

  contents(): unknown {
    return KEYS.map((key) => this.subtaskOf(key).contentsOf(key));
  }
}

describe('rows of keyed state and timers', () => {
  it('restored from the segments of all checkpoints are what was there, at any parallelism, compacted or not', async () => {
    await fc.assert(
      fc.asyncProperty(scripts, async (steps) => {
        const operator = await Operator.start();
        /** Is never restored: what the operator would be. */
        const [oracle] = (await Operator.start()).subtasks;
        const timers = new Map<string, [number, unknown]>();
        for (const next of steps) {
          switch (next.type) {
            case 'write':
            case 'clear':
            case 'in place':
              for (const subtask of [operator.subtaskOf(next.key), oracle!]) change(subtask, next);
              break;
            case 'drop':
              for (const { state } of [operator.subtaskOf(next.key), oracle!]) {
                state.setCurrentKey(next.key);
                state.dropCurrentKey();
              }
              break;
            case 'timer':
              operator.subtaskOf(next.key).timers.register(next.n, next.key);
              timers.set(JSON.stringify([next.n, next.key]), [next.n, next.key]);
              break;
            case 'delete timer':
              operator.subtaskOf(next.key).timers.delete(next.n, next.key);
              timers.delete(JSON.stringify([next.n, next.key]));
              break;
            case 'fire':
              for (const subtask of operator.subtasks) subtask.timers.advance(next.n, () => undefined);
              for (const [name, [at]] of [...timers]) if (at <= next.n) timers.delete(name);
              break;
            case 'pass':
              for (const subtask of [...operator.subtasks, oracle!]) subtask.time += next.n;
              break;
            case 'checkpoint':
              for (const { state } of operator.subtasks) state.snapshot();
              await operator.checkpoint();
              expect(await operator.checkpoint()).toBe(0);
              break;
            case 'declined': // encoded, and not taken (invariant 4)
              for (const { rows } of operator.subtasks) rows.snapshot(1);
              break;
            case 'compact':
              await operator.segments.compact(next.from, next.count);
              break;
            case 'restore': {
              const infos = operator.subtasks.map(({ state }) => state.snapshot());
              await operator.checkpoint();
              await operator.restore(next.parallelism, infos);
            }
          }
        }
        expect(operator.contents()).toEqual(KEYS.map((key) => oracle!.contentsOf(key)));
        const fired: unknown[] = [];
        for (const subtask of operator.subtasks)
          subtask.timers.advance(Infinity, (at, key) => fired.push([at, key]));
        const text = (all: Iterable<unknown>) => [...all].map((one) => JSON.stringify(one)).sort();
        expect(text(fired)).toEqual(text(timers.values()));
      }),
      { numRuns: 300 },
    );
  });
});

function change(
  subtask: Subtask,
  { type, key, name, n }: { type: string; key: unknown; name: Name; n: number },
): void {
  subtask.state.setCurrentKey(key);
  const { handles } = subtask;
  if (type === 'clear') {
    handles[name].clear();
    return;
  }
  if (type === 'in place') {
    const value = handles.value.value();
    if (value !== undefined) value.n += 1;
    return;
  }
  switch (name) {
    case 'value':
      handles.value.update({ n });
      break;
    case 'ageingValue':
      handles.ageingValue.update(n);
      break;
    case 'map':
    case 'ageingMap':
      if (n === 0) handles[name].remove(1);
      else handles[name].put(n, n);
      break;
    default:
      handles[name].add(n);
  }
}

class Counted extends Row {
  readonly key: string;
  count = 1;

  constructor(key: string) {
    super();
    this.key = key;
  }
}

const format: RowFormat<Counted> = {
  table: 't',
  isGone: ({ count }) => count === 0,
  dataOf: ({ count }) => count,
};

describe('the row tracker', () => {
  it('invariant 2: forgets rows that come and go between two snapshots', () => {
    const tracker = new RowTracker(format, true);
    const stays = new Counted('stays');
    tracker.changed(stays);
    for (let i = 0; i < 100_000; i++) {
      const row = new Counted(`k${i}`);
      tracker.changed(row);
      row.count = 0;
      tracker.removed(row);
    }
    expect(tracker.size).toBeLessThan(3_000);
    const added: unknown[] = [];
    tracker.encode({ add: (_table, key) => added.push(key) });
    expect(added).toEqual(['stays']);
  });

  it('invariant 2: a row that was forgotten and comes back is stored', () => {
    const tracker = new RowTracker(format, true);
    const rows = Array.from({ length: 5_000 }, (_, i) => new Counted(`k${i}`));
    for (const row of rows) {
      tracker.changed(row);
      row.count = 0;
      tracker.removed(row);
    }
    for (const row of rows) {
      row.count = 2;
      tracker.changed(row);
    }
    const added: unknown[] = [];
    tracker.encode({ add: (_table, key) => added.push(key) });
    expect(added.sort()).toEqual(rows.map(({ key }) => key).sort());
  });

  it('invariant 4: what was encoded and not taken comes again, also as removed', () => {
    const tracker = new RowTracker(format, true);
    const added: [unknown, boolean][] = [];
    const sink = {
      add: (_table: string, key: unknown, _id: Uint8Array, data: Uint8Array | undefined) =>
        void added.push([key, data !== undefined]),
    };
    const snapshot = (isTaken: boolean) => {
      added.length = 0;
      tracker.encode(sink);
      if (isTaken) tracker.taken();
      return [...added];
    };
    const [stored, fresh] = [new Counted('stored'), new Counted('fresh')];
    tracker.changed(stored);
    snapshot(true);
    stored.count = 0;
    tracker.removed(stored);
    tracker.changed(fresh);
    const changes = [
      ['stored', false],
      ['fresh', true],
    ];
    expect(snapshot(false)).toEqual(changes);
    expect(snapshot(true)).toEqual(changes);
    expect(snapshot(true)).toEqual([]);
  });

  it('invariant 3: remembers nothing without a storage', () => {
    const tracker = new RowTracker(format, false);
    const row = new Counted('a');
    tracker.changed(row);
    tracker.removed(row);
    expect([tracker.size, tracker.isEnabled]).toEqual([0, false]);
    tracker.encode({ add: () => expect.unreachable() });
  });
});
