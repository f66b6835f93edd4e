/** What the checkpoint coordinator knows, what happens to it, and what it asks for. */

export interface CoordinatorConfig {
  /** The tasks whose parts a checkpoint is made of. */
  readonly tasks: readonly string[];
  /** Durable checkpoints that may wait for their commits before no further one is taken by itself. */
  readonly maxPendingCommits: number;
  /** Whether a time has to pass between two checkpoints. */
  readonly hasMinPause: boolean;
  /** Checkpoints in a row that may fail. */
  readonly tolerableFailures: number;
}

/** What a user asks of a running job. */
export interface CheckpointRequest {
  readonly id: number;
  /** Whether a copy of the checkpoint goes to a place of its own: a savepoint. */
  readonly saves: boolean;
  /** `suspend`: the job ends with this checkpoint; `drain`: it ends as if its input had, and this checkpoint is the final one. */
  readonly then: 'go-on' | 'suspend' | 'drain';
}

export interface Checkpoint {
  readonly id: number;
  /** Triggered after all tasks had ended. */
  readonly isFinal: boolean;
  readonly request: CheckpointRequest | undefined;
}

export type CoordinatorPhase =
  | { readonly name: 'idle' }
  /** Barriers are on their way; `missing` are the tasks that have not acknowledged. */
  | {
      readonly name: 'aligning';
      readonly checkpoint: Checkpoint;
      readonly missing: ReadonlySet<string>;
      readonly isUnaligned: boolean;
    }
  /** All parts are there, and are being made durable. */
  | { readonly name: 'writing'; readonly checkpoint: Checkpoint }
  /** Durable; its savepoint waits for its commits. */
  | { readonly name: 'committing'; readonly checkpoint: Checkpoint; readonly request: CheckpointRequest }
  /** Its savepoint is being written. */
  | { readonly name: 'saving'; readonly checkpoint: Checkpoint; readonly request: CheckpointRequest }
  | { readonly name: 'over' };

export interface CoordinatorState {
  readonly config: CoordinatorConfig;
  readonly phase: CoordinatorPhase;
  readonly nextCheckpointId: number;
  /** Checkpoints that are durable and not committed, ascending. The first is being committed. */
  readonly uncommitted: readonly number[];
  /** Tasks. */
  readonly ended: ReadonlySet<string>;
  /** The interval has passed, and its checkpoint has not been triggered. */
  readonly isDue: boolean;
  readonly isPausing: boolean;
  /** In a row. */
  readonly failures: number;
  /** Whose checkpoint has not been triggered. */
  readonly requests: readonly CheckpointRequest[];
  /** The sources have been told to end: what suspends does not end the job any more. */
  readonly isDraining: boolean;
  /** The job ends with a checkpoint that is durable: the final one, or one that suspends. */
  readonly isComplete: boolean;
}

export type CoordinatorEvent =
  | { readonly type: 'interval-elapsed' }
  | { readonly type: 'pause-elapsed' }
  | { readonly type: 'task-ended'; readonly task: string }
  | { readonly type: 'acknowledged'; readonly task: string; readonly checkpointId: number }
  | { readonly type: 'declined'; readonly checkpointId: number }
  | { readonly type: 'aligned-timeout'; readonly checkpointId: number }
  | { readonly type: 'timeout'; readonly checkpointId: number }
  | { readonly type: 'written'; readonly checkpointId: number }
  | { readonly type: 'write-failed'; readonly checkpointId: number }
  | { readonly type: 'committed'; readonly checkpointId: number }
  | { readonly type: 'saved'; readonly checkpointId: number }
  | { readonly type: 'save-failed'; readonly checkpointId: number }
  | { readonly type: 'requested'; readonly request: CheckpointRequest }
  /** The job has failed, or was cancelled. */
  | { readonly type: 'ended-early' };

/** Why a checkpoint, or what was asked for, did not come to be. */
export type CheckpointFailureReason = 'timeout' | 'declined' | 'write-failed' | 'save-failed' | 'job-over';

export type CoordinatorEffect =
  /** Send barriers, and begin to measure the time-outs. With `suspends` sources emit nothing after their barrier. */
  | { readonly type: 'trigger'; readonly checkpointId: number; readonly suspends: boolean }
  /** The barriers overtake what lies in front of them. */
  | { readonly type: 'overtake'; readonly checkpointId: number }
  /** It will not be complete: tasks give up their alignment. */
  | { readonly type: 'abort'; readonly checkpointId: number; readonly reason: CheckpointFailureReason }
  | { readonly type: 'write'; readonly checkpointId: number }
  /** Writing takes longer than the time-out: begin to measure it anew. */
  | { readonly type: 'extend-timeout'; readonly checkpointId: number }
  /** Durable: tell the sources. */
  | { readonly type: 'notify-complete'; readonly checkpointId: number }
  | { readonly type: 'commit'; readonly checkpointId: number }
  /** Copy it to where the request says. */
  | { readonly type: 'save'; readonly checkpointId: number; readonly requestId: number }
  | { readonly type: 'fulfil'; readonly requestId: number; readonly checkpointId: number }
  | { readonly type: 'reject'; readonly requestId: number; readonly reason: CheckpointFailureReason }
  | { readonly type: 'start-pause' }
  /** Sources end as if their input had. */
  | { readonly type: 'drain-sources' }
  /** Sources go on, after a checkpoint that suspends has failed. */
  | { readonly type: 'resume-sources' }
  | { readonly type: 'fail-job'; readonly checkpointId: number; readonly reason: CheckpointFailureReason }
  | { readonly type: 'finish-job' };

export interface Decision {
  readonly state: CoordinatorState;
  readonly effects: readonly CoordinatorEffect[];
}
