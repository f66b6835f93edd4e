import { describe, expect, it } from 'vitest';
import type { CommitRequest } from '../../src/index.js';
import { CommitQueue } from '../../src/runtime/commit-queue.js';
import { createGate, failureOf, quiet } from '../support/conditions.js';
import { sinkContext } from '../support/sink-runs.js';

const request = (checkpointId: number, subtaskIndex: number): CommitRequest<unknown> => ({
  checkpointId,
  subtaskIndex,
  committable: `${checkpointId}/${subtaskIndex}`,
});

const alone = { globalCommitter: undefined, context: sinkContext() };

function queueOf(commit: (requests: readonly CommitRequest<unknown>[]) => Promise<void>) {
  const recovered: (readonly CommitRequest<unknown>[])[] = [];
  const committer = {
    commit,
    recover: (pending: readonly CommitRequest<unknown>[]) => void recovered.push(pending),
  };
  return { recovered, queue: new CommitQueue([{ uid: 'out', name: 'Out', committer, ...alone }]) };
}

describe('commit queue', () => {
  it('commit queue invariant 1: holds a request until its committer has confirmed it', async () => {
    const gate = createGate();
    const { queue } = queueOf(() => gate.opened);
    queue.add('out', [request(1, 0)]);
    const committing = queue.commit(1);
    queue.add('out', [request(2, 0)]);
    expect(queue.snapshot(9)).toEqual([{ uid: 'out', requests: [request(1, 0), request(2, 0)] }]);
    gate.open();
    await committing;
    expect(queue.snapshot(9)).toEqual([{ uid: 'out', requests: [request(2, 0)] }]);
    await queue.commit(2);
    expect(queue.snapshot(9)).toEqual([]);
  });

  it('commit queue invariant 3: what an aborted checkpoint has prepared belongs to the next one that is durable', async () => {
    const commits: (readonly CommitRequest<unknown>[])[] = [];
    const { queue } = queueOf((requests) => Promise.resolve(void commits.push(requests)));
    queue.prepare('out', 1, ['of 1']);
    expect(queue.snapshot(1)).toEqual([
      { uid: 'out', requests: [{ checkpointId: 1, subtaskIndex: 1, committable: 'of 1' }] },
    ]);
    await queue.commit(1); // it never was durable
    expect(commits).toEqual([]);
    queue.prepare('out', 0, ['of 2']);
    queue.prepare('out', 1, ['of 2']);
    queue.complete(2);
    await queue.commit(2);
    expect(commits).toEqual([
      [
        { checkpointId: 2, subtaskIndex: 0, committable: 'of 2' },
        { checkpointId: 2, subtaskIndex: 1, committable: 'of 1' },
        { checkpointId: 2, subtaskIndex: 1, committable: 'of 2' },
      ],
    ]);
    expect(queue.snapshot(3)).toEqual([]);
  });

  it('commit queue invariant 1: still holds what was refused', async () => {
    const { queue } = queueOf(() => Promise.reject(new Error('away')));
    queue.add('out', [request(1, 0)]);
    expect((await failureOf(queue.commit(1))).message).toContain(
      "'Out' (subtask 0) failed while committing checkpoint 1",
    );
    expect(queue.snapshot(9)).toHaveLength(1);
  });

  it('waits for the other sinks when one fails: a committer is not closed while it commits', async () => {
    const gate = createGate();
    const committers = [{ commit: () => Promise.reject(new Error('away')) }, { commit: () => gate.opened }];
    const queue = new CommitQueue(
      committers.map((committer, index) => ({
        uid: `out-${index}`,
        name: `Out ${index}`,
        committer,
        ...alone,
      })),
    );
    queue.add('out-0', [request(1, 0)]);
    queue.add('out-1', [request(1, 0)]);
    let hasSettled = false;
    const failed = failureOf(queue.commit(1)).finally(() => (hasSettled = true));
    await quiet(5);
    expect(hasSettled).toBe(false);
    gate.open();
    expect((await failed).message).toContain("'Out 0'");
  });

  it('commit queue invariant 2: one call per checkpoint, oldest first, ordered by subtask', async () => {
    const calls: unknown[][] = [];
    const { queue, recovered } = queueOf((requests) => {
      calls.push(requests.map(({ committable }) => committable));
      return Promise.resolve();
    });
    queue.add('out', [request(3, 2), request(2, 1), request(3, 0), request(2, 0), request(4, 0)]);
    queue.add('out', []);
    queue.add('no committer', []);
    await queue.recover(() => []);
    expect(recovered[0]).toHaveLength(5);
    await queue.commit(3);
    expect(calls).toEqual([
      ['2/0', '2/1'],
      ['3/0', '3/2'],
    ]);
    expect(queue.snapshot(9)).toEqual([{ uid: 'out', requests: [request(4, 0)] }]);
  });

  it('commit queue invariant 4: begins no commit when the job has ended', async () => {
    const abort = new AbortController();
    const calls: string[] = [];
    const committer = {
      commit: (requests: readonly CommitRequest<unknown>[]) => {
        calls.push(`commit ${requests[0]!.checkpointId}`);
        if (requests[0]!.checkpointId === 2) abort.abort(new Error('over'));
        return Promise.resolve();
      },
    };
    const globalCommitter = {
      commit: (requests: readonly CommitRequest<unknown>[]) =>
        Promise.resolve(void calls.push(`globally ${requests[0]!.checkpointId}`)),
    };
    const context = sinkContext({ signal: abort.signal });
    const queue = new CommitQueue([{ uid: 'out', name: 'Out', committer, globalCommitter, context }]);
    queue.add('out', [request(1, 0), request(2, 0), request(3, 0)]);
    expect((await failureOf(queue.commit(3))).message).toBe('over');
    expect(calls).toEqual(['commit 1', 'globally 1', 'commit 2']);
    expect(queue.snapshot(9)[0]?.requests).toEqual([request(2, 0), request(3, 0)]);
  });

  it('takes more requests than a call can have arguments', async () => {
    let committed = 0;
    const { queue } = queueOf((requests) => {
      committed += requests.length;
      return Promise.resolve();
    });
    queue.add(
      'out',
      Array.from({ length: 200_000 }, () => request(1, 0)),
    );
    await queue.commit(1);
    expect(committed).toBe(200_000);
  });

  it('refuses what no committer would ever make visible', () => {
    const { queue } = queueOf(() => Promise.resolve());
    expect(() => queue.prepare('other', 0, ['of 1'])).toThrow(
      "The sink with uid 'other' has 1 prepared commit and no committer",
    );
  });
});
