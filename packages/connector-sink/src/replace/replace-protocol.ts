/**
 * How one revision of a chunk gets into Druid: decisions only, as `(state, event) → state`. Each state has one step that the
 * shell carries out, and whose outcome is the next event. The shell may die at any point; the next process begins again at
 * {@link beginRevision} with `inherited: true`.
 *
 * Replacing is idempotent: a task that FAILED and published all the same does no harm, the next attempt puts the same rows in
 * the same place. What must not happen is that a task of an older revision publishes after one of a newer.
 *
 * Invariants:
 * 1. Attempt N + 1 is submitted only after attempt N has ended without success. So processes that commit the same revision
 *    at the same time act as one: all end at the same attempt, and none submits anything after it.
 * 2. An answer that did not arrive is never taken for "did not happen": the task's status decides.
 * 3. `committed` is reached only from SUCCESS whose row counts do not contradict the revision, and, where asked for, whose
 *    rows the Broker counts.
 * 4. A revision has ended, well or not, only when none of its tasks can publish: each was seen in its end, except where the
 *    commit fails, and then the job does.
 */
import type { StatusEvent, StopEvent, SubmitEvent } from '../commit/ingestion-task.js';
import { nextState, type Cells } from '../commit/protocol-table.js';

export interface ReplaceRules {
  readonly untilQueryable: boolean;
  /** How many attempts this process may submit for one revision. */
  readonly maxAttempts: number;
  /** How often this process may post one attempt before it gives up. */
  readonly maxPosts: number;
}

export type ReplaceFailure = 'refused' | 'not-accepted' | 'attempts-exhausted' | 'other-rows';

interface Live {
  readonly rules: ReplaceRules;
  /** The attempt in question, from 1. */
  readonly attempt: number;
  /** Attempts that this process has submitted. */
  readonly submitted: number;
  /** How often this process has posted this attempt. */
  readonly posts: number;
}

export type ReplaceState =
  /** Step: ask for the attempt's status. `refusal`: Druid said no to a post; that stands if it knows no such task. */
  | (Live & { readonly phase: 'resolving'; readonly refusal: boolean })
  /** Step: post the attempt. */
  | (Live & { readonly phase: 'submitting' })
  /** Step: wait a little, then ask for the status. */
  | (Live & { readonly phase: 'running'; readonly stopped: boolean })
  /** Step: ask Druid to stop the attempt, because nobody serves its input any more. */
  | (Live & { readonly phase: 'stopping' })
  /** Step: compare the task's row counts with the revision's. */
  | (Live & { readonly phase: 'checking' })
  /** Step: wait until the Broker has the chunk's new segments, and count its rows. `isProven`: the task has read them all. */
  | (Live & { readonly phase: 'appearing'; readonly isProven: boolean })
  | { readonly phase: 'committed'; readonly attempt: number }
  | { readonly phase: 'failed'; readonly attempt: number; readonly failure: ReplaceFailure };

export type ReplaceEvent =
  | StatusEvent
  | SubmitEvent
  | StopEvent
  | { readonly type: 'report-agrees' }
  | { readonly type: 'report-differs' }
  /** Nothing tells what the task has read. */
  | { readonly type: 'no-report' }
  | { readonly type: 'rows-agree' }
  | { readonly type: 'rows-differ' };

type Phase<P extends ReplaceState['phase'], E extends ReplaceEvent['type']> = Cells<
  ReplaceState,
  ReplaceEvent,
  P,
  E
>;

/** Where a commit begins. `inherited`: an earlier process, or an earlier call, may have begun with it. */
export function beginRevision(rules: ReplaceRules, { inherited }: { inherited: boolean }): ReplaceState {
  const live = { rules, attempt: 1, submitted: 0, posts: 0 };
  return inherited ? { ...live, phase: 'resolving', refusal: false } : submit(live);
}

/** The state after `event`. @throws DruidSinkInvariantError where the event cannot happen in this state */
export function nextReplaceState(state: ReplaceState, event: ReplaceEvent): ReplaceState {
  return nextState('replace', table, state, event);
}

function live({ rules, attempt, submitted, posts }: Live): Live {
  return { rules, attempt, submitted, posts };
}

function fail(state: Live, failure: ReplaceFailure): ReplaceState {
  return { phase: 'failed', attempt: state.attempt, failure };
}

function submit(state: Live): ReplaceState {
  const { rules, posts, submitted } = state;
  if (posts >= rules.maxPosts) return fail(state, 'not-accepted');
  if (posts === 0 && submitted >= rules.maxAttempts) return fail(state, 'attempts-exhausted');
  return {
    ...live(state),
    submitted: posts === 0 ? submitted + 1 : submitted,
    posts: posts + 1,
    phase: 'submitting',
  };
}

/** The attempt has ended without the rows: invariant 1 allows the next one, which an earlier process may have begun. */
function nextAttempt(state: Live): ReplaceState {
  return { ...live(state), attempt: state.attempt + 1, posts: 0, phase: 'resolving', refusal: false };
}

function appear(state: Live, isProven: boolean): ReplaceState {
  return state.rules.untilQueryable
    ? { ...live(state), phase: 'appearing', isProven }
    : { phase: 'committed', attempt: state.attempt }; // invariant 3
}

function watch(state: Live, reachable: boolean, stopped: boolean): ReplaceState {
  return reachable || stopped
    ? { ...live(state), phase: 'running', stopped }
    : { ...live(state), phase: 'stopping' };
}

const table: {
  readonly resolving: Phase<'resolving', StatusEvent['type']>;
  readonly submitting: Phase<'submitting', SubmitEvent['type']>;
  readonly running: Phase<'running', StatusEvent['type']>;
  readonly stopping: Phase<'stopping', StopEvent['type']>;
  readonly checking: Phase<'checking', 'report-agrees' | 'report-differs' | 'no-report'>;
  readonly appearing: Phase<'appearing', 'rows-agree' | 'rows-differ'>;
} = {
  resolving: {
    // Invariant 2: the same attempt again. What Druid has forgotten it replaces by the same rows.
    'status-unknown': (state) => (state.refusal ? fail(state, 'refused') : submit(state)),
    'status-running': (state, { reachable }) => watch(state, reachable, false),
    'status-success': (state) => ({ ...live(state), phase: 'checking' }),
    'status-failed': nextAttempt,
  },
  submitting: {
    'submit-accepted': (state) => ({ ...live(state), phase: 'running', stopped: false }),
    'submit-unclear': (state) => ({ ...live(state), phase: 'resolving', refusal: false }),
    'submit-refused': (state) => ({ ...live(state), phase: 'resolving', refusal: true }),
  },
  running: {
    // The Overlord has just lost or gained leadership, or has forgotten the task.
    'status-unknown': (state) => ({ ...live(state), phase: 'resolving', refusal: false }),
    'status-running': (state, { reachable }) => watch(state, reachable, state.stopped),
    'status-success': (state) => ({ ...live(state), phase: 'checking' }),
    'status-failed': nextAttempt,
  },
  stopping: {
    'stop-asked': (state) => ({ ...live(state), phase: 'running', stopped: true }),
  },
  checking: {
    'report-agrees': (state) => appear(state, true),
    'no-report': (state) => appear(state, false),
    // A part of the chunk was published, because the connection to its input broke: the next attempt replaces that too.
    'report-differs': nextAttempt,
  },
  appearing: {
    'rows-agree': (state) => ({ phase: 'committed', attempt: state.attempt }), // invariant 3
    'rows-differ': (state) => (state.isProven ? fail(state, 'other-rows') : nextAttempt(state)),
  },
};
