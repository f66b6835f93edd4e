/** Where the keyed state of a job is while it runs. Checkpoints are the same wherever it is. */
import type { RestoredRows } from '../checkpoint/segment-reader.js';
import type { Logger } from '../runtime/logger.js';
import type { KeyGroupRange } from './key-groups.js';
import { SubtaskRows } from './subtask-rows.js';

/** What a backend is told about the job; for the engine's own backends. */
export interface StateBackendContext {
  /** The job's lineage. */
  readonly jobId: string;
  readonly logger: Logger;
  /** Whether checkpoints are taken. */
  readonly hasCheckpoints: boolean;
  /** The checkpoint that the job goes on from; `undefined` on a fresh start. */
  readonly restored:
    | {
        readonly checkpointId: number;
        /** `JobStateStore.run` of the run that took it, or what else tells it from others with the same number. */
        readonly run: string;
        /** Some operator's keys have become others. */
        readonly hasOtherKeys: boolean;
      }
    | undefined;
}

/** One subtask of one operator. */
export interface SubtaskStateOptions {
  readonly uid: string;
  readonly keyGroups: KeyGroupRange;
  /** Number of the operator's key groups. */
  readonly maxParallelism: number;
  /** Whether checkpoints are kept. */
  readonly isEnabled: boolean;
  /** Whether all restored rows are to be stored anew. */
  readonly isRewriting: boolean;
  /** Bytes of the operator's segments. */
  readonly restoredBytes: number;
  /** The restored rows of key groups, of the tables that are wanted; `undefined` where there are none. */
  restoredRows(
    keyGroups: KeyGroupRange,
    isWanted?: (table: string) => boolean,
  ): Promise<RestoredRows | undefined>;
}

/** The state of one run of a job. */
export interface JobStateStore {
  /** Goes into each checkpoint, to recognise the state that a later run finds; `undefined` where none outlives the run. */
  readonly run: string | undefined;
  subtask(options: SubtaskStateOptions): Promise<SubtaskRows>;
  /** All operators have been made. */
  ready(): Promise<void>;
  /** Checkpoints before this one are never gone back to. */
  forget(oldestCheckpointId: number): void;
  /** Nothing uses it any more. */
  close(): Promise<void>;
}

/** Made by `heapStateBackend` or `diskStateBackend`. */
export interface StateBackend {
  readonly name: string;
  open(context: StateBackendContext): Promise<JobStateStore>;
}

const heapStore: JobStateStore = {
  run: undefined,
  async subtask({ isEnabled, maxParallelism, keyGroups, isRewriting, restoredRows }) {
    return new SubtaskRows({
      isEnabled,
      maxParallelism,
      isRewriting,
      restored: await restoredRows(keyGroups),
    });
  },
  ready: () => Promise.resolve(),
  forget: () => undefined,
  close: () => Promise.resolve(),
};

/** Keyed state as objects in memory: the default, and the fastest as long as it fits. */
export function heapStateBackend(): StateBackend {
  return { name: 'heap', open: () => Promise.resolve(heapStore) };
}
