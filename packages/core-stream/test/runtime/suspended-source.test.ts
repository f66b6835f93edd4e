import { describe, expect, it } from 'vitest';
import { WatermarkStrategy, type PollStatus } from '../../src/index.js';
import { MeterClock } from '../../src/metrics/meter-clock.js';
import { OperatorMetrics } from '../../src/metrics/operator-metrics.js';
import { TaskTimes } from '../../src/metrics/task-times.js';
import { Channel } from '../../src/runtime/channel.js';
import { ChainOutput } from '../../src/runtime/chain-output.js';
import { PendingCalls } from '../../src/runtime/pending-calls.js';
import { RecordWriter } from '../../src/runtime/record-writer.js';
import { SourceOperator, SourceTask } from '../../src/runtime/source-task.js';
import { Turn } from '../../src/runtime/turn.js';
import { SubtaskRows } from '../../src/state/subtask-rows.js';
import { WatermarkTracker } from '../../src/time/watermark-tracker.js';
import { MIN_TIMESTAMP } from '../../src/time/watermark-strategy.js';
import { ManualClock } from '../support/manual-clock.js';

const INTERVAL_MS = 10;

/** A source task whose reader always has a record; its watermarks are periodic. */
async function sourceTask() {
  const clock = new ManualClock();
  const metrics = new OperatorMetrics();
  const output = new ChainOutput(metrics);
  const out = new Channel();
  const at = { name: 'numbers', subtaskIndex: 0 };
  const writer = new RecordWriter([out], () => 0, at);
  const turn = new Turn();
  output.add({ kind: 'writer', writer }, undefined);
  output.link('numbers', true, turn, () => expect.fail('emitted outside of the turn'));
  let next = 0;
  const reader = {
    start: () => undefined,
    pollNext: (target: { collect(value: unknown, timestamp: number): void }): PollStatus => {
      target.collect(next, next++);
      return 'more';
    },
    isAvailable: () => Promise.resolve(),
    addSplits: () => undefined,
    notifyNoMoreSplits: () => undefined,
    snapshotState: () => [],
  };
  const strategy = WatermarkStrategy.forMonotonousTimestamps<unknown>().withEmission('periodic');
  const tracker = new WatermarkTracker(strategy, clock, output, 'numbers');
  const operator = new SourceOperator(() => reader, output, tracker, MIN_TIMESTAMP, []);
  const rows = new SubtaskRows({ isEnabled: true, maxParallelism: 1, restored: undefined });
  const task = new SourceTask(
    'task',
    [{ ...at, uid: 'numbers', type: 'source', maxParallelism: 1, operator, metrics, rows }],
    [writer],
    {
      storesState: true,
      isSavepoint: () => false,
      pending: new PendingCalls(clock, 1_000),
      onFailure: (error) => {
        throw error;
      },
      onSnapshot: () => undefined,
      onDecline: () => expect.fail('declined'),
      onEnd: () => undefined,
      wake: () => undefined,
    },
    operator,
    { watermarkIntervalMs: INTERVAL_MS, clock, turn, times: new TaskTimes(new MeterClock(clock)) },
  );
  await task.open();
  task.start();
  /** What three turns, and the time between two watermarks, bring. */
  const passedOn = () => {
    clock.advance(INTERVAL_MS);
    for (let i = 0; i < 3; i++) task.step();
    const types: string[] = [];
    for (let element = out.take(); element !== undefined; element = out.take()) types.push(element.type);
    return types;
  };
  return { task, passedOn };
}

describe('a source task', () => {
  it('source task invariant 3: emits nothing after the barrier of a checkpoint that suspends, until it is resumed', async () => {
    const { task, passedOn } = await sourceTask();
    expect(passedOn()).toContain('records');
    task.triggerCheckpoint(1, true);
    expect(passedOn().at(-1)).toBe('barrier');
    expect(passedOn()).toEqual([]);
    expect(passedOn()).toEqual([]);
    task.resume();
    expect(passedOn()).toContain('records');
  });

  it('goes on after the barrier of any other checkpoint', async () => {
    const { task, passedOn } = await sourceTask();
    task.triggerCheckpoint(1);
    passedOn();
    expect(passedOn()).toContain('records');
  });

  it('ends as if its input had when it is drained, once', async () => {
    const { task, passedOn } = await sourceTask();
    task.drain();
    expect(passedOn().slice(-2)).toEqual(['watermark', 'end']);
    expect(task.hasEnded).toBe(true);
    task.drain();
    expect(passedOn()).toEqual([]);
  });
});
