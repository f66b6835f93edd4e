import { describe, expect, it } from 'vitest';
import type { StreamOperator } from '../../src/operators/operator.js';
import { OperatorMetrics } from '../../src/metrics/operator-metrics.js';
import { MIN_TIMESTAMP } from '../../src/index.js';
import { ChainOutput } from '../../src/runtime/chain-output.js';
import { Channel } from '../../src/runtime/channel.js';
import { InputTask } from '../../src/runtime/input-task.js';
import { Turn } from '../../src/runtime/turn.js';
import { RecordWriter } from '../../src/runtime/record-writer.js';

function taskOf(channelCount: number, restoredWatermark = MIN_TIMESTAMP) {
  const log: string[] = [];
  const channels = Array.from({ length: channelCount }, () => new Channel());
  const out = new Channel();
  const metrics = new OperatorMetrics();
  const writer = new RecordWriter([out], () => 0, { name: 'Op', subtaskIndex: 0 });
  const operator: StreamOperator = {
    processElement: (value) => void log.push(String(value)),
    processWatermark: (timestamp) => void log.push(`watermark ${timestamp}`),
    processIdle: (isIdle) => void log.push(isIdle ? 'idle' : 'active'),
    snapshotState: (checkpointId) => void log.push(`snapshot ${checkpointId}`),
    finish: () => void log.push('finish'),
  };
  const task = new InputTask(
    'task',
    [{ name: 'Op', uid: 'op', type: 'Op', subtaskIndex: 0, maxParallelism: 128, operator, metrics }],
    [writer],
    {
      storesState: true,
      onFailure: (error) => {
        throw error;
      },
      onSnapshot: (_task, checkpointId) => void log.push(`acknowledge ${checkpointId}`),
      onEnd: () => void log.push('end'),
      wake: () => undefined,
    },
    {
      channels: channels.map((channel) => ({ channel, inputIndex: 0 })),
      output: new ChainOutput(metrics),
      restoredWatermark,
      isGenerated: true,
      turn: new Turn(),
    },
  );
  const put = (channel: number, ...items: (string | number | { at: number } | 'end')[]) => {
    for (const item of items) {
      if (item === 'end') channels[channel]?.put({ type: 'end' });
      else if (typeof item === 'number') channels[channel]?.put({ type: 'barrier', checkpointId: item });
      else if (typeof item === 'object') channels[channel]?.put({ type: 'watermark', timestamp: item.at });
      else channels[channel]?.put({ type: 'records', values: [item], timestamps: [0] });
    }
  };
  const run = () => {
    while (task.step());
    return log.splice(0);
  };
  const passedOn = () => {
    const types: string[] = [];
    for (let element = out.take(); element !== undefined; element = out.take()) types.push(element.type);
    return types;
  };
  return { task, put, run, passedOn };
}

describe('input task', () => {
  it('input task invariant 1: reads nothing from a channel after its barrier until all barriers are there', () => {
    const { put, run } = taskOf(2);
    put(0, 'a1', 1, 'a2');
    put(1, 'b1', 'b2');
    expect(run().sort()).toEqual(['a1', 'b1', 'b2']);
    put(1, 'b3', 1, 'b4');
    expect(run()).toEqual(['b3', 'snapshot 1', 'acknowledge 1', expect.any(String), expect.any(String)]);
  });

  it('input task invariant 1: a barrier comes through a channel that has ended, too', () => {
    const { put, run } = taskOf(2);
    put(0, 'a1', 'end', 1);
    put(1, 'b1');
    expect(run().sort()).toEqual(['a1', 'b1']);
    put(1, 1, 'b2', 'end', 2);
    put(0, 2);
    expect(run()).toEqual([
      'snapshot 1',
      'acknowledge 1',
      'b2',
      'watermark Infinity',
      'finish',
      'end',
      'snapshot 2',
      'acknowledge 2',
    ]);
  });

  it('input task invariant 2: +∞ comes before the end, and the end when all channels have ended', () => {
    const { put, run, passedOn, task } = taskOf(2);
    put(0, 'end');
    expect(run()).toEqual([]);
    expect(task.hasEnded).toBe(false);
    put(1, { at: 5 }, 'end');
    expect(run()).toEqual(['watermark 5', 'watermark Infinity', 'finish', 'end']);
    expect(passedOn()).toEqual(['end']);
  });

  it('task invariant 2: mail is read in order, before the next batch', () => {
    const { put, run, task } = taskOf(1);
    put(0, 'a1');
    const mail: string[] = [];
    task.post(() => void mail.push('first'));
    task.post(() => void mail.push('second'));
    task.step();
    task.step();
    expect(mail).toEqual(['first', 'second']);
    expect(run()).toEqual(['a1']);
  });

  it('task invariant 3: the barrier is passed on in the turn that takes the state', () => {
    const { put, passedOn, task } = taskOf(1);
    put(0, 1, 'a1');
    task.step();
    expect(passedOn()).toEqual(['barrier']);
  });

  it('task invariant 4: passes barriers on after it has ended', () => {
    const { put, run, passedOn } = taskOf(1);
    put(0, 'end', 7);
    run();
    expect(passedOn()).toEqual(['end', 'barrier']);
  });

  it('reads no mail after it was closed', async () => {
    const { task, run } = taskOf(1);
    task.post(() => expect.fail('was read'));
    await task.close();
    task.post(() => expect.fail('was read'));
    expect(run()).toEqual([]);
  });

  it('goes on from the restored watermark before its first record', async () => {
    const { task, put, run } = taskOf(1, 50);
    await task.open();
    put(0, { at: 40 }, 'a1', { at: 60 });
    expect(run()).toEqual(['watermark 50', 'a1', 'watermark 60']);
  });
});
