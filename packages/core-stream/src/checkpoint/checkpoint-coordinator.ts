/**
 * When checkpoints are taken, when they are complete or have failed, and when a job is done: decisions only.
 *
 * `(state, event) → (state, effects)`; the job carries the effects out and reports back. No clock, no I/O: time comes as events.
 * SPEC.md has the table in words, and what a user may rely on: P1 to P3, C2 and C3 are enforced here.
 *
 * Invariants
 * 1. One checkpoint at a time: the next is triggered when the previous one is durable, and its savepoint written, or it has
 *    failed. Ids ascend, and are used once.
 * 2. A checkpoint is written when every task has acknowledged it, and committed when it is durable, never before. What is
 *    said about a checkpoint that is not the current one counts for nothing.
 * 3. Commits of one job run in the order of their checkpoints. At most `maxPendingCommits` checkpoints wait for their
 *    commit: then no further one is triggered, except the last one of a job and one that was asked for.
 * 4. A job whose tasks have all ended takes one more checkpoint, the final one, after their end; it is done when that one
 *    and all before it are committed.
 * 5. A checkpoint that is not acknowledged in time, is declined or cannot be written is aborted. When more than
 *    `tolerableFailures` in a row have failed, the job fails; one that was asked for does not count. What is being written
 *    is not aborted by time, because it may become durable: each time-out counts as a failure, also of one that was asked
 *    for, because a storage that does not answer must not stop checkpoints for ever; its outcome decides.
 * 6. Each request is answered once, with its checkpoint or with the reason. A savepoint is written when its checkpoint is
 *    committed, so that it has nothing to commit.
 * 7. A job that is to suspend is done when the checkpoint for it is committed and saved; where that fails, its sources go on.
 */
import type {
  Checkpoint,
  CheckpointFailureReason,
  CheckpointRequest,
  CoordinatorConfig,
  CoordinatorEffect,
  CoordinatorEvent,
  CoordinatorPhase,
  CoordinatorState,
  Decision,
} from './coordinator-state.js';

type PhaseName = CoordinatorPhase['name'];
type EventType = CoordinatorEvent['type'];
type EventOf<E extends EventType> = Extract<CoordinatorEvent, { type: E }>;
type StateIn<P extends PhaseName> = CoordinatorState & {
  readonly phase: Extract<CoordinatorPhase, { name: P }>;
};
type Transition<P extends PhaseName, E extends EventType> = (
  state: StateIn<P>,
  event: EventOf<E>,
) => Decision;

/** Every event in every phase: a cell that is missing does not compile. */
type TransitionTable = { readonly [P in PhaseName]: { readonly [E in EventType]: Transition<P, E> } };

