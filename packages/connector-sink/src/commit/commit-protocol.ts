/**
 * How one spool file gets into Druid exactly once: decisions only, as `(state, event) → state`. Each state has exactly one
 * step that the shell carries out, and whose outcome is the next event. The shell may die at any point; the next process
 * begins again at {@link beginCommit} with `inherited: true`.
 *
 * Invariants:
 * 1. Attempt N + 1 is submitted only after attempt N has ended as FAILED *and* its rows were counted and found absent.
 * 2. An answer that did not arrive is never taken for "did not happen": the task's status decides. Submitting the same
 *    attempt again is harmless, because Druid runs a task id once.
 * 3. `committed` is reached only from SUCCESS whose row counts do not contradict the file (and, where asked for, whose rows
 *    are queryable), or from counting all rows.
 * 4. FAILED does not mean unpublished: without a commit id that can be counted, FAILED ends the commit with an error.
 * 5. A count that is neither none nor all ends the commit with an error. Nothing is repaired by guessing.
 * 6. An attempt may leave rows out only after one that may not has failed by a row of the file: a row that arrived damaged
 *    must never count as a row that Druid cannot read.
 * 7. What has no cell in the table cannot happen: it is an invariant violation, not ignored.
 *
 * Attempt ids are a function of the committable, so two processes that commit the same file at the same time act as one.
 */
import type { StatusEvent, StopEvent, SubmitEvent } from './ingestion-task.js';
import { nextState, type Cells } from './protocol-table.js';

export interface CommitRules {
  /** Whether rows carry a commit id that can be counted. */
  readonly canCount: boolean;
  /** Whether to wait until the rows can be queried. */
  readonly untilQueryable: boolean;
  /** Whether rows that Druid cannot read are left out and handed on; else they end the commit. */
  readonly toleratesRejected: boolean;
  /** How many attempts this process may submit for one file. */
  readonly maxAttempts: number;
  /** How often this process may post one attempt before it gives up. */
  readonly maxPosts: number;
}

/** Why a commit ended without success. */
export type CommitFailure =
  'refused' | 'not-accepted' | 'unprovable' | 'attempts-exhausted' | 'rows-rejected' | 'rows-differ' | 'torn';

interface Live {
  readonly rules: CommitRules;
  /** The attempt in question, from 1. */
  readonly attempt: number;
  /** Whether an earlier process may have submitted this attempt. */
  readonly inherited: boolean;
  /** Attempts that this process has submitted. */
  readonly submitted: number;
  /** Whether attempts may leave out rows that Druid cannot read. */
  readonly tolerant: boolean;
}

export type CommitState =
  /** Step: ask for the attempt's status. `refusal`: Druid said no to a submission; that stands if it knows no such task. */
  | (Live & { readonly phase: 'resolving'; readonly posts: number; readonly refusal: boolean })
  /** Step: submit the attempt. `posts` counts this one. */
  | (Live & { readonly phase: 'submitting'; readonly posts: number })
  /** Step: wait a little, then ask for the status. */
  | (Live & { readonly phase: 'running'; readonly posts: number; readonly stopped: boolean })
  /** Step: ask Druid to stop the attempt, because nobody serves its input any more. */
  | (Live & { readonly phase: 'stopping'; readonly posts: number })
  /** Step: compare the task's row counts with the file's. */
  | (Live & { readonly phase: 'checking' })
  /** Step: wait until the rows can be queried. */
  | (Live & { readonly phase: 'appearing' })
  /** Step: wait until all that is published is loaded, then count the commit id. `next`: the attempt to submit if none. */
  | (Live & { readonly phase: 'counting'; readonly next: number; readonly stopped: boolean })
  | { readonly phase: 'committed'; readonly attempt: number }
  | { readonly phase: 'failed'; readonly attempt: number; readonly failure: CommitFailure };

export type CommitEvent =
  | StatusEvent
  | SubmitEvent
  | StopEvent
  /** The row counts agree, or there are none to compare. */
  | { readonly type: 'report-agrees' }
  | { readonly type: 'report-differs' }
  | { readonly type: 'rows-queryable' }
  | { readonly type: 'counted-all' }
  /** `rejected`: the attempt has failed by a row of the file that Druid cannot read. */
  | { readonly type: 'counted-none'; readonly rejected: boolean }
  | { readonly type: 'counted-other'; readonly rejected: boolean };

type Phase<P extends CommitState['phase'], E extends CommitEvent['type']> = Cells<
  CommitState,
  CommitEvent,
  P,
  E
>;

/** Where a commit begins. `inherited`: the request was restored, so an earlier process may have begun with it. */
export function beginCommit(rules: CommitRules, options: { readonly inherited: boolean }): CommitState {
  const live = { rules, attempt: 1, inherited: options.inherited, submitted: 0, tolerant: false };
  return options.inherited ? { ...live, phase: 'resolving', posts: 0, refusal: false } : submit(live, 1);
}

/** The state after `event`. @throws DruidSinkInvariantError where the event cannot happen in this state (invariant 7) */
export function nextCommitState(state: CommitState, event: CommitEvent): CommitState {
  return nextState('commit', table, state, event);
}

