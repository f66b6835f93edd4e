import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { whyUnusable, withRun, type StoreHistory } from '../../src/state/disk-history.js';

const JOB = { jobId: 'job', bootId: 'boot' };
const NOTHING: Pick<StoreHistory, 'runs' | 'oldest'> = { runs: [], oldest: 0 };
const first = withRun(NOTHING, JOB, { id: 'first', from: 0 });

function reason(history: StoreHistory | undefined, checkpointId: number, run: string, bootId = 'boot') {
  return whyUnusable(history, 'job', { checkpointId, run }, bootId);
}

describe('the history of a state store', () => {
  it('is of use for the checkpoints of its run', () => {
    expect(reason(first, 3, 'first')).toBeUndefined();
    expect(reason(first, 3, 'another')).toBe('it is not of the run that took the checkpoint');
    expect(reason(undefined, 3, 'first')).toBe('it is empty');
  });

  it('is of no use to another job, or another version', () => {
    expect(reason({ ...first, jobId: 'other' }, 3, 'first')).toBe('it belongs to another job');
    const newer = { ...first, version: 2 } as unknown as StoreHistory;
    expect(reason(newer, 3, 'first')).toBe('another version of this package has written it');
  });

  it('invariant 1: is as good as what one would remember of each checkpoint', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('checkpoint' as const) }),
      fc.record({ type: fc.constant('restart' as const), at: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let history = withRun(NOTHING, JOB, { id: 'run 0', from: 0 });
        let run = 'run 0';
        let last = 0;
        /** What the store can be taken back to, and all that was ever taken. */
        let reachable: { id: number; run: string }[] = [];
        const taken: { id: number; run: string }[] = [];
        for (const [index, { type, ...more }] of steps.entries()) {
          if (type === 'checkpoint') {
            const checkpoint = { id: ++last, run };
            reachable.push(checkpoint);
            taken.push(checkpoint);
          } else {
            const to = reachable[(more as { at: number }).at % Math.max(1, reachable.length)];
            if (to === undefined) continue;
            reachable = reachable.slice(0, reachable.indexOf(to) + 1);
            run = `run ${index + 1}`;
            last = to.id;
            history = withRun(history, JOB, { id: run, from: to.id });
          }
          for (const checkpoint of taken) {
            const isReachable = reason(history, checkpoint.id, checkpoint.run) === undefined;
            expect(isReachable).toBe(reachable.includes(checkpoint));
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('invariant 2: is trusted after another start of the machine only where it was closed', () => {
    expect(reason(first, 3, 'first', 'later boot')).toBe('it was not closed before the machine stopped');
    expect(reason({ ...first, isClosed: true }, 3, 'first', 'later boot')).toBeUndefined();
    const unknown = { ...first, bootId: undefined };
    expect(whyUnusable(unknown, 'job', { checkpointId: 3, run: 'first' }, undefined)).toMatch(/not closed/);
  });

  it('invariant 3: goes back to no checkpoint before the oldest one', () => {
    const kept = { ...first, oldest: 3 };
    expect(reason(kept, 3, 'first')).toBeUndefined();
    expect(reason(kept, 2, 'first')).toBe('it can no longer be taken back that far');
  });
});
