import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  beginCommit,
  nextCommitState,
  type CommitEvent,
  type CommitRules,
  type CommitState,
} from '../src/commit/commit-protocol.js';
import { DruidSinkInvariantError } from '../src/errors.js';
import { runScenario } from './support/druid-model.js';

const rules: CommitRules = {
  canCount: true,
  untilQueryable: true,
  toleratesRejected: false,
  maxAttempts: 3,
  maxPosts: 4,
};

/** `rejected`: no rows were counted, because Druid cannot read one of them. */
type EventName = CommitEvent['type'] | 'rejected';

/** Phases passed through, from the beginning. */
function trace(
  options: { rules?: Partial<CommitRules>; inherited?: boolean },
  ...events: EventName[]
): string[] {
  let state: CommitState = beginCommit(
    { ...rules, ...options.rules },
    { inherited: options.inherited ?? false },
  );
  const name = () => {
    const more =
      'failure' in state ? ` ${state.failure}` : 'tolerant' in state && state.tolerant ? ' tolerant' : '';
    return `${state.phase}${more} a${state.attempt}`;
  };
  const names = [name()];
  for (const type of events) {
    state = nextCommitState(state, eventOf(type, !options.inherited));
    names.push(name());
  }
  return names;
}

function eventOf(name: EventName, reachable: boolean): CommitEvent {
  if (name === 'status-running') return { type: name, reachable };
  if (name === 'rejected') return { type: 'counted-none', rejected: true };
  if (name === 'counted-none' || name === 'counted-other') return { type: name, rejected: false };
  return { type: name };
}

describe('the commit protocol', () => {
  it('submits, waits, checks and waits for queries', () => {
    expect(
      trace({}, 'submit-accepted', 'status-running', 'status-success', 'report-agrees', 'rows-queryable'),
    ).toEqual(['submitting a1', 'running a1', 'running a1', 'checking a1', 'appearing a1', 'committed a1']);
  });

  it('is content with SUCCESS where nobody waits for queries', () => {
    expect(
      trace({ rules: { untilQueryable: false } }, 'submit-accepted', 'status-success', 'report-agrees').at(
        -1,
      ),
    ).toBe('committed a1');
  });

  it('asks for the status when an answer is lost, and posts the same attempt again if there is none (invariant 2)', () => {
    expect(trace({}, 'submit-unclear', 'status-unknown', 'submit-unclear', 'status-running')).toEqual([
      'submitting a1',
      'resolving a1',
      'submitting a1',
      'resolving a1',
      'running a1',
    ]);
  });

  it('gives up posting after a while', () => {
    const again: CommitEvent['type'][] = ['submit-unclear', 'status-unknown'];
    expect(trace({}, ...again, ...again, ...again, ...again).at(-1)).toBe('failed not-accepted a1');
  });

  it('believes a refusal only when Druid knows no such task', () => {
    expect(trace({}, 'submit-refused', 'status-unknown').at(-1)).toBe('failed refused a1');
    expect(trace({}, 'submit-refused', 'status-success').at(-1)).toBe('checking a1');
  });

  it('counts after FAILED before another attempt (invariant 1)', () => {
    expect(trace({}, 'submit-accepted', 'status-failed', 'counted-none')).toEqual([
      'submitting a1',
      'running a1',
      'counting a1',
      'submitting a2',
    ]);
    expect(trace({}, 'submit-accepted', 'status-failed', 'counted-all').at(-1)).toBe('committed a1');
    expect(trace({}, 'submit-accepted', 'status-failed', 'counted-other').at(-1)).toBe('failed torn a1'); // invariant 5
  });

  it('stops after as many attempts as it may submit', () => {
    const once: CommitEvent['type'][] = ['submit-accepted', 'status-failed', 'counted-none'];
    expect(trace({}, ...once, ...once, ...once).at(-1)).toBe('failed attempts-exhausted a4');
  });

  it('refuses to guess without a commit id (invariant 4)', () => {
    expect(trace({ rules: { canCount: false } }, 'submit-accepted', 'status-failed').at(-1)).toBe(
      'failed unprovable a1',
    );
  });

  it('stops on row counts that differ (invariant 3)', () => {
    expect(trace({}, 'submit-accepted', 'status-success', 'report-differs').at(-1)).toBe(
      'failed rows-differ a1',
    );
  });

  it('asks first when it inherits a request, and counts what Druid has forgotten', () => {
    expect(trace({ inherited: true }, 'status-unknown', 'counted-none')).toEqual([
      'resolving a1',
      'counting a1',
      'submitting a1',
    ]);
    expect(trace({ inherited: true }, 'status-unknown', 'counted-all').at(-1)).toBe('committed a1');
    expect(trace({ inherited: true, rules: { canCount: false } }, 'status-unknown').at(-1)).toBe(
      'submitting a1',
    );
  });

  it('counts before it submits a task again that Druid had accepted and knows no more', () => {
    expect(trace({}, 'submit-accepted', 'status-unknown', 'counted-all').at(-1)).toBe('committed a1');
    expect(trace({}, 'submit-accepted', 'status-unknown', 'counted-none').slice(-2)).toEqual([
      'counting a1',
      'submitting a1',
    ]);
  });

  it('stops an inherited task whose input nobody serves, once', () => {
    expect(
      trace({ inherited: true }, 'status-running', 'stop-asked', 'status-running', 'status-failed'),
    ).toEqual(['resolving a1', 'stopping a1', 'running a1', 'running a1', 'counting a1']);
  });

  it('leaves rows out only after a task has failed by one of them, and never twice (invariant 6)', () => {
    const failed: EventName[] = ['submit-accepted', 'status-failed', 'rejected'];
    const tolerant = { rules: { toleratesRejected: true } };
    expect(trace({}, ...failed).at(-1)).toBe('failed rows-rejected a1');
    expect(trace(tolerant, ...failed).at(-1)).toBe('submitting tolerant a2');
    expect(trace(tolerant, 'submit-accepted', 'status-failed', 'counted-none').at(-1)).toBe('submitting a2');
    expect(trace(tolerant, ...failed, 'submit-accepted', 'status-success').at(-1)).toBe(
      'checking tolerant a2',
    );
    expect(trace(tolerant, ...failed, ...failed).at(-1)).toBe('failed rows-rejected a2');
  });

  it('calls an event that cannot happen an invariant violation (invariant 7)', () => {
    expect(() => trace({}, 'rows-queryable')).toThrow(DruidSinkInvariantError);
    expect(() => nextCommitState({ phase: 'committed', attempt: 1 }, { type: 'status-success' })).toThrow(
      /phase 'committed'/,
    );
  });
});

