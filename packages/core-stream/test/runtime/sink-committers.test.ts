import { describe, expect, it } from 'vitest';
import type { CommitRequest, Committer, GlobalCommitter } from '../../src/connectors/sink.js';
import { StreamConfigError } from '../../src/errors.js';
import { AsyncRetryStrategies } from '../../src/functions/async-retry.js';
import { CommitQueue, createSinkCommitter } from '../../src/runtime/commit-queue.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { createGate, failureOf, quiet } from '../support/conditions.js';
import { environment, recordingLogger } from '../support/environment.js';
import { sinkContext } from '../support/sink-runs.js';

const requests: readonly CommitRequest<unknown>[] = [0, 1].map((subtaskIndex) => ({
  checkpointId: 1,
  subtaskIndex,
  committable: `part ${subtaskIndex}`,
}));
const noCommit = () => Promise.resolve();
const createWriter = () => {
  throw new Error('not asked for here');
};

function queueOf(committer: Committer<unknown>, globalCommitter?: GlobalCommitter<unknown>) {
  const clock = new ManualClock();
  const log: string[] = [];
  const job = new AbortController();
  const context = sinkContext({ clock, logger: recordingLogger(log), signal: job.signal });
  const queue = new CommitQueue([{ uid: 'out', name: 'Out', committer, globalCommitter, context }]);
  queue.add('out', requests);
  return { clock, log, job, queue };
}

/** Rejects that many times, then resolves. */
function failing(times: number) {
  const calls: (readonly CommitRequest<unknown>[])[] = [];
  return {
    calls,
    commit: (seen: readonly CommitRequest<unknown>[]) => {
      calls.push(seen);
      return calls.length <= times ? Promise.reject(new Error(`away ${calls.length}`)) : Promise.resolve();
    },
  };
}

describe('a global committer', () => {
  it('gets the requests of all subtasks when the committer has confirmed them', async () => {
    const gate = createGate();
    const whole = failing(0);
    const { queue } = queueOf({ commit: () => gate.opened }, whole);
    const committing = queue.commit(1);
    await quiet(3);
    expect(whole.calls).toEqual([]);
    gate.open();
    await committing;
    expect(whole.calls).toEqual([requests]);
    expect(queue.snapshot(2)).toEqual([]);
  });

  it('commit queue invariant 1: keeps the requests until it has confirmed them, for the committer too', async () => {
    const parts = failing(0);
    const whole = failing(1);
    const { queue } = queueOf(parts, whole);
    expect((await failureOf(queue.commit(1))).message).toContain(
      "'Out' (subtask 0) failed while committing checkpoint 1 globally: away 1",
    );
    expect(queue.snapshot(2)).toEqual([{ uid: 'out', requests }]);
    await queue.commit(1);
    expect(parts.calls).toHaveLength(2);
    expect(whole.calls).toHaveLength(2);
    expect(queue.snapshot(2)).toEqual([]);
  });

  it('needs a committer', () => {
    const { env } = environment();
    const stream = env.fromCollection([1]);
    const sink = { createWriter, createGlobalCommitter: () => ({ commit: noCommit }) };
    expect(() => stream.sinkTo(sink)).toThrow(StreamConfigError);
    expect(() => stream.addSink(sink)).toThrow('a createGlobalCommitter and no createCommitter');
  });

  it('registers metrics of its own, of the operator and not of a subtask', async () => {
    const { env } = environment();
    env
      .fromCollection([1])
      .sinkTo({
        createWriter: () => ({
          write: () => undefined,
          flush: () => undefined,
          prepareCommit: () => [],
          close: () => undefined,
        }),
        createCommitter: ({ metrics }) => {
          metrics.counter('numCommits').inc(3);
          return { commit: noCommit };
        },
      })
      .name('Out')
      .uid('out');
    const job = env.executeAsync('metrics');
    await job.result;
    const variables = { job_name: 'metrics', operator_name: 'Out', operator_uid: 'out' };
    expect(job.metrics.value('operator_numCommits', variables)).toBe(3);
  });

  it('closes the committer when it cannot be made', async () => {
    const log: string[] = [];
    const creating = createSinkCommitter(
      {
        createWriter,
        createCommitter: () => ({ commit: noCommit, close: () => Promise.reject(new Error('stuck')) }),
        createGlobalCommitter: () => Promise.reject(new Error('no manifest')),
      },
      'Out',
      sinkContext({ logger: recordingLogger(log) }),
    );
    expect((await failureOf(creating)).message).toContain('creating its global committer: no manifest');
    expect(log).toEqual(['closing failed']);
  });
});

describe('a commit that is rejected', () => {
  const retry = AsyncRetryStrategies.fixedDelay<never>({ maxAttempts: 3, delayMs: 10 });

  it('is repeated with the same requests, as the committer says', async () => {
    const committer = failing(2);
    const { clock, log, queue } = queueOf({ ...committer, retry });
    const committing = queue.commit(1);
    await quiet(3);
    expect(committer.calls).toHaveLength(1);
    clock.advance(10);
    await quiet(3);
    clock.advance(10);
    await committing;
    expect(committer.calls).toEqual([requests, requests, requests]);
    expect(log).toEqual(Array(2).fill('a commit was rejected and is repeated'));
  });

  it('fails the job after the last attempt, and where the committer says so', async () => {
    const committer = failing(9);
    const { clock, queue } = queueOf({ ...committer, retry: { ...retry, maxAttempts: 2 } });
    const failure = failureOf(queue.commit(1));
    await quiet(3);
    clock.advance(10);
    expect((await failure).message).toContain('away 2');
    const hopeless = queueOf({ ...failing(9), retry: { ...retry, retryOnError: () => false } });
    expect((await failureOf(hopeless.queue.commit(1))).message).toContain('away 1');
  });

  it('is not waited for when the job ends', async () => {
    const { queue, job } = queueOf({ ...failing(9), retry });
    const failure = failureOf(queue.commit(1));
    await quiet(3);
    job.abort(new Error('the job is over'));
    expect((await failure).message).toBe('the job is over');
  });
});

describe('closing committers', () => {
  it('closes the global one first, and both whatever happens', async () => {
    const closed: string[] = [];
    const closing = (name: string) => ({
      commit: noCommit,
      close: () => {
        closed.push(name);
        throw new Error(`${name} is stuck`);
      },
    });
    const { queue } = queueOf(closing('committer'), closing('global committer'));
    const errors: string[] = [];
    queue.close((error) => errors.push((error as Error).message));
    await quiet(3);
    expect(errors).toEqual([
      expect.stringContaining('global committer is stuck'),
      expect.stringContaining('committer is stuck'),
    ]);
    expect(closed).toEqual(['global committer', 'committer']);
  });
});
