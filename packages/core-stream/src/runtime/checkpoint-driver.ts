/**
 * Carries out what the checkpoint coordinator decides, and tells it what came of it.
 *
 * Role: timers, triggers, the storage, commits, savepoints of one run. Boundary: decisions are the coordinator's; turns, and what
 * becomes of a failure, are the job's.
 *
 * Invariants
 * 1. A checkpoint's enumerator states are taken in the turn that triggers it: a split is in the enumerator's state or in a
 *    reader's, never in both, never in none.
 * 2. What a task hands over is kept until a checkpoint with it is durable, also where the checkpoint that it was for is aborted:
 *    rows in the catalog, committables in the queue.
 * 3. After `signal` is aborted nothing is begun: no segment, no manifest, no commit. `settle` waits for what was begun.
 * 4. A request is answered once, also when the job fails.
 */
import { storeEnd } from '../batch/batch-checkpoint.js';
import { decide, initialCoordinator } from '../checkpoint/checkpoint-coordinator.js';
import type { CheckpointData, OperatorCheckpoint } from '../checkpoint/checkpoint-data.js';
import type {
  CheckpointFailureReason,
  CheckpointRequest,
  CoordinatorEffect,
  CoordinatorEvent,
  CoordinatorState,
  Decision,
} from '../checkpoint/coordinator-state.js';
import type { CheckpointStorage } from '../checkpoint/checkpoint-storage.js';
import { writeSavepoint } from '../checkpoint/savepoint.js';
import { requireRoom, type SegmentCatalog } from '../checkpoint/segment-catalog.js';
import { CheckpointError, InvariantError } from '../errors.js';
import { keyVersionOf, typeOf } from '../plan/execution-plan.js';
import type { Cancel } from '../time/clock.js';
import { CheckpointReporter, type CheckpointTimes } from './checkpoint-statistics.js';
import type { CheckpointableSourceTask, CheckpointableTask } from './checkpointable-task.js';
import type { CommitQueue } from './commit-queue.js';
import { messageOf } from './describe-value.js';
import { checkpointLimits, type CheckpointLimits, type JobOptions } from './job-options.js';
import type { CheckpointStatistics } from './job-result.js';
import type { OperatorSnapshot } from './task.js';

/** Bytes of changed state that may wait in memory for a storage that does not take them. */
const MAX_UNSTORED_BYTES = 256 << 20;

export interface CheckpointDriverOptions {
  readonly job: JobOptions;
  readonly jobId: string;
  readonly restored: CheckpointData | undefined;
  readonly tasks: readonly CheckpointableTask[];
  readonly sources: readonly CheckpointableSourceTask[];
  snapshotEnumerators(checkpointId: number): CheckpointData['enumerators'];
  readonly commits: CommitQueue;
  readonly segments: SegmentCatalog;
  /** Aborted when the job has ended, well or not. */
  readonly signal: AbortSignal;
  onFailure(error: unknown): void;
  /** Everything is committed. */
  onFinished(): void;
}

/** What a user asks for. */
export interface SavepointRequest {
  /** `undefined`: a checkpoint is enough. */
  readonly target: CheckpointStorage | undefined;
  readonly then: CheckpointRequest['then'];
}

interface OpenRequest extends SavepointRequest {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The checkpoint that is being taken. */
interface Taking extends CheckpointTimes {
  readonly enumerators: CheckpointData['enumerators'];
  readonly snapshots: OperatorSnapshot[];
  /** Tasks that have given their part. */
  readonly reported: Set<string>;
}

type Timer = 'interval' | 'pause' | 'timeout' | 'aligned-timeout';

export class CheckpointDriver {
  readonly #options: CheckpointDriverOptions;
  readonly #limits: CheckpointLimits;
  readonly #reporter: CheckpointReporter;
  readonly #signal: AbortSignal;
  readonly #timers = new Map<Timer, Cancel>();
  readonly #background = new Set<Promise<void>>();
  readonly #requests = new Map<number, OpenRequest>();
  #state: CoordinatorState;
  #requestCount = 0;
  #taking: Taking | undefined;
  /** Why the checkpoint that was given up last has failed. */
  #cause: unknown;
  /** Of a batch job. */
  #onlyCheckpoint: CheckpointData | undefined;
  #isSuspended = false;

