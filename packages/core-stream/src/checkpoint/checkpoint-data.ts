/** What a checkpoint is made of. Small parts lie in the checkpoint itself; changed rows lie in segments that checkpoints share. */
import type { CommitRequest } from '../connectors/sink.js';
import type { KeyGroupRange } from '../state/key-groups.js';
import type { StateKind } from '../state/state.js';

/**
 * An immutable object in the storage: rows of one operator that have changed, by key group. Later segments of an operator
 * overrule earlier ones, row by row.
 */
export interface SegmentRef {
  /** Its name in the storage. */
  readonly id: string;
  readonly bytes: number;
  /** Where its index begins, which tells where each key group's rows lie, with a checksum each. */
  readonly indexOffset: number;
  /** SHA-256 of the index, in hex. */
  readonly indexSha256: string;
  /** Rows in it, removed ones included. */
  readonly rows: number;
  /** It has rows of no other key groups. */
  readonly keyGroups: KeyGroupRange;
}

/** Keyed state, the two kinds of operator state, broadcast state, and what windows and joins keep. */
export type StoredStateKind = StateKind | 'operator-list' | 'union-list' | 'broadcast' | 'window' | 'join';

/** What an operator's checkpoint tells about one of its states: to compare it with what a program asks for. */
export interface StateSchemaInfo {
  readonly name: string;
  readonly kind: StoredStateKind;
  readonly hasTtl: boolean;
  /** The version of its schema; 1 where the program declares none. */
  readonly version: number;
}

/** One operator's part. */
export interface OperatorCheckpoint {
  readonly uid: string;
  readonly name: string;
  /** What a plan calls this kind of operator. */
  readonly type: string;
  /** Number of its key groups. */
  readonly maxParallelism: number;
  /** The version of its keys; 1 where the program declares none. */
  readonly keyVersion: number;
  /** Its states. One that subtasks hold in several versions is there once for each. */
  readonly states: readonly StateSchemaInfo[];
  /** By subtask: `SubtaskState`, encoded; everything but rows. */
  readonly subtasks: readonly Uint8Array[];
  /** Rows, oldest first. */
  readonly segments: readonly SegmentRef[];
}

/** Everything that a restart needs. */
export interface CheckpointData {
  readonly checkpointId: number;
  readonly jobName: string;
  /** The job's lineage: made at its first start, the same in all its checkpoints. */
  readonly jobId: string;
  readonly maxParallelism: number;
  /** Epoch milliseconds of the engine's clock. */
  readonly createdAt: number;
  /** The run whose state on disk can be taken back to it. */
  readonly stateRun?: string | undefined;
  readonly operators: readonly OperatorCheckpoint[];
  /** Enumerator states, encoded, by source uid. */
  readonly enumerators: readonly { readonly uid: string; readonly bytes: Uint8Array }[];
  /** What was not committed when the checkpoint was taken, including what it brings itself, by sink uid. */
  readonly pendingCommits: readonly {
    readonly uid: string;
    readonly requests: readonly CommitRequest<unknown>[];
  }[];
}

/** Who a job is, over all its runs. */
export interface JobLineage {
  readonly jobName: string;
  readonly jobId: string;
}