const TABLE: TransitionTable = {
  idle: {
    'interval-elapsed': fallDue,
    'pause-elapsed': endPause,
    'task-ended': endTask,
    acknowledged: ignore,
    declined: ignore,
    'aligned-timeout': ignore,
    timeout: ignore,
    written: ignore,
    'write-failed': ignore,
    committed: endCommit,
    saved: ignore,
    'save-failed': ignore,
    requested: enqueue,
    'ended-early': endEarly,
  },
  aligning: {
    'interval-elapsed': fallDue,
    'pause-elapsed': endPause,
    'task-ended': endTask,
    acknowledged: ofCurrent(acknowledge),
    declined: ofCurrent((state) => abort(state, 'declined')),
    'aligned-timeout': ofCurrent(overtake),
    timeout: ofCurrent((state) => abort(state, 'timeout')),
    written: ignore,
    'write-failed': ignore,
    committed: endCommit,
    saved: ignore,
    'save-failed': ignore,
    requested: enqueue,
    'ended-early': endEarly,
  },
  writing: {
    'interval-elapsed': fallDue,
    'pause-elapsed': endPause,
    'task-ended': endTask,
    acknowledged: ignore,
    declined: ignore,
    'aligned-timeout': ignore,
    timeout: ofCurrent(overrun),
    written: ofCurrent(complete),
    'write-failed': ofCurrent((state) => abort(state, 'write-failed')),
    committed: endCommit,
    saved: ignore,
    'save-failed': ignore,
    requested: enqueue,
    'ended-early': endEarly,
  },
  committing: {
    'interval-elapsed': fallDue,
    'pause-elapsed': endPause,
    'task-ended': endTask,
    acknowledged: ignore,
    declined: ignore,
    'aligned-timeout': ignore,
    timeout: ignore,
    written: ignore,
    'write-failed': ignore,
    committed: endCommit,
    saved: ignore,
    'save-failed': ignore,
    requested: enqueue,
    'ended-early': endEarly,
  },
  saving: {
    'interval-elapsed': fallDue,
    'pause-elapsed': endPause,
    'task-ended': endTask,
    acknowledged: ignore,
    declined: ignore,
    'aligned-timeout': ignore,
    timeout: ignore,
    written: ignore,
    'write-failed': ignore,
    committed: endCommit,
    saved: ofCurrent((state) => answer(state, state.phase.checkpoint, [])),
    'save-failed': ofCurrent(failSavepoint),
    requested: enqueue,
    'ended-early': endEarly,
  },
  over: {
    'interval-elapsed': ignore,
    'pause-elapsed': ignore,
    'task-ended': ignore,
    acknowledged: ignore,
    declined: ignore,
    'aligned-timeout': ignore,
    timeout: ignore,
    written: ignore,
    'write-failed': ignore,
    committed: ignore,
    saved: ignore,
    'save-failed': ignore,
    requested: (state, { request }) => ({ state, effects: [reject(request, 'job-over')] }),
    'ended-early': ignore,
  },
};

export function decide(state: CoordinatorState, event: CoordinatorEvent): Decision {
  // The compiler cannot tell that the cell is that of this very phase and event.
  const transition = TABLE[state.phase.name][event.type] as (
    state: CoordinatorState,
    event: CoordinatorEvent,
  ) => Decision;
  return transition(state, event);
}

export function initialCoordinator(options: {
  readonly config: CoordinatorConfig;
  /** One above the restored checkpoint. */
  readonly nextCheckpointId: number;
  /** The restored checkpoint, if it has anything left to commit. */
  readonly uncommitted: readonly number[];
}): Decision {
  const state: CoordinatorState = {
    ...options,
    phase: { name: 'idle' },
    ended: new Set(),
    isDue: false,
    isPausing: false,
    failures: 0,
    requests: [],
    isDraining: false,
    isComplete: false,
  };
  const first = options.uncommitted[0];
  return { state, effects: first === undefined ? [] : [{ type: 'commit', checkpointId: first }] };
}

// What the cells of the table do.

function ignore(state: CoordinatorState): Decision {
  return { state, effects: [] };
}

/** Only where the event is about the checkpoint that is under way (invariant 2). */
function ofCurrent<S extends CoordinatorState & { readonly phase: { readonly checkpoint: Checkpoint } }, E>(
  transition: (state: S, event: E) => Decision,
): (state: S, event: E & { readonly checkpointId: number }) => Decision {
  return (state, event) =>
    event.checkpointId === state.phase.checkpoint.id ? transition(state, event) : ignore(state);
}

function fallDue(state: CoordinatorState): Decision {
  return settle({ ...state, isDue: true }, []);
}

function endPause(state: CoordinatorState): Decision {
  return settle({ ...state, isPausing: false }, []);
}

function endTask(state: CoordinatorState, { task }: EventOf<'task-ended'>): Decision {
  if (!state.config.tasks.includes(task) || state.ended.has(task)) return ignore(state);
  return settle({ ...state, ended: new Set([...state.ended, task]) }, []);
}

function acknowledge(state: StateIn<'aligning'>, { task }: EventOf<'acknowledged'>): Decision {
  const missing = new Set(state.phase.missing);
  missing.delete(task);
  if (missing.size > 0) return { state: { ...state, phase: { ...state.phase, missing } }, effects: [] };
  const { checkpoint } = state.phase;
  return {
    state: { ...state, phase: { name: 'writing', checkpoint } },
    effects: [{ type: 'write', checkpointId: checkpoint.id }], // invariant 2; P2
  };
}

