import { describe, expect, it } from 'vitest';
import { CheckpointError, type CheckpointStorage } from '../../src/index.js';
import { AttemptStorage } from '../../src/runtime/attempt-storage.js';
import { PendingCalls } from '../../src/runtime/pending-calls.js';
import { createGate, failureOf, quiet } from '../support/conditions.js';
import { boom, refuseUnhandledRejections } from '../support/environment.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';

refuseUnhandledRejections();

describe('pending calls', () => {
  const settling = () => {
    const clock = new ManualClock();
    const pending = new PendingCalls(clock, 100);
    const settle = () => {
      const outcome: { hanging?: readonly string[] } = {};
      void pending.settle().then((hanging) => (outcome.hanging = hanging));
      return outcome;
    };
    return { clock, pending, settle };
  };

  it('have their own outcome', async () => {
    const { pending } = settling();
    expect(await pending.run('now', () => 1)).toBe(1);
    expect(await pending.run('later', () => Promise.resolve(2))).toBe(2);
    expect((await failureOf(pending.run('never', boom))).message).toBe('boom');
    expect(await pending.settle()).toEqual([]);
  });

  it('are waited for, those included that begin meanwhile', async () => {
    const { clock, pending, settle } = settling();
    const [first, second] = [createGate(), createGate()];
    void pending.run('first', () => first.opened);
    const outcome = settle();
    void pending.run('second', () => second.opened).catch(() => undefined);
    first.open();
    await quiet(3);
    expect(outcome.hanging).toBeUndefined();
    second.fail(new Error('failed'));
    await quiet(3);
    expect(outcome.hanging).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('are given up by name when the time is over, and not waited for again', async () => {
    const { clock, pending, settle } = settling();
    const [slow, quick] = [createGate(), createGate()];
    void pending.run('slow', () => slow.opened);
    void pending.run('quick', () => quick.opened);
    const outcome = settle();
    quick.open();
    clock.advance(99);
    await quiet(3);
    expect(outcome.hanging).toBeUndefined();
    clock.advance(1);
    await quiet(3);
    expect(outcome.hanging).toEqual(['slow']);
    expect(await pending.settle()).toEqual([]);
    slow.open();
    await quiet(3);
  });
});

describe('the storage of an attempt', () => {
  const attempt = (storage: CheckpointStorage) => {
    const clock = new ManualClock();
    const pending = new PendingCalls(clock, 100);
    return { clock, pending, storage: new AttemptStorage(storage, pending) };
  };

  it('attempt storage invariant 1: names what is under way', async () => {
    const memory = new MemoryStorage();
    const { clock, pending, storage } = attempt(memory);
    const gate = createGate();
    memory.putSegment = () => gate.opened;
    const putting = storage.putSegment('s1', []);
    const hanging = pending.settle();
    clock.advance(100);
    expect(await hanging).toEqual(['the checkpoint storage memory is writing segment s1']);
    gate.open();
    await putting;
  });

  it('attempt storage invariant 2: calls nothing after its release', async () => {
    const memory = new MemoryStorage();
    let releases = 0;
    Object.assign(memory, { release: () => Promise.resolve(void releases++) });
    const { storage } = attempt(memory);
    await storage.claim({ jobName: 'job', jobId: 'id' });
    await storage.release();
    await storage.release();
    expect(releases).toBe(1);
    expect(await failureOf(storage.latest())).toBeInstanceOf(CheckpointError);
  });

  it('attempt storage invariant 3: is not released while a call is under way', async () => {
    const memory = new MemoryStorage();
    let releases = 0;
    Object.assign(memory, { release: () => Promise.resolve(void releases++) });
    const { storage } = attempt(memory);
    const gate = createGate();
    memory.putSegment = () => gate.opened;
    const putting = storage.putSegment('s1', []);
    expect((await failureOf(storage.release())).message).toContain('memory has not answered');
    expect(releases).toBe(0);
    gate.open();
    await putting;
  });
});