function fail(state: Live, failure: CommitFailure): CommitState {
  return { phase: 'failed', attempt: state.attempt, failure };
}

function live({ rules, attempt, inherited, submitted, tolerant }: Live): Live {
  return { rules, attempt, inherited, submitted, tolerant };
}

function submit(state: Live, posts: number): CommitState {
  if (posts > state.rules.maxPosts) return fail(state, 'not-accepted');
  if (posts > 1) return { ...live(state), phase: 'submitting', posts };
  if (state.submitted >= state.rules.maxAttempts) return fail(state, 'attempts-exhausted');
  return { ...live(state), submitted: state.submitted + 1, phase: 'submitting', posts };
}

function watch(state: Live & { readonly posts: number }, reachable: boolean, stopped = false): CommitState {
  const { posts } = state;
  if (state.inherited && !reachable && !stopped) return { ...live(state), phase: 'stopping', posts };
  return { ...live(state), phase: 'running', posts, stopped };
}

function succeeded(state: Live): CommitState {
  return { ...live(state), phase: 'checking' };
}

function ended(state: Live, stopped = false): CommitState {
  if (!state.rules.canCount) return fail(state, 'unprovable'); // invariant 4
  return { ...live(state), phase: 'counting', next: state.attempt + 1, stopped };
}

const table: {
  readonly resolving: Phase<'resolving', StatusEvent['type']>;
  readonly submitting: Phase<'submitting', SubmitEvent['type']>;
  readonly running: Phase<'running', StatusEvent['type']>;
  readonly stopping: Phase<'stopping', StopEvent['type']>;
  readonly checking: Phase<'checking', 'report-agrees' | 'report-differs'>;
  readonly appearing: Phase<'appearing', 'rows-queryable' | 'counted-other'>;
  readonly counting: Phase<'counting', 'counted-none' | 'counted-all' | 'counted-other'>;
} = {
  resolving: {
    'status-unknown': (state) => {
      if (state.refusal) return fail(state, 'refused');
      // Druid may have forgotten an old task: what an earlier process began with is counted before it is begun again.
      if (state.posts === 0 && state.rules.canCount) {
        return { ...live(state), phase: 'counting', next: state.attempt, stopped: false };
      }
      return submit(state, state.posts + 1); // invariant 2: the same attempt
    },
    'status-running': (state, event) => watch(state, event.reachable),
    'status-success': succeeded,
    'status-failed': (state) => ended(state),
  },
  submitting: {
    'submit-accepted': (state) => ({
      ...live(state),
      inherited: false,
      phase: 'running',
      posts: state.posts,
      stopped: false,
    }),
    'submit-unclear': (state) => ({ ...live(state), phase: 'resolving', posts: state.posts, refusal: false }),
    'submit-refused': (state) => ({ ...live(state), phase: 'resolving', posts: state.posts, refusal: true }),
  },
  running: {
    // Accepted, and gone: the Overlord has just lost or gained leadership, or has forgotten the task with all that it did.
    'status-unknown': (state) =>
      state.rules.canCount
        ? { ...live(state), phase: 'counting', next: state.attempt, stopped: state.stopped }
        : { ...live(state), phase: 'resolving', posts: state.posts, refusal: false },
    'status-running': (state, event) => watch(state, event.reachable, state.stopped),
    'status-success': succeeded,
    'status-failed': (state) => ended(state, state.stopped),
  },
  stopping: {
    'stop-asked': (state) => ({ ...live(state), phase: 'running', posts: state.posts, stopped: true }),
  },
  checking: {
    'report-agrees': (state) =>
      state.rules.untilQueryable
        ? { ...live(state), phase: 'appearing' }
        : { phase: 'committed', attempt: state.attempt }, // invariant 3
    'report-differs': (state) => fail(state, 'rows-differ'),
  },
  appearing: {
    'rows-queryable': (state) => ({ phase: 'committed', attempt: state.attempt }), // invariant 3
    'counted-other': (state) => fail(state, 'torn'), // invariant 5
  },
  counting: {
    // Invariant 1: the only way to another attempt. An earlier process may have submitted that one too.
    'counted-none': (state, { rejected }) => {
      if (rejected && (state.tolerant || !state.rules.toleratesRejected)) return fail(state, 'rows-rejected');
      const tolerant = state.tolerant || rejected; // invariant 6
      return submit({ ...live(state), attempt: state.next, inherited: true, tolerant }, 1);
    },
    'counted-all': (state) => ({ phase: 'committed', attempt: state.attempt }), // invariant 3
    'counted-other': (state, { rejected }) => {
      if (!rejected || !state.rules.toleratesRejected) return fail(state, 'torn'); // invariant 5
      // Perhaps what an earlier process's next attempt has published, which was allowed to leave that row out.
      const next = { ...live(state), attempt: state.next, inherited: true, tolerant: true };
      return { ...next, phase: 'resolving', posts: 0, refusal: false };
    },
  },
};