/** A savepoint stays aligned: what overtakes belongs to the channels of this very plan, and a savepoint to any. */
function overtake(state: StateIn<'aligning'>): Decision {
  const { checkpoint, isUnaligned } = state.phase;
  if (isUnaligned || checkpoint.request?.saves === true) return ignore(state);
  return {
    state: { ...state, phase: { ...state.phase, isUnaligned: true } },
    effects: [{ type: 'overtake', checkpointId: checkpoint.id }],
  };
}

function abort(state: StateIn<'aligning' | 'writing'>, reason: CheckpointFailureReason): Decision {
  const { id: checkpointId, request } = state.phase.checkpoint;
  const idle: CoordinatorState = { ...state, phase: { name: 'idle' } };
  const effects: CoordinatorEffect[] = [{ type: 'abort', checkpointId, reason }];
  if (request !== undefined) return pause(idle, [...effects, ...giveUp(state, request, reason)]); // invariant 5
  const failures = state.failures + 1;
  if (failures > state.config.tolerableFailures) return failJob(idle, checkpointId, reason, effects); // P3
  return pause({ ...idle, failures }, effects);
}

function overrun(state: StateIn<'writing'>): Decision {
  const { id: checkpointId } = state.phase.checkpoint;
  const failures = state.failures + 1;
  if (failures > state.config.tolerableFailures) return failJob(state, checkpointId, 'timeout', []); // invariant 5
  return { state: { ...state, failures }, effects: [{ type: 'extend-timeout', checkpointId }] };
}

function complete(state: StateIn<'writing'>): Decision {
  const { checkpoint } = state.phase;
  const { id: checkpointId, request } = checkpoint;
  const effects: CoordinatorEffect[] = [{ type: 'notify-complete', checkpointId }];
  if (state.uncommitted.length === 0) effects.push({ type: 'commit', checkpointId }); // invariant 3; C2
  const durable: CoordinatorState = {
    ...state,
    uncommitted: [...state.uncommitted, checkpointId],
    failures: 0,
  };
  if (request?.saves !== true) return answer(durable, checkpoint, effects);
  return { state: { ...durable, phase: { name: 'committing', checkpoint, request } }, effects };
}

function endCommit(state: CoordinatorState, { checkpointId }: EventOf<'committed'>): Decision {
  if (state.uncommitted[0] !== checkpointId) return ignore(state);
  const uncommitted = state.uncommitted.slice(1);
  const first = uncommitted[0];
  const effects: CoordinatorEffect[] = first === undefined ? [] : [{ type: 'commit', checkpointId: first }];
  const { phase } = state;
  if (phase.name !== 'committing' || first !== undefined) return settle({ ...state, uncommitted }, effects);
  const { checkpoint, request } = phase;
  return {
    state: { ...state, uncommitted, phase: { name: 'saving', checkpoint, request } },
    effects: [...effects, { type: 'save', checkpointId: checkpoint.id, requestId: request.id }], // invariant 6
  };
}

function failSavepoint(state: StateIn<'saving'>): Decision {
  const { checkpoint, request } = state.phase;
  return pause(
    { ...state, phase: { name: 'idle' }, isComplete: state.isComplete || checkpoint.isFinal },
    giveUp(state, request, 'save-failed'),
  );
}

function enqueue(state: CoordinatorState, { request }: EventOf<'requested'>): Decision {
  const queued: CoordinatorState = { ...state, requests: [...state.requests, request] };
  if (request.then !== 'drain') return settle(queued, []);
  return settle({ ...queued, isDraining: true, isComplete: false }, [{ type: 'drain-sources' }]);
}

function endEarly(state: CoordinatorState): Decision {
  return over(state, []);
}

// What several of them have in common.

