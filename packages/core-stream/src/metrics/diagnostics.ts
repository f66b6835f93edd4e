/**
 * What happens to jobs, on `node:diagnostics_channel`: for tools that were not there when the program was written.
 *
 * Publishing without a subscriber costs a look at an empty channel. A subscriber is called at once, within the engine's
 * turn: it has to be quick. What it throws becomes an uncaught exception of the process, not a failure of the job.
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel';
 * subscribe('millrace:checkpoint:completed', (message) => {
 *   const { checkpointId, durationMs } = message as DiagnosticsEvents['millrace:checkpoint:completed'];
 * });
 */
import { channel, type Channel } from 'node:diagnostics_channel';
import type { JobStatus } from '../runtime/job-result.js';

/** What every event tells. */
export interface DiagnosticsEvent {
  readonly jobName: string;
  /** The job's lineage; empty as long as it is not known. */
  readonly jobId: string;
  /** Epoch milliseconds of the engine's clock. */
  readonly at: number;
}

/** A job's status has changed. */
export interface JobStatusEvent extends DiagnosticsEvent {
  readonly status: JobStatus;
  readonly previousStatus: JobStatus | undefined;
  /** Why, where it failed or restarts. */
  readonly error: unknown;
}

/** A job has failed and is going to be started again. */
export interface JobRestartEvent extends DiagnosticsEvent {
  /** Restarts so far, this one included. */
  readonly numRestarts: number;
  /** Until it starts. */
  readonly delayMs: number;
  /** The failure. */
  readonly error: unknown;
}

/** A checkpoint is durable. Its sinks have not committed yet. */
export interface CheckpointCompletedEvent extends DiagnosticsEvent {
  readonly checkpointId: number;
  /** From trigger to durable. */
  readonly durationMs: number;
  /** Written for this checkpoint; `undefined` where nothing is stored. */
  readonly sizeBytes: number | undefined;
}

/** A checkpoint was given up. The job may go on. */
export interface CheckpointFailedEvent extends DiagnosticsEvent {
  readonly checkpointId: number;
  readonly error: unknown;
}

/** Everything that sinks had prepared for a checkpoint is visible. */
export interface CommitEvent extends DiagnosticsEvent {
  readonly checkpointId: number;
  /** From durable to visible. */
  readonly durationMs: number;
}

/** A function, source or sink has failed. */
export interface OperatorFailureEvent extends DiagnosticsEvent {
  readonly operatorName: string;
  readonly subtaskIndex: number;
  /** The record that it failed for, as `describeRecord` gives it; `undefined` where it was for none. */
  readonly record: string | undefined;
  readonly error: unknown;
}

/** The channels, and what is published on each. */
export interface DiagnosticsEvents {
  readonly 'millrace:job:status': JobStatusEvent;
  readonly 'millrace:job:restart': JobRestartEvent;
  readonly 'millrace:checkpoint:completed': CheckpointCompletedEvent;
  readonly 'millrace:checkpoint:failed': CheckpointFailedEvent;
  readonly 'millrace:commit:completed': CommitEvent;
  readonly 'millrace:operator:failure': OperatorFailureEvent;
}

/** The name of one of the engine's channels. */
export type DiagnosticsChannel = keyof DiagnosticsEvents;

/** Held here: a channel that nobody holds is collected, with what has subscribed to it. */
const channels: Readonly<Record<DiagnosticsChannel, Channel>> = {
  'millrace:job:status': channel('millrace:job:status'),
  'millrace:job:restart': channel('millrace:job:restart'),
  'millrace:checkpoint:completed': channel('millrace:checkpoint:completed'),
  'millrace:checkpoint:failed': channel('millrace:checkpoint:failed'),
  'millrace:commit:completed': channel('millrace:commit:completed'),
  'millrace:operator:failure': channel('millrace:operator:failure'),
};

/** Tells whoever listens. For what happens per checkpoint or more seldom, never per record. */
export function publish<Name extends DiagnosticsChannel>(name: Name, event: DiagnosticsEvents[Name]): void {
  channels[name].publish(event);
}
