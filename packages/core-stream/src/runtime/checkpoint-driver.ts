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
 * 3. After `signal` is aborted nothing is begun: no segment, no manifest, no commit. What was begun is pending.
 * 4. A request is answered once, also when the job fails.
 * 5. Rows that a subtask has given away and that could not be read are lost to this run: it fails.
 */
import { storeEnd } from '../batch/batch-checkpoint.js';
import { decide, initialCoordinator } from '../checkpoint/checkpoint-coordinator.js';
import type { CheckpointData } from '../checkpoint/checkpoint-data.js';
import type {
  CheckpointFailureReason,
  CoordinatorEffect,
  CoordinatorEvent,
  CoordinatorState,
  Decision,
} from '../checkpoint/coordinator-state.js';
import { requireRoom, type SegmentCatalog } from '../checkpoint/segment-catalog.js';
import { InvariantError } from '../errors.js';
import type { JobStateStore } from '../state/state-backend.js';
import { isFencedOff, tookTooLong, tooManyFailures } from './checkpoint-failure.js';
import { CheckpointRequests, type SavepointRequest } from './checkpoint-requests.js';
import { CheckpointReporter, type CheckpointTimes } from './checkpoint-statistics.js';
import type { CheckpointableSourceTask, CheckpointableTask } from './checkpointable-task.js';
import type { CommitQueue } from './commit-queue.js';
import { messageOf } from './describe-value.js';
import { checkpointLimits, type CheckpointLimits, type JobOptions } from './job-options.js';
import type { CheckpointStatistics } from './job-result.js';
import { operatorCheckpoints, sizeOf, type SubtaskPart } from './operator-checkpoints.js';
import type { PendingCalls } from './pending-calls.js';
import type { OperatorSnapshot } from './task.js';
import { Timers } from './timers.js';

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
  readonly state: Pick<JobStateStore, 'run' | 'forget'>;
  /** What waits for a storage or a committer is known here: a job that ends waits for it. */
  readonly pending: PendingCalls;
  /** Aborted when the job has ended, well or not. */
  readonly signal: AbortSignal;
  onFailure(error: unknown): void;
  /** Everything is committed. */
  onFinished(): void;
}

/** The checkpoint that is being taken. */
interface Taking extends CheckpointTimes {
  readonly enumerators: CheckpointData['enumerators'];
  readonly parts: SubtaskPart[];
  /** Tasks that have given their part. */
  readonly reported: Set<string>;
}

type Timer = 'interval' | 'pause' | 'timeout' | 'aligned-timeout';

export class CheckpointDriver {
  readonly #options: CheckpointDriverOptions;
  readonly #limits: CheckpointLimits;
  readonly #reporter: CheckpointReporter;
  readonly #signal: AbortSignal;
  readonly #timers: Timers<Timer>;
  readonly #requests = new CheckpointRequests();
  #state: CoordinatorState;
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
    this.#timers = new Timers(job.clock);
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

  /** Whether it is being taken, and is for a savepoint. */
  isSavepoint(checkpointId: number): boolean {
    const { phase } = this.#state;
    if (!('checkpoint' in phase) || phase.checkpoint.id !== checkpointId) return false;
    return phase.checkpoint.request?.saves === true;
  }

  /** Whether the job has ended because it was asked to suspend. */
  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  // What the job and its tasks tell.