/** The checkpoint is all that it was to be. */
function answer(
  state: CoordinatorState,
  { id: checkpointId, isFinal, request }: Checkpoint,
  effects: readonly CoordinatorEffect[],
): Decision {
  const isLast = isFinal || suspends(state, request);
  return pause({ ...state, phase: { name: 'idle' }, isComplete: state.isComplete || isLast }, [
    ...effects,
    ...(request === undefined ? [] : [{ type: 'fulfil', requestId: request.id, checkpointId } as const]),
  ]);
}

function giveUp(
  state: CoordinatorState,
  request: CheckpointRequest,
  reason: CheckpointFailureReason,
): CoordinatorEffect[] {
  const rejected = reject(request, reason);
  if (state.isComplete || !suspends(state, request)) return [rejected];
  return [rejected, { type: 'resume-sources' }]; // invariant 7
}

/** Sources that drain are not to be held up. */
function suspends({ isDraining }: CoordinatorState, request: CheckpointRequest | undefined): boolean {
  return request?.then === 'suspend' && !isDraining;
}

function reject({ id }: CheckpointRequest, reason: CheckpointFailureReason): CoordinatorEffect {
  return { type: 'reject', requestId: id, reason };
}

function pause(state: CoordinatorState, effects: readonly CoordinatorEffect[]): Decision {
  if (!state.config.hasMinPause) return settle(state, effects);
  return settle({ ...state, isPausing: true }, [...effects, { type: 'start-pause' }]);
}

function failJob(
  state: CoordinatorState,
  checkpointId: number,
  reason: CheckpointFailureReason,
  effects: readonly CoordinatorEffect[],
): Decision {
  return over(state, [...effects, { type: 'fail-job', checkpointId, reason }]);
}

function over(state: CoordinatorState, effects: readonly CoordinatorEffect[]): Decision {
  const current = 'checkpoint' in state.phase ? state.phase.checkpoint.request : undefined;
  const open = current === undefined ? state.requests : [current, ...state.requests];
  return {
    state: { ...state, phase: { name: 'over' }, requests: [] },
    effects: [...effects, ...open.map((request) => reject(request, 'job-over'))], // invariant 6
  };
}

/** What follows by itself where nothing is under way: what was asked for, the final checkpoint, the end, one that is due. */
function settle(state: CoordinatorState, effects: readonly CoordinatorEffect[]): Decision {
  const { config, requests, uncommitted } = state;
  if (state.phase.name !== 'idle') return { state, effects };
  const haveEnded = state.ended.size === config.tasks.length;
  const request = requests.find((one) => haveEnded || one.then !== 'drain');
  if (request !== undefined) return trigger(state, haveEnded, request, effects);
  if (state.isComplete) {
    if (uncommitted.length > 0 || requests.length > 0) return { state, effects };
    return { state: { ...state, phase: { name: 'over' } }, effects: [...effects, { type: 'finish-job' }] }; // invariants 4, 7
  }
  // The final one is repeated after the pause.
  if (haveEnded && !(state.isPausing && state.failures > 0)) return trigger(state, true, undefined, effects); // invariant 4; C3
  if (!haveEnded && state.isDue && !state.isPausing && uncommitted.length < config.maxPendingCommits) {
    return trigger(state, false, undefined, effects); // invariant 3
  }
  return { state, effects };
}

function trigger(
  state: CoordinatorState,
  isFinal: boolean,
  request: CheckpointRequest | undefined,
  effects: readonly CoordinatorEffect[],
): Decision {
  const checkpointId = state.nextCheckpointId;
  return {
    state: {
      ...state,
      phase: {
        name: 'aligning', // invariant 1, P1: only from idle
        checkpoint: { id: checkpointId, isFinal, request },
        missing: new Set(state.config.tasks),
        isUnaligned: false,
      },
      nextCheckpointId: checkpointId + 1,
      isDue: false,
      requests: state.requests.filter((one) => one !== request),
    },
    effects: [...effects, { type: 'trigger', checkpointId, suspends: suspends(state, request) }],
  };
}
