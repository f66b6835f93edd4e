import type { CommitRequest } from '@millrace/core-stream';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { CommitTimings } from './commit-event.js';
import type { CommitRules } from './commit-protocol.js';
import type { SpoolCommittable } from './committable.js';
import type { IngestionTaskEnvironment } from './ingestion-task.js';
import type { PublishedRows } from './published-rows.js';
import type { RejectedRow } from './rejected-rows.js';

/** What all runs of one committer share. */
export interface CommitRunEnvironment extends IngestionTaskEnvironment {
  readonly directory: SpoolDirectory;
  readonly publishedRows: PublishedRows;
  readonly rules: Omit<CommitRules, 'canCount' | 'toleratesRejected'>;
  readonly inlineMaxBytes: number;
  readonly taskContext: Readonly<Record<string, unknown>>;
  readonly tuningConfig: Readonly<Record<string, unknown>>;
}

export interface CommitRunOptions {
  readonly request: CommitRequest<SpoolCommittable>;
  readonly baseId: string;
  readonly inherited: boolean;
  readonly toleratesRejected: boolean;
  /** Aborted when the commit is not wanted any more; one that has a task in Druid goes on. */
  readonly wanted: AbortSignal;
  /** Called once, when Druid has a task that the commit waits for; the commit goes on when it resolves. */
  readonly onAccepted?: () => Promise<void>;
}

export interface CommitResult {
  readonly taskId: string;
  readonly attempt: number;
  /** Rows that Druid could not read: they are not in it. */
  readonly rejected: readonly RejectedRow[];
  readonly timings: CommitTimings;
}
