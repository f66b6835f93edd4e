import type { DruidClient } from '@millrace/druid-client';
import type { CommitRequest, Logger } from '@millrace/core-stream';
import type { Patience } from '../druid/druid-calls.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { SpoolServer } from '../spool/spool-server.js';
import type { CommitTimings } from './commit-event.js';
import type { CommitMetrics } from './commit-metrics.js';
import type { CommitRules } from './commit-protocol.js';
import type { SpoolCommittable } from './committable.js';
import type { PublishedRows } from './published-rows.js';
import type { RejectedRow } from './rejected-rows.js';
import type { TaskSlots } from './task-slots.js';

/** What all runs of one committer share. */
export interface CommitRunEnvironment extends Patience {
  readonly druid: DruidClient;
  readonly logger: Logger;
  readonly directory: SpoolDirectory;
  readonly server: SpoolServer;
  readonly publishedRows: PublishedRows;
  readonly slots: TaskSlots;
  readonly metrics: CommitMetrics;
  readonly rules: Omit<CommitRules, 'canCount' | 'toleratesRejected'>;
  readonly taskPollIntervalMs: number;
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
