import { expect, it } from 'vitest';
import { scanKeyedState } from '../../src/checkpoint/row-scan.js';
import { SegmentBuilder } from '../../src/checkpoint/segment.js';
import { MapStateDescriptor, ValueStateDescriptor } from '../../src/index.js';
import { contentsOf } from '../../src/state/stored-content.js';
import { SubtaskRows } from '../../src/state/subtask-rows.js';
import { Segments } from '../support/segments.js';

const MAX = 8;

it('gives large maps whole, as they are in the newest segment', async () => {
  const rows = new SubtaskRows({ isEnabled: true, maxParallelism: MAX, restored: undefined });
  const state = rows.access.createKeyedState([]);
  const segments = new Segments();
  const expected = new Map<unknown, unknown>();
  const store = async (): Promise<void> => {
    const builder = new SegmentBuilder(MAX);
    rows.snapshotTo(builder);
    await segments.add(builder);
  };
  for (const [key, size] of [
    ['a', 100],
    ['b', 3],
    [{ user: 1 }, 40],
  ] as const) {
    state.setCurrentKey(key);
    const map = state.getMapState(new MapStateDescriptor<number, number>('map'));
    const all = new Map<number, number>();
    for (let n = 0; n < size; n++) all.set(n, n);
    for (const [n, value] of all) map.put(n, value);
    state.getState(new ValueStateDescriptor<number>('size')).update(size);
    await store();
    map.put(1, -1);
    map.remove(2);
    all.set(1, -1).delete(2);
    await store();
    expected.set(JSON.stringify(key), { map: all, size });
  }
  const found = new Map<unknown, unknown>();
  for await (const { key, data } of scanKeyedState(segments, segments.refs, { start: 0, end: MAX })) {
    found.set(
      JSON.stringify(key),
      Object.fromEntries([...contentsOf(data)].map((one) => [one.name, one.content])),
    );
  }
  expect(found).toEqual(expected);
});