  constructor(options: CheckpointDriverOptions) {
    const { job, jobId, restored, tasks, signal } = options;
    this.#options = options;
    this.#signal = signal;
    this.#limits = checkpointLimits(job.checkpointing);
    this.#reporter = new CheckpointReporter(job, jobId, restored?.checkpointId);
    const first = initialCoordinator({
      config: {
        tasks: tasks.map(({ id }) => id),
        maxPendingCommits: this.#limits.maxPendingCommits,
        hasMinPause: this.#limits.minPauseMs > 0,
        tolerableFailures: this.#limits.tolerableFailures,
      },
      nextCheckpointId: (restored?.checkpointId ?? 0) + 1,
      uncommitted:
        restored !== undefined && restored.pendingCommits.length > 0 ? [restored.checkpointId] : [],
    });
    this.#state = first.state;
    this.#apply(first);
    this.#scheduleInterval();
    signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  get statistics(): CheckpointStatistics {
    return { ...this.#reporter.statistics, pendingCommits: this.#state.uncommitted.length };
  }

  /** Whether the job has ended because it was asked to suspend. */
  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  // What the job and its tasks tell.

  onSnapshot(taskId: string, checkpointId: number, operators: readonly OperatorSnapshot[]): void {
    const { commits, segments } = this.#options;
    for (const { uid, subtaskIndex, rows, committables } of operators) {
      if (rows !== undefined) segments.add(uid, rows); // invariant 2
      commits.prepare(uid, subtaskIndex, committables);
    }
    if (this.#taking?.id === checkpointId) {
      this.#taking.snapshots.push(...operators);
      this.#taking.reported.add(taskId);
      this.#taking.alignedAt = this.#now();
    }
    this.#dispatch({ type: 'acknowledged', task: taskId, checkpointId });
  }

  onDecline(checkpointId: number, error: unknown): void {
    if (this.#taking?.id === checkpointId) this.#cause = error;
    this.#dispatch({ type: 'declined', checkpointId });
  }

  onEnd(taskId: string): void {
    this.#dispatch({ type: 'task-ended', task: taskId });
  }

  /** Resolves when the checkpoint is durable, and its savepoint written. */
  request({ target, then }: SavepointRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = { id: this.#requestCount++, saves: target !== undefined, then };
      this.#requests.set(request.id, { target, then, resolve, reject });
      if (this.#signal.aborted) this.#reject(request.id, 'job-over');
      else this.#dispatch({ type: 'requested', request });
    });
  }

  #stop(): void {
    this.#cause = this.#signal.reason;
    this.#apply(decide(this.#state, { type: 'ended-early' })); // invariant 4
    for (const timer of [...this.#timers.keys()]) this.#cancel(timer);
  }

  /** When the job has ended: resolves when everything has come to rest; with `false` where `giveUp` comes before that. */
  settle(giveUp: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      giveUp.addEventListener('abort', () => resolve(false), { once: true });
      void Promise.allSettled(this.#background).then(() => resolve(true));
    });
  }

  // What the coordinator decides.

  #dispatch(event: CoordinatorEvent): void {
    if (!this.#signal.aborted) this.#apply(decide(this.#state, event));
  }

  #apply({ state, effects }: Decision): void {
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: CoordinatorEffect): void {
    const { commits, sources, tasks } = this.#options;
    switch (effect.type) {
      case 'trigger':
        return this.#trigger(effect.checkpointId, effect.suspends);
      case 'overtake':
        this.#current(effect.checkpointId).isUnaligned = true;
        return tasks.forEach((task) => task.overtake(effect.checkpointId));
      case 'abort':
        return this.#abort(effect.checkpointId, effect.reason);
      case 'write':
        this.#cancel('aligned-timeout');
        return this.#inBackground(() => this.#write(this.#current(effect.checkpointId)));
      case 'extend-timeout':
        return this.#startTimeout(effect.checkpointId);
      case 'notify-complete':
        this.#cancel('timeout');
        sources.forEach((source) => source.notifyCheckpointComplete(effect.checkpointId));
        return this.#compact();
      case 'commit':
        return this.#inBackground(async () => {
          await commits.commit(effect.checkpointId);
          this.#reporter.committed(effect.checkpointId);
          this.#dispatch({ type: 'committed', checkpointId: effect.checkpointId });
        });
      case 'save':
        return this.#inBackground(() => this.#save(effect.checkpointId, effect.requestId));
      case 'fulfil':
        this.#requests.get(effect.requestId)?.resolve();
        this.#requests.delete(effect.requestId);
        return;
      case 'reject':
        return this.#reject(effect.requestId, effect.reason);
      case 'start-pause':
        return this.#after('pause', this.#limits.minPauseMs, { type: 'pause-elapsed' });
      case 'drain-sources':
        return sources.forEach((source) => source.drain());
      case 'resume-sources':
        this.#isSuspended = false;
        return sources.forEach((source) => source.resume());
      case 'fail-job':
        return this.#options.onFailure(this.#tooManyFailures(effect.checkpointId, effect.reason));
      case 'finish-job':
        return this.#inBackground(() => this.#finish());
    }
  }

