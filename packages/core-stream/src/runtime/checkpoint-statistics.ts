/** What is known of the checkpoints of a run: for snapshots, metrics and whoever listens. */
import { publish } from '../metrics/diagnostics.js';
import { messageOf } from './describe-value.js';
import type { JobOptions } from './job-options.js';
import type { CheckpointStatistics } from './job-result.js';

/** A checkpoint from its trigger on. */
export interface CheckpointTimes {
  readonly id: number;
  readonly triggeredAt: number;
  /** When the last task had given its part. */
  alignedAt: number;
  isUnaligned: boolean;
}

export class CheckpointReporter {
  readonly #options: Pick<JobOptions, 'jobName' | 'clock' | 'logger'>;
  readonly #jobId: string;
  #statistics: Omit<CheckpointStatistics, 'pendingCommits'>;
  /** When checkpoints that are not committed have become durable. */
  readonly #durableAt = new Map<number, number>();

  constructor(
    options: Pick<JobOptions, 'jobName' | 'clock' | 'logger'>,
    jobId: string,
    restoredId: number | undefined,
  ) {
    this.#options = options;
    this.#jobId = jobId;
    this.#statistics = { ...NO_CHECKPOINTS, restoredId };
  }

  get statistics(): Omit<CheckpointStatistics, 'pendingCommits'> {
    return this.#statistics;
  }

  completed(
    checkpoint: CheckpointTimes,
    sizes: { readonly written: number; readonly state: number } | undefined,
  ): void {
    const { id, triggeredAt, alignedAt, isUnaligned } = checkpoint;
    const now = this.#options.clock.now();
    this.#durableAt.set(id, now);
    this.#statistics = {
      ...this.#statistics,
      completed: this.#statistics.completed + 1,
      lastId: id,
      lastDurationMs: now - triggeredAt,
      lastAlignmentMs: alignedAt - triggeredAt,
      isLastUnaligned: isUnaligned,
      lastSizeBytes: sizes?.written,
      lastStateBytes: sizes?.state,
    };
    publish('millrace:checkpoint:completed', {
      ...this.#event(id),
      durationMs: now - triggeredAt,
      sizeBytes: sizes?.written,
    });
  }

  failed(checkpointId: number, error: unknown): void {
    this.#statistics = { ...this.#statistics, failed: this.#statistics.failed + 1 };
    this.#options.logger.warn('checkpoint failed', { checkpointId, error: messageOf(error) });
    publish('millrace:checkpoint:failed', { ...this.#event(checkpointId), error });
  }

  committed(checkpointId: number): void {
    const now = this.#options.clock.now();
    const durableAt = this.#durableAt.get(checkpointId);
    this.#durableAt.delete(checkpointId);
    publish('millrace:commit:completed', {
      ...this.#event(checkpointId),
      durationMs: now - (durableAt ?? now),
    });
  }

  #event(checkpointId: number) {
    const { jobName, clock } = this.#options;
    return { jobName, jobId: this.#jobId, at: clock.now(), checkpointId };
  }
}

export const NO_CHECKPOINTS: Omit<CheckpointStatistics, 'pendingCommits'> = {
  completed: 0,
  failed: 0,
  lastId: undefined,
  lastDurationMs: undefined,
  lastAlignmentMs: undefined,
  isLastUnaligned: undefined,
  lastSizeBytes: undefined,
  lastStateBytes: undefined,
  restoredId: undefined,
};
