import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DruidSinkInvariantError } from '../../src/errors.js';
import {
  beginRevision,
  nextReplaceState,
  type ReplaceEvent,
  type ReplaceRules,
} from '../../src/replace/replace-protocol.js';
import { runScenario } from './replace-model.js';

const rules: ReplaceRules = { untilQueryable: true, maxAttempts: 3, maxPosts: 4 };

/** Phases passed through, from the beginning. */
function trace(
  options: { rules?: Partial<ReplaceRules>; inherited?: boolean },
  ...events: ReplaceEvent['type'][]
): string[] {
  const { inherited = false } = options;
  let state = beginRevision({ ...rules, ...options.rules }, { inherited });
  const name = () => `${state.phase}${'failure' in state ? ` ${state.failure}` : ''} a${state.attempt}`;
  const names = [name()];
  for (const type of events) {
    const event = type === 'status-running' ? { type, reachable: !inherited } : { type };
    state = nextReplaceState(state, event);
    names.push(name());
  }
  return names;
}

describe('the replace protocol', () => {
  it('submits, waits, checks and counts', () => {
    expect(
      trace({}, 'submit-accepted', 'status-running', 'status-success', 'report-agrees', 'rows-agree'),
    ).toEqual(['submitting a1', 'running a1', 'running a1', 'checking a1', 'appearing a1', 'committed a1']);
    expect(
      trace({ rules: { untilQueryable: false } }, 'submit-accepted', 'status-success', 'report-agrees').at(
        -1,
      ),
    ).toBe('committed a1');
  });

  it('begins the next attempt when one has ended without success, never before (invariant 1)', () => {
    expect(trace({}, 'submit-accepted', 'status-failed', 'status-unknown')).toEqual([
      'submitting a1',
      'running a1',
      'resolving a2',
      'submitting a2',
    ]);
  });

  it('writes the chunk again when a task ended well with other rows (invariant 3)', () => {
    expect(trace({}, 'submit-accepted', 'status-success', 'report-differs', 'status-unknown').at(-1)).toBe(
      'submitting a2',
    );
  });

  it('asks for the status when an answer is lost, and posts the same attempt again (invariant 2)', () => {
    expect(trace({}, 'submit-unclear', 'status-unknown', 'submit-unclear', 'status-running')).toEqual([
      'submitting a1',
      'resolving a1',
      'submitting a1',
      'resolving a1',
      'running a1',
    ]);
    expect(trace({ inherited: true }, 'status-success').at(-1)).toBe('checking a1');
  });

  it('believes a refusal only when Druid knows no such task', () => {
    expect(trace({}, 'submit-refused', 'status-unknown').at(-1)).toBe('failed refused a1');
    expect(trace({}, 'submit-refused', 'status-success').at(-1)).toBe('checking a1');
  });

  it('gives up after as many posts, and as many attempts, as it may', () => {
    const post: ReplaceEvent['type'][] = ['submit-unclear', 'status-unknown'];
    expect(trace({}, ...post, ...post, ...post, ...post).at(-1)).toBe('failed not-accepted a1');
    const attempt: ReplaceEvent['type'][] = ['submit-accepted', 'status-failed', 'status-unknown'];
    expect(trace({}, ...attempt, ...attempt, ...attempt).at(-1)).toBe('failed attempts-exhausted a4');
  });

  it('stops an inherited task whose input nobody serves, once', () => {
    expect(
      trace({ inherited: true }, 'status-running', 'stop-asked', 'status-running', 'status-failed'),
    ).toEqual(['resolving a1', 'stopping a1', 'running a1', 'running a1', 'resolving a2']);
  });

  it('says so when something else has rows in the chunk', () => {
    expect(trace({}, 'submit-accepted', 'status-success', 'report-agrees', 'rows-differ').at(-1)).toBe(
      'failed other-rows a1',
    );
  });

  it('writes the chunk again when other rows are found and no report has told what the task read', () => {
    expect(trace({}, 'submit-accepted', 'status-success', 'no-report', 'rows-differ').at(-1)).toBe(
      'resolving a2',
    );
    expect(trace({ inherited: true }, 'status-success', 'no-report', 'rows-agree').at(-1)).toBe(
      'committed a1',
    );
    const attempt: ReplaceEvent['type'][] = ['submit-accepted', 'status-success', 'no-report', 'rows-differ'];
    const next = ['status-unknown', ...attempt] as const;
    expect(trace({}, ...attempt, ...next, ...next, 'status-unknown').at(-1)).toBe(
      'failed attempts-exhausted a4',
    );
  });

  it('calls an event that cannot happen a bug', () => {
    expect(() => trace({}, 'rows-agree')).toThrow(DruidSinkInvariantError);
    expect(() => nextReplaceState({ phase: 'committed', attempt: 1 }, { type: 'status-success' })).toThrow(
      /phase 'committed'/,
    );
  });

  it('ends with the newest revision, whoever crashes, lags behind, fails or loses answers (invariants 1, 2, 3)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 11 }), { maxLength: 150 }), (choices) => {
        let position = 0;
        const visible = runScenario(rules, (options) => (choices[position++] ?? 0) % options);
        expect(visible).toMatchObject({ revision: 2, isWhole: true });
      }),
      { numRuns: 3_000 },
    );
  });
});
