/**
 * When checkpoints are taken, when they are complete, and when a job is done: decisions only.
 *
 * `(state, event) → (state, effects)`; the job performs the effects and reports back. No clock, no I/O.
 *
 * Invariants
 * 1. One checkpoint at a time: the next is triggered when the previous one is durable.
 * 2. A checkpoint is persisted when every task has acknowledged it, and committed when it is durable, never before.
 * 3. Commits of one job run in the order of their checkpoints. At most `maxPendingCommits` checkpoints wait for their
 *    commit: then no further one is triggered, except the final one.
 * 4. A job whose tasks have all ended takes one more checkpoint, the final one, after their end; it is done when that one
 *    and all before it are committed.
 */
export interface CoordinatorState {
  readonly tasks: readonly string[];
  readonly maxPendingCommits: number;
  readonly phase:
    | { readonly name: 'idle' }
    | { readonly name: 'aligning'; readonly checkpointId: number; readonly missing: ReadonlySet<string> }
    | { readonly name: 'persisting'; readonly checkpointId: number };
  readonly nextCheckpointId: number;
  /** Checkpoints that are durable and not committed, ascending. The first is being committed. */
  readonly uncommitted: readonly number[];
  readonly ended: ReadonlySet<string>;
  /** The checkpoint that was triggered after all tasks had ended. */
  readonly finalCheckpointId: number | undefined;
}

export type CoordinatorEvent =
  | { readonly type: 'interval-elapsed' }
  | { readonly type: 'task-ended'; readonly task: string }
  | { readonly type: 'acknowledged'; readonly task: string; readonly checkpointId: number }
  | { readonly type: 'persisted'; readonly checkpointId: number }
  | { readonly type: 'committed'; readonly checkpointId: number };

export type CoordinatorEffect =
  | { readonly type: 'trigger'; readonly checkpointId: number }
  | { readonly type: 'persist'; readonly checkpointId: number }
  /** Durable: tell the sources. */
  | { readonly type: 'notify-complete'; readonly checkpointId: number }
  | { readonly type: 'commit'; readonly checkpointId: number }
  | { readonly type: 'finish-job' };

export interface Decision {
  readonly state: CoordinatorState;
  readonly effects: readonly CoordinatorEffect[];
}

export function initialCoordinator(options: {
  readonly tasks: readonly string[];
  readonly maxPendingCommits: number;
  /** One above the restored checkpoint. */
  readonly nextCheckpointId: number;
  /** The restored checkpoint, if it has anything left to commit. */
  readonly uncommitted: readonly number[];
}): Decision {
  const state: CoordinatorState = {
    ...options,
    phase: { name: 'idle' },
    ended: new Set(),
    finalCheckpointId: undefined,
  };
  const first = options.uncommitted[0];
  return { state, effects: first === undefined ? [] : [{ type: 'commit', checkpointId: first }] };
}

export function decide(state: CoordinatorState, event: CoordinatorEvent): Decision {
  switch (event.type) {
    case 'interval-elapsed':
      if (
        state.phase.name !== 'idle' ||
        allEnded(state) ||
        state.uncommitted.length >= state.maxPendingCommits
      ) {
        return { state, effects: [] }; // invariants 1 and 3
      }
      return trigger(state, undefined);
    case 'task-ended':
      if (!state.tasks.includes(event.task) || state.ended.has(event.task)) return { state, effects: [] };
      return next({ ...state, ended: new Set([...state.ended, event.task]) }, []);
    case 'acknowledged': {
      if (state.phase.name !== 'aligning' || state.phase.checkpointId !== event.checkpointId)
        return { state, effects: [] };
      const missing = new Set(state.phase.missing);
      missing.delete(event.task);
      const { checkpointId } = event;
      if (missing.size > 0) return { state: { ...state, phase: { ...state.phase, missing } }, effects: [] };
      return {
        state: { ...state, phase: { name: 'persisting', checkpointId } },
        effects: [{ type: 'persist', checkpointId }], // invariant 2
      };
    }
    case 'persisted': {
      const { checkpointId } = event;
      if (state.phase.name !== 'persisting' || state.phase.checkpointId !== checkpointId)
        return { state, effects: [] };
      const effects: CoordinatorEffect[] = [{ type: 'notify-complete', checkpointId }];
      if (state.uncommitted.length === 0) effects.push({ type: 'commit', checkpointId }); // invariant 3
      return next(
        { ...state, phase: { name: 'idle' }, uncommitted: [...state.uncommitted, checkpointId] },
        effects,
      );
    }
    case 'committed': {
      if (state.uncommitted[0] !== event.checkpointId) return { state, effects: [] };
      const uncommitted = state.uncommitted.slice(1);
      const first = uncommitted[0];
      return next(
        { ...state, uncommitted },
        first === undefined ? [] : [{ type: 'commit', checkpointId: first }],
      );
    }
  }
}

/** What follows by itself: the final checkpoint, then the end (invariant 4). */
function next(state: CoordinatorState, effects: readonly CoordinatorEffect[]): Decision {
  if (!allEnded(state) || state.phase.name !== 'idle') return { state, effects };
  if (state.finalCheckpointId === undefined) return trigger(state, state.nextCheckpointId, effects);
  return { state, effects: state.uncommitted.length === 0 ? [...effects, { type: 'finish-job' }] : effects };
}

function trigger(
  state: CoordinatorState,
  finalCheckpointId: number | undefined,
  effects: readonly CoordinatorEffect[] = [],
): Decision {
  const checkpointId = state.nextCheckpointId;
  return {
    state: {
      ...state,
      phase: { name: 'aligning', checkpointId, missing: new Set(state.tasks) },
      nextCheckpointId: checkpointId + 1,
      finalCheckpointId,
    },
    effects: [...effects, { type: 'trigger', checkpointId }],
  };
}

function allEnded(state: CoordinatorState): boolean {
  return state.ended.size === state.tasks.length;
}
