import { describe, expect, it } from 'vitest';
import { inputTask } from '../support/input-task.js';

describe('input task', () => {
  it('input task invariant 1: reads nothing from a channel after its barrier until all barriers are there', () => {
    const { put, run } = inputTask(2);
    put(0, 'a1', 1, 'a2');
    put(1, 'b1', 'b2');
    expect(run().sort()).toEqual(['a1', 'b1', 'b2']);
    put(1, 'b3', 1, 'b4');
    expect(run()).toEqual(['b3', 'snapshot 1', 'acknowledge 1', expect.any(String), expect.any(String)]);
  });

  it('input task invariant 1: a barrier comes through a channel that has ended, too', () => {
    const { put, run } = inputTask(2);
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
    const { put, run, passedOn, task } = inputTask(2);
    put(0, 'end');
    expect(run()).toEqual([]);
    expect(task.hasEnded).toBe(false);
    put(1, { at: 5 }, 'end');
    expect(run()).toEqual(['watermark 5', 'watermark Infinity', 'finish', 'end']);
    expect(passedOn()).toEqual(['end']);
  });

  it('task invariant 2: mail is read in order, before the next batch', () => {
    const { put, run, task } = inputTask(1);
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
    const { put, passedOn, task } = inputTask(1);
    put(0, 1, 'a1');
    task.step();
    expect(passedOn()).toEqual(['barrier']);
  });

  it('task invariant 4: passes barriers on after it has ended', () => {
    const { put, run, passedOn } = inputTask(1);
    put(0, 'end', 7);
    run();
    expect(passedOn()).toEqual(['end', 'barrier']);
  });

  it('reads no mail after it was closed', async () => {
    const { task, run } = inputTask(1);
    task.post(() => expect.fail('was read'));
    task.stop();
    task.post(() => expect.fail('was read'));
    expect(run()).toEqual([]);
  });

  it('goes on from the restored watermark before its first record', async () => {
    const { task, put, run } = inputTask(1, { restoredWatermark: 50 });
    await task.open();
    expect(run()).toEqual([]);
    task.start();
    put(0, { at: 40 }, 'a1', { at: 60 });
    expect(run()).toEqual(['watermark 50', 'a1', 'watermark 60']);
  });
});
