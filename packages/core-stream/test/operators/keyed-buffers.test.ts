/** What joins keep, where next to nothing of it is in memory. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { TimerQueue } from '../../src/time/timer-service.js';
import type { OperatorContext } from '../../src/operators/operator.js';
import { KeyedBuffers, type KeyBuffers } from '../../src/operators/keyed-buffers.js';
import { CacheBudget } from '../../src/state/cache-budget.js';
import { DiskStore } from '../../src/state/disk-store.js';
import { DiskSubtaskRows } from '../../src/state/disk-subtask-rows.js';
import { temporaryDirectory } from '../support/disk-store.js';

const KEPT_MS = 1000;
const KEYS = 20;

function buffersOnDisk(
  store: DiskStore,
  advanceKey: (buffers: KeyBuffers, time: number) => number,
): KeyedBuffers {
  const rows = new DiskSubtaskRows({
    isEnabled: true,
    maxParallelism: 8,
    restored: undefined,
    keyGroups: { start: 0, end: 8 },
    store,
    budget: new CacheBudget(1),
    writer: store.writer(1),
    uid: 'join',
    isInPlace: false,
    onOtherRows: () => undefined,
    known: new Set(),
  });
  return new KeyedBuffers(rows.access as OperatorContext, advanceKey, {
    leftSchema: undefined,
    rightSchema: undefined,
    restored: [],
  });
}

it('invariant 1: a key has one timer however often it has left memory, and every record is due in time', () => {
  const store = new DiskStore(temporaryDirectory());
  onTestFinished(() => store.close());
  const register = vi.spyOn(TimerQueue.prototype, 'register');
  onTestFinished(() => register.mockRestore());
  const expired: string[] = [];
  const buffers = buffersOnDisk(store, ({ key, left }, time) => {
    const count = left.countBelow(time - KEPT_MS);
    for (let i = 0; i < count; i++) expired.push(`${String(key)} ${left.at(i)!.timestamp} at ${time}`);
    left.removeFirst(count);
    return left.first === undefined ? Infinity : left.first.timestamp + KEPT_MS + 1;
  });
  for (let timestamp = 0; timestamp < 10; timestamp++) {
    for (let key = 0; key < KEYS; key++) {
      const own = buffers.of(key);
      own.left.add({ timestamp, value: timestamp, isMatched: false });
      buffers.settle(own, timestamp + KEPT_MS + 1);
    }
  }
  expect(register).toHaveBeenCalledTimes(KEYS);
  const expected: string[] = [];
  for (let timestamp = 0; timestamp < 10; timestamp++) {
    const time = timestamp + KEPT_MS + 1;
    buffers.advance(time);
    for (let key = 0; key < KEYS; key++) expected.push(`${key} ${timestamp} at ${time}`);
  }
  expect(expired.toSorted()).toEqual(expected.toSorted());
  buffers.advance(Infinity);
  expect(expired).toHaveLength(10 * KEYS);
});
