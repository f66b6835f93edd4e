import {
  DruidClient,
  DruidConnectionError,
  DruidRemoteError,
  type WorkerCapacity,
} from '@millrace/druid-client';
import { ManualClock, until } from '@millrace/core-stream/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TaskSlots } from '../src/commit/task-slots.js';
import { recordingLogger } from './support/sink-harness.js';

type Answer = Partial<WorkerCapacity> | Error;

function slotsOf(options: { maxConcurrentTasks?: number; slotsPerTask?: number; capacity: () => Answer }) {
  const druid = new DruidClient({ url: 'http://localhost:1' });
  onTestFinished(() => druid.close());
  let asked = 0;
  druid.cluster.workerCapacity = () => {
    asked += 1;
    const answer = options.capacity();
    if (answer instanceof Error) return Promise.reject(answer);
    return Promise.resolve({ capacity: 0, capacityUsed: 0, maxCapacityWithAutoScale: undefined, ...answer });
  };
  const clock = new ManualClock();
  const logger = recordingLogger();
  const job = new AbortController();
  const slots = new TaskSlots({
    druid,
    clock,
    logger,
    signal: job.signal,
    maxConcurrentTasks: options.maxConcurrentTasks ?? 4,
    pollIntervalMs: 100,
    ...(options.slotsPerTask !== undefined && { slotsPerTask: options.slotsPerTask }),
  });
  const wanted = new AbortController();
  const order: number[] = [];
  const acquire = async (number: number) => {
    const slot = await slots.acquire(wanted.signal);
    order.push(number);
    return slot;
  };
  return { acquire, slots, clock, logger, job, wanted, order, asked: () => asked };
}

describe('task slots', () => {
  it('give turns in order, no more at once than the sink may have (invariant 1)', async () => {
    const { acquire, order, slots } = slotsOf({ maxConcurrentTasks: 2, capacity: () => ({ capacity: 9 }) });
    const first = await acquire(1);
    await acquire(2);
    const others = [acquire(3), acquire(4)];
    await until(() => slots.inUse === 2);
    expect(order).toEqual([1, 2]);
    first.release();
    first.release(); // takes effect once
    const third = await others[0]!;
    expect(order).toEqual([1, 2, 3]);
    third.release();
    await others[1];
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('are kept for the workers that tasks begin themselves: else these would wait for each other (invariant 3)', async () => {
    let capacityUsed = 0;
    const { acquire, order, clock, asked } = slotsOf({
      slotsPerTask: 2,
      capacity: () => ({ capacity: 5, capacityUsed }),
    });
    const first = await acquire(1);
    const second = await acquire(2);
    const third = acquire(3);
    await until(() => asked() === 2);
    for (const slot of [first, second]) slot.started();
    capacityUsed = 2; // both controllers, and no worker yet
    clock.advance(100);
    await until(() => asked() === 3);
    expect(order).toEqual([1, 2]);
    capacityUsed = 4;
    clock.advance(100);
    await until(() => asked() === 4);
    expect(order).toEqual([1, 2]);
    first.release();
    capacityUsed = 2;
    clock.advance(100);
    await third;
    expect(order).toEqual([1, 2, 3]);
  });

  it('are as many as Druid has free, those counted that have no worker yet', async () => {
    let capacityUsed = 1;
    const { acquire, order, clock, asked } = slotsOf({ capacity: () => ({ capacity: 3, capacityUsed }) });
    const first = await acquire(1);
    await acquire(2);
    const third = acquire(3);
    await until(() => asked() === 2);
    expect(order).toEqual([1, 2]); // one of others, two of ours that Druid does not count yet
    first.started();
    capacityUsed = 2;
    clock.advance(100);
    await until(() => asked() === 3);
    expect(order).toEqual([1, 2]);
    capacityUsed = 1; // ours or another's has ended
    clock.advance(100);
    await third;
    expect(order).toEqual([1, 2, 3]);
  });

  it('let one task wait in the queue of a cluster that is full (invariant 2)', async () => {
    const { acquire, clock, order, asked } = slotsOf({ capacity: () => ({ capacity: 3, capacityUsed: 3 }) });
    const first = await acquire(1);
    expect(asked()).toBe(0);
    const second = acquire(2);
    await until(() => asked() === 1);
    expect(order).toEqual([1]);
    first.release();
    clock.advance(100);
    await second;
    expect(order).toEqual([1, 2]);
  });

  it('count on what an autoscaler may add, which grows only while tasks wait', async () => {
    const { acquire } = slotsOf({
      capacity: () => ({ capacity: 1, capacityUsed: 1, maxCapacityWithAutoScale: 5 }),
    });
    for (const number of [1, 2, 3, 4]) await acquire(number);
  });

  it('are limited by the sink alone where Druid does not tell, and say so once', async () => {
    const refusal = new DruidRemoteError({
      message: 'Forbidden.',
      details: { method: 'GET', url: 'http://localhost:1', status: 403, druid: {} },
    });
    const { acquire, logger, asked } = slotsOf({ capacity: () => refusal });
    for (const number of [1, 2, 3]) await acquire(number);
    expect([asked(), logger.messages.length]).toEqual([1, 1]);
  });

  it('leave an outage to the submission, which waits it out', async () => {
    const outage = new DruidConnectionError({ message: 'away', details: {} as never, retryable: true });
    const { acquire, logger } = slotsOf({ capacity: () => outage });
    for (const number of [1, 2, 3]) await acquire(number);
    expect(logger.messages).toEqual([]);
  });

  it('are given to nobody who does not want one any more', async () => {
    const { acquire, wanted, asked } = slotsOf({ capacity: () => ({ capacity: 1, capacityUsed: 1 }) });
    await acquire(1);
    const second = acquire(2);
    await until(() => asked() === 1);
    wanted.abort(new Error('another commit has failed'));
    await expect(second).rejects.toThrow('another commit has failed');
    await expect(acquire(3)).rejects.toThrow('another commit has failed');
  });
});
