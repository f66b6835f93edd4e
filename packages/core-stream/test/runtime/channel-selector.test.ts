import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Channel } from '../../src/runtime/channel.js';
import { channelSelector, isConnected } from '../../src/runtime/channel-selector.js';
import { RecordWriter } from '../../src/runtime/record-writer.js';
import type { Partitioning } from '../../src/graph/stream-graph.js';
import { keyGroupOf, subtaskOfKeyGroup } from '../../src/state/key-groups.js';

const selectorOf = (partitioning: Partitioning, channelCount: number, subtaskIndex = 0) => {
  const select = channelSelector(partitioning, { channelCount, subtaskIndex, maxParallelism: 16 });
  if (select === 'all') throw new TypeError('every channel');
  return select;
};
const sizes = (partitioning: Partitioning, from: number, sources: number, targets: number) =>
  Array.from({ length: targets }, (_, to) => to).filter((to) =>
    isConnected(partitioning, from, sources, to, targets),
  );

describe('channel selectors', () => {
  it('send a key to the subtask that owns its key group, whatever the key is', () => {
    const key = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double(),
      fc.bigInt(),
      fc.constant(null),
      fc.tuple(fc.string(), fc.integer()),
      fc.record({ id: fc.integer() }),
    );
    fc.assert(
      fc.property(fc.array(key), fc.integer({ min: 1, max: 8 }), (keys, channelCount) => {
        const select = selectorOf({ type: 'hash', keySelector: (value) => value }, channelCount);
        for (const one of [...keys, ...keys]) {
          expect(select(one)).toBe(subtaskOfKeyGroup(keyGroupOf(one, 16), channelCount, 16));
        }
      }),
    );
  });

  it.each(['rebalance', 'rescale'] as const)(
    '%s takes turns, beginning with another subtask each',
    (type) => {
      const first = selectorOf({ type }, 3);
      const second = selectorOf({ type }, 3, 1);
      expect([1, 2, 3, 4].map(first)).toEqual([0, 1, 2, 0]);
      expect([1, 2, 3, 4].map(second)).toEqual([1, 2, 0, 1]);
    },
  );

  it('global sends everything to the first subtask', () => {
    expect([1, 2, 3].map(selectorOf({ type: 'global' }, 3, 2))).toEqual([0, 0, 0]);
  });

  it('shuffle reaches every subtask, the same way in every run', () => {
    const numbers = Array.from({ length: 300 }, (_, i) => i);
    const run = () => numbers.map(selectorOf({ type: 'shuffle' }, 3));
    const counts = [0, 1, 2].map((channel) => run().filter((index) => index === channel).length);
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(run()).toEqual(run());
  });

  it('custom goes where the partitioner says, and refuses what is no subtask, with the value', () => {
    const keySelector = (value: unknown) => Number(value) * 10;
    const custom = (partitioner: (key: unknown, count: number) => number) =>
      selectorOf({ type: 'custom', partitioner, keySelector }, 3);
    expect([1, 2].map(custom((key, count) => (Number(key) / 10) % count))).toEqual([1, 2]);
    for (const wrong of [3, -1, 0.5, NaN]) {
      expect(() => custom(() => wrong)(1)).toThrow(
        `gave ${wrong}: it has to give a whole number from 0 to 2`,
      );
    }
  });

  it('broadcast puts a record into every channel', () => {
    const channels = [new Channel(), new Channel()];
    const select = channelSelector(
      { type: 'broadcast' },
      { channelCount: 2, subtaskIndex: 0, maxParallelism: 16 },
    );
    const writer = new RecordWriter(channels, select, { name: 'Op', subtaskIndex: 0 });
    writer.write('a', 1);
    writer.flush();
    const records = { type: 'records', values: ['a'], timestamps: [1] };
    expect(channels.map((channel) => channel.take())).toEqual([records, records]);
  });
});

describe('connected subtasks', () => {
  it('of forward are pairs, of rescale shares of the larger side, else everyone', () => {
    expect(sizes({ type: 'forward' }, 1, 3, 3)).toEqual([1]);
    expect(sizes({ type: 'rescale' }, 1, 2, 4)).toEqual([2, 3]);
    expect(sizes({ type: 'rescale' }, 3, 4, 2)).toEqual([1]);
    expect(sizes({ type: 'rebalance' }, 3, 4, 2)).toEqual([0, 1]);
  });

  it('by rescale: every subtask of either side is connected, and the load differs by one at most', () => {
    const count = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(count, count, (sources, targets) => {
        const rows = Array.from({ length: sources }, (_, from) =>
          sizes({ type: 'rescale' }, from, sources, targets),
        );
        const columns = Array.from({ length: targets }, (_, to) => rows.filter((row) => row.includes(to)));
        const degrees = (sources <= targets ? rows : columns).map((list) => list.length);
        expect(rows.every((row) => row.length > 0)).toBe(true);
        expect(columns.every((column) => column.length > 0)).toBe(true);
        expect(Math.max(...degrees) - Math.min(...degrees)).toBeLessThanOrEqual(1);
      }),
    );
  });
});
