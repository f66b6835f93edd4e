/** The keyed state of one attempt: where the backend has it, with what the restored checkpoint holds. */
import type { PlanNode } from '../plan/execution-plan.js';
import type { KeyGroupRange } from '../state/key-groups.js';
import { heapStateBackend, type JobStateStore } from '../state/state-backend.js';
import type { SubtaskRows } from '../state/subtask-rows.js';
import type { JobOptions } from './job-options.js';
import type { JobStart, RestoredState } from './restored-state.js';

export class JobState {
  readonly #store: JobStateStore;
  readonly #restored: RestoredState;
  /** A batch job stores its end only: no key has rows then. */
  readonly #isEnabled: boolean;

  private constructor(store: JobStateStore, restored: RestoredState, isEnabled: boolean) {
    this.#store = store;
    this.#restored = restored;
    this.#isEnabled = isEnabled;
  }

  /** @throws StreamConfigError `MILLRACE_CONFIG` where the backend's place is used by another job */
  static async open(
    { plan, checkpointing, stateBackend, logger }: JobOptions,
    { jobId, checkpoint }: Pick<JobStart, 'jobId' | 'checkpoint'>,
    restored: RestoredState,
  ): Promise<JobState> {
    const hasCheckpoints = checkpointing !== undefined && !plan.isBatch;
    const backend = restored.isRefused ? heapStateBackend() : stateBackend; // what is on disk stays as it is
    const store = await backend.open({
      jobId,
      logger,
      hasCheckpoints,
      restored: checkpoint && {
        checkpointId: checkpoint.checkpointId,
        run: checkpoint.stateRun ?? `${checkpoint.jobId}-${checkpoint.checkpointId}-${checkpoint.createdAt}`,
        hasOtherKeys: plan.vertices.some(({ nodes }) => nodes.some((node) => restored.hasOtherKeys(node))),
      },
    });
    return new JobState(store, restored, hasCheckpoints);
  }

  get run(): string | undefined {
    return this.#store.run;
  }

  subtask(node: PlanNode, keyGroups: KeyGroupRange): Promise<SubtaskRows> {
    const { uid, maxParallelism } = node;
    const restored = this.#restored;
    return this.#store.subtask({
      uid,
      keyGroups,
      maxParallelism,
      isEnabled: this.#isEnabled,
      isRewriting: restored.hasOtherKeys(node),
      restoredBytes: restored.segments(uid).reduce((sum, { bytes }) => sum + bytes, 0),
      restoredRows: (groups, isWanted) => restored.rows(node, groups, isWanted),
    });
  }

  ready(): Promise<void> {
    return this.#store.ready();
  }

  forget(oldestCheckpointId: number): void {
    this.#store.forget(oldestCheckpointId);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