describe('the commit protocol against a Druid that loses answers and processes that crash and overlap', () => {
  /** Every course of events whose first `depth` choices differ; after those, all goes well. */
  function exhaust(depth: number, run: (choose: (options: number) => number) => void): number {
    const prefix: { value: number; options: number }[] = [];
    for (let runs = 1; ; runs++) {
      let position = 0;
      run((options) => {
        if (position >= depth) return 0;
        const choice = (prefix[position++] ??= { value: 0, options });
        return choice.value;
      });
      prefix.length = Math.min(prefix.length, position);
      while (prefix.length > 0 && prefix[prefix.length - 1]!.value + 1 >= prefix[prefix.length - 1]!.options)
        prefix.pop();
      const last = prefix.at(-1);
      if (last === undefined) return runs;
      last.value += 1;
    }
  }

  it('publishes exactly once in every course of eight choices (invariants 1, 2, 3)', () => {
    const runs = exhaust(8, (choose) => {
      const { last, published } = runScenario(rules, choose);
      // Not `expect`: it would take most of the test's time.
      if (last.phase !== 'committed' || published !== 1)
        throw new Error(`${last.phase}, published ${published} times`);
    });
    expect(runs).toBeGreaterThan(5_000);
  });

  it('publishes exactly once in every course of seven choices where Druid cannot read a row (invariant 6)', () => {
    const tolerant = { ...rules, toleratesRejected: true };
    exhaust(7, (choose) => {
      const { last, published } = runScenario(tolerant, choose, { hasBadRow: true });
      if (last.phase !== 'committed' || published !== 1)
        throw new Error(`${last.phase}, published ${published} times`);
    });
  });

  it('publishes exactly once in long random courses', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 11 }), { maxLength: 120 }), (choices) => {
        let position = 0;
        const { last, published } = runScenario(rules, (options) => (choices[position++] ?? 0) % options);
        expect([last.phase, published]).toEqual(['committed', 1]);
      }),
      { numRuns: 3_000 },
    );
  });

  it('publishes at most once without a commit id, and says where it cannot tell (invariant 4)', () => {
    exhaust(8, (choose) => {
      const { last, published } = runScenario({ ...rules, canCount: false }, choose);
      expect(published).toBeLessThanOrEqual(1);
      expect(last.phase === 'committed' || ('failure' in last && last.failure === 'unprovable')).toBe(true);
    });
  });
});