  #trigger(checkpointId: number, suspends: boolean): void {
    const { snapshotEnumerators, sources, onFailure } = this.#options;
    const triggeredAt = this.#now();
    this.#cause = undefined;
    this.#isSuspended ||= suspends;
    try {
      const enumerators = snapshotEnumerators(checkpointId); // invariant 1
      const times = { id: checkpointId, triggeredAt, alignedAt: triggeredAt, isUnaligned: false };
      this.#taking = { ...times, enumerators, snapshots: [], reported: new Set() };
    } catch (error) {
      return onFailure(error);
    }
    for (const source of sources) source.triggerCheckpoint(checkpointId, suspends);
    this.#startTimeout(checkpointId);
    const { alignedTimeoutMs } = this.#limits;
    if (alignedTimeoutMs === undefined) return;
    this.#after('aligned-timeout', alignedTimeoutMs, { type: 'aligned-timeout', checkpointId });
  }

  #startTimeout(checkpointId: number): void {
    this.#after('timeout', this.#limits.timeoutMs, { type: 'timeout', checkpointId });
  }

  #abort(checkpointId: number, reason: CheckpointFailureReason): void {
    const { tasks, segments, onFailure } = this.#options;
    this.#cancel('timeout');
    this.#cancel('aligned-timeout');
    this.#cause = this.#errorOf(checkpointId, reason);
    this.#taking = undefined;
    this.#reporter.failed(checkpointId, this.#cause);
    for (const task of tasks) task.abortCheckpoint(checkpointId);
    // What it has left behind is on its way already when the next one is taken; if that fails now, the next one tries again.
    this.#inBackground(() =>
      segments.store().then(
        () => undefined,
        (error: unknown) => {
          if (this.#signal.aborted) return;
          try {
            requireRoom(segments, MAX_UNSTORED_BYTES, error);
          } catch (tooMuch) {
            onFailure(tooMuch);
          }
        },
      ),
    );
  }

  async #write(taking: Taking): Promise<void> {
    const { job, jobId, commits, segments } = this.#options;
    const { checkpointing, clock, jobName, plan, metrics } = job;
    const checkpointId = taking.id;
    const data: CheckpointData = {
      checkpointId,
      jobName,
      jobId,
      maxParallelism: plan.maxParallelism,
      createdAt: clock.now(),
      operators: this.#operators(taking.snapshots),
      enumerators: taking.enumerators,
      pendingCommits: commits.snapshot(checkpointId),
    };
    let written: number | undefined;
    try {
      if (checkpointing !== undefined) {
        const ofSegments = await segments.store();
        this.#signal.throwIfAborted(); // invariant 3
        written = ofSegments + (await checkpointing.storage.write(data));
      }
    } catch (error) {
      if (this.#signal.aborted) return;
      if (isFencedOff(error)) return this.#options.onFailure(error);
      this.#cause = error;
      return this.#dispatch({ type: 'write-failed', checkpointId });
    }
    this.#taking = undefined;
    commits.complete(checkpointId);
    if (plan.isBatch) this.#onlyCheckpoint = data;
    metrics.checkpointed(data.operators);
    this.#reporter.completed(taking, written === undefined ? undefined : { written, state: sizeOf(data) });
    this.#dispatch({ type: 'written', checkpointId });
  }

  #operators(snapshots: readonly OperatorSnapshot[]): OperatorCheckpoint[] {
    const { job, segments } = this.#options;
    const parts = new Map<string, Uint8Array[]>();
    for (const { uid, subtaskIndex, bytes } of snapshots) {
      let ofOperator = parts.get(uid);
      if (ofOperator === undefined) parts.set(uid, (ofOperator = []));
      ofOperator[subtaskIndex] = bytes;
    }
    return job.plan.vertices
      .flatMap(({ nodes }) => nodes)
      .map((node) => ({
        uid: node.uid,
        name: node.name,
        type: typeOf(node),
        maxParallelism: node.maxParallelism,
        keyVersion: keyVersionOf(node),
        subtasks: parts.get(node.uid) ?? [],
        segments: segments.list(node.uid),
      }));
  }

  async #save(checkpointId: number, requestId: number): Promise<void> {
    const target = this.#requests.get(requestId)?.target;
    const { storage } = this.#options.job.checkpointing ?? {};
    if (target === undefined || storage === undefined) {
      throw new InvariantError('a savepoint has no place to go to, or to come from');
    }
    try {
      await writeSavepoint(storage, checkpointId, target, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#cause = error;
      return this.#dispatch({ type: 'save-failed', checkpointId });
    }
    this.#dispatch({ type: 'saved', checkpointId });
  }

  /** A merge that fails leaves everything as it was: nothing depends on it. */
  #compact(): void {
    const { job, segments } = this.#options;
    this.#inBackground(() =>
      segments.compact().catch((error: unknown) => {
        if (!this.#signal.aborted) {
          job.logger.warn('merging segments of checkpoints failed', { error: messageOf(error) });
        }
      }),
    );
  }

  async #finish(): Promise<void> {
    const { job, onFinished } = this.#options;
    if (job.plan.isBatch) await storeEnd(job, this.#onlyCheckpoint);
    onFinished();
  }

  // Timers, and work that waits.

  #scheduleInterval(): void {
    const { checkpointing, plan } = this.#options.job;
    if (checkpointing === undefined || plan.isBatch) return;
    this.#schedule('interval', checkpointing.intervalMs, () => {
      this.#dispatch({ type: 'interval-elapsed' });
      if (!this.#signal.aborted) this.#scheduleInterval();
    });
  }

  #after(timer: Timer, delayMs: number, event: CoordinatorEvent): void {
    if (delayMs < Infinity) this.#schedule(timer, delayMs, () => this.#dispatch(event));
  }

  #schedule(timer: Timer, delayMs: number, callback: () => void): void {
    this.#cancel(timer);
    this.#timers.set(timer, this.#options.job.clock.schedule(delayMs, callback));
  }

  #cancel(timer: Timer): void {
    this.#timers.get(timer)?.();
    this.#timers.delete(timer);
  }

  #inBackground(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => this.#options.onFailure(error))
      .finally(() => this.#background.delete(running));
    this.#background.add(running);
  }

  #current(checkpointId: number): Taking {
    if (this.#taking?.id === checkpointId) return this.#taking;
    throw new InvariantError(`checkpoint ${checkpointId} is not the one that is being taken`);
  }

  #now(): number {
    return this.#options.job.clock.now();
  }

  // Failures.

  #reject(requestId: number, reason: CheckpointFailureReason): void {
    const request = this.#requests.get(requestId);
    this.#requests.delete(requestId);
    if (request === undefined) return;
    const { target, then } = request;
    const what =
      target === undefined ? 'The job was not stopped' : `There is no savepoint in ${target.location}`;
    const why = reason === 'job-over' ? 'the job has ended' : messageOf(this.#cause).replace(/\.$/, '');
    const next = reason === 'job-over' || then === 'drain' ? '' : ' The job goes on.';
    request.reject(new CheckpointError(`${what}: ${why}.${next}`, { cause: this.#cause, retryable: true }));
  }

  #errorOf(checkpointId: number, reason: CheckpointFailureReason): unknown {
    if (reason !== 'timeout') return this.#cause;
    const reported = this.#taking?.reported;
    const missing = this.#options.tasks.map(({ id }) => id).filter((id) => reported?.has(id) === false);
    return new CheckpointError(
      `Checkpoint ${checkpointId} was not complete within ${this.#limits.timeoutMs} ms: ` +
        (missing.length === 0
          ? `${this.#options.job.checkpointing?.storage.location} has not taken it yet. `
          : `its barriers have not come through the tasks ${missing.join(', ')}. `) +
        'Find what is slow, let barriers overtake (alignedTimeoutMs), or allow more time (timeoutMs).',
      { retryable: true, details: { checkpointId } },
    );
  }

  #tooManyFailures(checkpointId: number, reason: CheckpointFailureReason): unknown {
    const cause = this.#cause ?? this.#errorOf(checkpointId, reason);
    const { tolerableFailures } = this.#limits;
    if (reason === 'declined' && tolerableFailures === 0) return cause;
    const inARow =
      tolerableFailures === 0 ? '' : ` ${tolerableFailures + 1} checkpoints in a row have failed.`;
    return new CheckpointError(`${messageOf(cause)}${inARow}`, {
      cause,
      retryable: true,
      details: { checkpointId },
    });
  }
}

/** Another process has taken the storage, and runs the job: this one must end, whatever is tolerable. */
function isFencedOff(error: unknown): boolean {
  return error instanceof CheckpointError && error.details['newerOwner'] !== undefined;
}

function sizeOf({ operators }: CheckpointData): number {
  let bytes = 0;
  for (const { subtasks, segments } of operators) {
    for (const part of subtasks) bytes += part.byteLength;
    for (const segment of segments) bytes += segment.bytes;
  }
  return bytes;
}