  onSnapshot(taskId: string, checkpointId: number, operators: readonly OperatorSnapshot[]): void {
    const { commits, segments } = this.#options;
    const taking = this.#taking?.id === checkpointId ? this.#taking : undefined;
    for (const { uid, subtaskIndex, bytes, states, rows, committables } of operators) {
      if (rows instanceof Promise) rows.catch((error: unknown) => this.#options.onFailure(error)); // invariant 5
      segments.add(uid, rows); // invariant 2
      commits.prepare(uid, subtaskIndex, committables);
      taking?.parts.push({ uid, subtaskIndex, bytes, states });
    }
    if (taking !== undefined) {
      taking.reported.add(taskId);
      taking.alignedAt = this.#now();
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
  request(request: SavepointRequest): Promise<void> {
    return this.#requests.add(request, (asked) => {
      // A job that is over says so itself.
      this.#apply(decide(this.#state, { type: 'requested', request: asked }));
    });
  }

  #stop(): void {
    this.#cause = this.#signal.reason;
    this.#apply(decide(this.#state, { type: 'ended-early' })); // invariant 4
    this.#timers.cancelAll();
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
        this.#timers.cancel('aligned-timeout');
        return this.#inBackground(() => this.#write(this.#current(effect.checkpointId)));
      case 'extend-timeout':
        return this.#extendTimeout(effect.checkpointId);
      case 'notify-complete':
        this.#timers.cancel('timeout');
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
        return this.#requests.fulfil(effect.requestId);
      case 'reject':
        return this.#requests.reject(effect.requestId, effect.reason, this.#cause);
      case 'start-pause':
        return this.#after('pause', this.#limits.minPauseMs, { type: 'pause-elapsed' });
      case 'drain-sources':
        this.#isSuspended = false;
        return sources.forEach((source) => source.drain());
      case 'resume-sources':
        this.#isSuspended = false;
        return sources.forEach((source) => source.resume());
      case 'fail-job':
        return this.#failJob(effect.checkpointId, effect.reason);
      case 'finish-job':
        return this.#inBackground(() => this.#finish());
    }
  }

  #trigger(checkpointId: number, suspends: boolean): void {
    const { snapshotEnumerators, sources } = this.#options;
    const triggeredAt = this.#now();
    this.#cause = undefined;
    this.#isSuspended ||= suspends;
    try {
      const enumerators = snapshotEnumerators(checkpointId); // invariant 1
      const times = { id: checkpointId, triggeredAt, alignedAt: triggeredAt, isUnaligned: false };
      this.#taking = { ...times, enumerators, parts: [], reported: new Set() };
    } catch (error) {
      this.#cause = error; // no task has a part in it yet
      return this.#inBackground(async () => {
        await new Promise((resolve) => setImmediate(resolve)); // it may be tried again for ever: others get their turn
        this.#dispatch({ type: 'declined', checkpointId });
      });
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

  #extendTimeout(checkpointId: number): void {
    const error = this.#errorOf(checkpointId, 'timeout');
    this.#options.job.logger.warn('checkpoint takes long', { checkpointId, error: messageOf(error) });
    this.#startTimeout(checkpointId);
  }

  #abort(checkpointId: number, reason: CheckpointFailureReason): void {
    const { tasks, segments, onFailure } = this.#options;
    this.#timers.cancel('timeout');
    this.#timers.cancel('aligned-timeout');
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
    const { job, jobId, commits, segments, state } = this.#options;
    const { checkpointing, clock, jobName, plan, metrics } = job;
    const checkpointId = taking.id;
    let data: CheckpointData;
    let written: number | undefined;
    try {
      const ofSegments = await segments.store(); // invariant 3, P7: throws when the job has ended meanwhile
      data = {
        checkpointId,
        jobName,
        jobId,
        maxParallelism: plan.maxParallelism,
        createdAt: clock.now(),
        stateRun: state.run,
        operators: operatorCheckpoints(plan, taking.parts, segments),
        enumerators: taking.enumerators,
        pendingCommits: commits.snapshot(checkpointId),
      };
      if (checkpointing !== undefined) written = ofSegments + (await checkpointing.storage.write(data));
    } catch (error) {
      if (this.#signal.aborted) return;
      if (isFencedOff(error)) return this.#options.onFailure(error);
      this.#cause = error;
      return this.#dispatch({ type: 'write-failed', checkpointId });
    }
    this.#taking = undefined;
    commits.complete(checkpointId);
    state.forget(checkpointId);
    if (plan.isBatch) this.#onlyCheckpoint = data;
    metrics.checkpointed(data.operators);
    this.#reporter.completed(
      taking,
      written === undefined ? undefined : { written, state: sizeOf(data.operators) },
    );
    this.#dispatch({ type: 'written', checkpointId });
  }

  async #save(checkpointId: number, requestId: number): Promise<void> {
    const { job, pending } = this.#options;
    const { timeoutMs } = this.#limits;
    const { clock, checkpointing } = job;
    const options = { storage: checkpointing?.storage, timeoutMs, clock, pending, signal: this.#signal };
    const isSaved = await this.#requests.save(requestId, checkpointId, options).then(
      () => true,
      (error: unknown) => {
        if (!this.#signal.aborted) this.#cause = error;
        return false;
      },
    );
    this.#dispatch({ type: isSaved ? 'saved' : 'save-failed', checkpointId });
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
    this.#timers.set('interval', checkpointing.intervalMs, () => {
      this.#dispatch({ type: 'interval-elapsed' });
      if (!this.#signal.aborted) this.#scheduleInterval();
    });
  }

  #after(timer: Timer, delayMs: number, event: CoordinatorEvent): void {
    this.#timers.set(timer, delayMs, () => this.#dispatch(event));
  }

  #inBackground(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.#options.onFailure(error));
  }

  #current(checkpointId: number): Taking {
    if (this.#taking?.id === checkpointId) return this.#taking;
    throw new InvariantError(`checkpoint ${checkpointId} is not the one that is being taken`);
  }

  #now(): number {
    return this.#options.job.clock.now();
  }

  // Failures.

  #errorOf(checkpointId: number, reason: CheckpointFailureReason): unknown {
    if (reason !== 'timeout') return this.#cause;
    const { tasks, job } = this.#options;
    const missing = tasks.map(({ id }) => id).filter((id) => this.#taking?.reported.has(id) === false);
    return tookTooLong(checkpointId, this.#limits.timeoutMs, missing, job.checkpointing?.storage.location);
  }

  #failJob(checkpointId: number, reason: CheckpointFailureReason): void {
    const cause = this.#cause ?? this.#errorOf(checkpointId, reason);
    const { tolerableFailures } = this.#limits;
    const isPlain = reason === 'declined' && tolerableFailures === 0;
    this.#options.onFailure(isPlain ? cause : tooManyFailures(checkpointId, tolerableFailures, cause));
  }
}
