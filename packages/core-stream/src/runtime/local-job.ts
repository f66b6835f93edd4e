/**
 * Runs a plan on one thread: every subtask takes turns in one event loop.
 *
 * Role: builds the tasks, gives them turns, carries out what the checkpoint coordinator decides. Boundary: decisions about
 * checkpoints are `checkpoint-coordinator`'s, waiting inside a task is the task's.
 *
 * Invariants
 * 1. The first failure decides: nothing is processed after it, everything is closed, `run` rejects with it.
 * 2. A checkpoint's enumerator states are taken in the turn that triggers it: a split is in the enumerator's state or in a
 *    reader's, never in both, never in none.
 * 3. I/O gets its turn: after some batches the loop lets the event loop run.
 */
import { storeEnd } from '../batch/batch-checkpoint.js';
import { decide, initialCoordinator } from '../checkpoint/checkpoint-coordinator.js';
import type { CoordinatorEvent, CoordinatorState, Decision } from '../checkpoint/coordinator-state.js';
import type { CheckpointData, OperatorCheckpoint, SegmentRef } from '../checkpoint/checkpoint-data.js';
import { JobCancelledError } from '../errors.js';
import type { SinkContext } from '../connectors/sink.js';
import type { SourceSplit } from '../connectors/source.js';
import { keyVersionOf, typeOf, type PlanNode } from '../plan/execution-plan.js';
import { encodeState } from '../state/canonical-encoding.js';
import { CommitQueue, createSinkCommitter, type SinkCommitter } from './commit-queue.js';
import { messageOf } from './describe-value.js';
import type { JobOptions } from './job-options.js';
import type { AttemptSnapshot } from './job-result.js';
import { loadStart, RestoredState } from './restored-state.js';
import { SourceCoordinator } from './source-coordinator.js';
import type { SourceSubtaskState, SourceTask } from './source-task.js';
import type { OperatorSnapshot, Task, TaskListener } from './task.js';
import { buildTasks } from './task-builder.js';
import { summarize } from './summarize.js';
import { alignSources } from './watermark-alignment.js';

/** Turns of all tasks before the event loop gets one (invariant 3). */
const TURNS_PER_YIELD = 16;

/** Sinks commit one checkpoint while the next one is taken. */
const DEFAULT_MAX_PENDING_COMMITS = 2;

export class LocalJob implements TaskListener {
  readonly #options: JobOptions;
  readonly #abort = new AbortController();
  readonly #startedAt: number;
  #jobId = '';
  #tasks: readonly Task[] = [];
  #sourceTasks: ReadonlyMap<string, readonly SourceTask[]> = new Map();
  readonly #sources = new Map<string, SourceCoordinator>();
  #commits = new CommitQueue([]);
  #coordinator: CoordinatorState | undefined;
  /** What tasks have reported for the checkpoint that is being taken. */
  #snapshots: OperatorSnapshot[] = [];
  #enumerators: { uid: string; bytes: Uint8Array }[] = [];
  /** Where the rows of each operator are, by uid, oldest first. */
  readonly #segments = new Map<string, readonly SegmentRef[]>();
  #triggeredAt = 0;
  /** Of a batch job. */
  #onlyCheckpoint: CheckpointData | undefined;
  #cancelInterval: (() => void) | undefined;
  readonly #background = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  /** Everything is committed; mail that is still to be read (a notification) is read before the job ends. */
  #isFinished = false;
  #isDone = false;
  #wake: (() => void) | undefined;
  #statistics: AttemptSnapshot['checkpoints'] = {
    completed: 0,
    lastId: undefined,
    lastDurationMs: undefined,
    lastSizeBytes: undefined,
    pendingCommits: 0,
    restoredId: undefined,
  };

  constructor(options: JobOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
  }

  get storesState(): boolean {
    return this.#options.checkpointing !== undefined;
  }

  async run(): Promise<AttemptSnapshot> {
    try {
      await this.#start();
      await this.#loop();
    } catch (error) {
      this.onFailure(error);
    }
    await this.#close();
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.snapshot();
  }

  cancel(error: JobCancelledError): void {
    this.onFailure(error);
  }

  snapshot(): AttemptSnapshot {
    const { jobName, plan, clock } = this.#options;
    return {
      jobName,
      jobId: this.#jobId,
      durationMs: clock.now() - this.#startedAt,
      operators: summarize(plan, this.#tasks),
      checkpoints: { ...this.#statistics, pendingCommits: this.#coordinator?.uncommitted.length ?? 0 },
    };
  }

  async #start(): Promise<void> {
    const { jobId, checkpoint } = await loadStart(this.#options);
    this.#jobId = jobId;
    this.#statistics = { ...this.#statistics, restoredId: checkpoint?.checkpointId };
    const restored = new RestoredState(checkpoint, this.#options.plan, this.#options.checkpointing);
    for (const node of this.#options.plan.vertices.flatMap(({ nodes }) => nodes)) {
      if (!restored.hasOtherKeys(node)) this.#segments.set(node.uid, restored.segments(node.uid));
    }
    const nodes = this.#options.plan.vertices.flatMap((vertex) => vertex.nodes);
    await this.#createCommitters(nodes, checkpoint);
    this.#createSources(nodes, restored);
    const { tasks, sourceTasks } = await buildTasks({
      plan: this.#options.plan,
      clock: this.#options.clock,
      logger: this.#options.logger,
      signal: this.#abort.signal,
      watermarkIntervalMs: this.#options.watermarkIntervalMs,
      batch: this.#options.batch,
      isGenerated: this.#options.isGenerated,
      listener: this,
      isRescaled: restored.isRescaled,
      restoredStates: (uid) => restored.operatorStates(uid),
      restoredRows: (node, keyGroups) => restored.rows(node, keyGroups),
      hasOtherKeys: (node) => restored.hasOtherKeys(node),
      restoredSplits: splitsOf,
      requestSplit: (uid, subtaskIndex) => this.#sources.get(uid)?.requestSplit(subtaskIndex),
      sinkContext: (node) => this.#sinkContext(node),
    });
    this.#tasks = tasks;
    this.#sourceTasks = sourceTasks;
    alignSources(nodes, sourceTasks);
    for (const [uid, source] of this.#sources) {
      source.start(
        sourceTasks.get(uid) ?? [],
        restored.returnedSplits(uid, sourceTasks.get(uid)?.length ?? 0),
      );
    }
    for (const task of tasks) {
      if (this.#hasFailed()) return;
      await this.#untilFailure(task.open());
    }
    this.#apply(
      initialCoordinator({
        config: {
          tasks: tasks.map((task) => task.id),
          maxPendingCommits: this.#options.checkpointing?.maxPendingCommits ?? DEFAULT_MAX_PENDING_COMMITS,
          hasMinPause: false,
          tolerableFailures: 0,
        },
        nextCheckpointId: (checkpoint?.checkpointId ?? 0) + 1,
        uncommitted:
          checkpoint !== undefined && checkpoint.pendingCommits.length > 0 ? [checkpoint.checkpointId] : [],
      }),
    );
    this.#scheduleInterval();
  }

  /** A function that never opens does not keep its job from being cancelled. */
  #untilFailure(opening: Promise<void>): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      opening.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
    });
  }

  async #createCommitters(nodes: readonly PlanNode[], checkpoint: CheckpointData | undefined): Promise<void> {
    const sinks: SinkCommitter[] = [];
    this.#commits = new CommitQueue(sinks);
    for (const node of nodes) {
      if (node.spec.kind !== 'sink') continue;
      const committer = await createSinkCommitter(node.spec.sink, node.name, this.#sinkContext(node));
      if (committer !== undefined) sinks.push(committer);
    }
    for (const { uid, requests } of checkpoint?.pendingCommits ?? []) this.#commits.add(uid, requests);
    await this.#commits.recover();
  }

  #createSources(nodes: readonly PlanNode[], restored: RestoredState): void {
    for (const node of nodes) {
      if (node.spec.kind !== 'source') continue;
      const options = {
        uid: node.uid,
        name: node.name,
        source: node.spec.source,
        parallelism: node.parallelism,
        clock: this.#options.clock,
        logger: this.#options.logger,
        signal: this.#abort.signal,
        onFailure: (error: unknown) => this.onFailure(error),
      };
      this.#sources.set(node.uid, new SourceCoordinator(options, restored.enumeratorState(node.uid)));
    }
  }

  #sinkContext(node: PlanNode): SinkContext {
    const { jobName, clock, logger } = this.#options;
    return {
      jobName,
      jobId: this.#jobId,
      operatorUid: node.uid,
      parallelism: node.parallelism,
      clock,
      logger,
      signal: this.#abort.signal,
    };
  }

  // The loop.

  async #loop(): Promise<void> {
    let turns = 0;
    while (!this.#hasFailed()) {
      let hasWorked = false;
      for (const task of this.#tasks) {
        if (task.step()) hasWorked = true;
        if (this.#hasFailed()) return;
      }
      if (!hasWorked) {
        if (this.#isFinished) {
          this.#isDone = true;
          return;
        }
        turns = 0;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      } else if (++turns >= TURNS_PER_YIELD) {
        turns = 0;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  onFailure(error: unknown): void {
    if (this.#failure !== undefined || this.#isDone) return; // invariant 1
    this.#failure = { error };
    this.#options.onFailing();
    this.#abort.abort(error);
    this.wake();
  }

  onSnapshot(taskId: string, checkpointId: number, operators: readonly OperatorSnapshot[]): void {
    this.#snapshots.push(...operators);
    this.#dispatch({ type: 'acknowledged', task: taskId, checkpointId });
  }

  onEnd(taskId: string): void {
    this.#dispatch({ type: 'task-ended', task: taskId });
  }

  // Checkpoints: what the coordinator decides is done here.

  #scheduleInterval(): void {
    const intervalMs = this.#options.checkpointing?.intervalMs;
    if (intervalMs === undefined || this.#options.plan.isBatch) return;
    this.#cancelInterval = this.#options.clock.schedule(intervalMs, () => {
      if (this.#isDone || this.#hasFailed()) return;
      this.#dispatch({ type: 'interval-elapsed' });
      this.#scheduleInterval();
    });
  }

  #dispatch(event: CoordinatorEvent): void {
    if (this.#coordinator === undefined || this.#hasFailed()) return;
    this.#apply(decide(this.#coordinator, event));
  }

  #apply(decision: Decision): void {
    this.#coordinator = decision.state;
    for (const effect of decision.effects) {
      switch (effect.type) {
        case 'trigger':
          this.#trigger(effect.checkpointId);
          break;
        case 'write':
          this.#inBackground(() => this.#persist(effect.checkpointId));
          break;
        case 'notify-complete':
          for (const readers of this.#sourceTasks.values()) {
            for (const reader of readers) reader.notifyCheckpointComplete(effect.checkpointId);
          }
          break;
        case 'commit':
          this.#inBackground(async () => {
            await this.#commits.commit(effect.checkpointId);
            this.#dispatch({ type: 'committed', checkpointId: effect.checkpointId });
          });
          break;
        case 'finish-job':
          this.#inBackground(() => this.#finish());
          break;
      }
    }
  }

  #trigger(checkpointId: number): void {
    try {
      this.#triggeredAt = this.#options.clock.now();
      this.#enumerators = [...this.#sources].map(([uid, source]) => ({
        uid,
        bytes: encodeState(source.snapshotState(checkpointId)), // invariant 2
      }));
      for (const readers of this.#sourceTasks.values()) {
        for (const reader of readers) reader.triggerCheckpoint(checkpointId);
      }
    } catch (error) {
      this.onFailure(error);
    }
  }

  async #persist(checkpointId: number): Promise<void> {
    const snapshots = this.#snapshots.sort((a, b) => a.subtaskIndex - b.subtaskIndex);
    const enumerators = this.#enumerators;
    this.#snapshots = []; // the state of the job once more: it is not kept until the next checkpoint
    this.#enumerators = [];
    for (const { uid, subtaskIndex, committables } of snapshots) {
      this.#commits.add(
        uid,
        committables.map((committable) => ({ checkpointId, subtaskIndex, committable })),
      );
    }
    const { checkpointing, clock, jobName, plan } = this.#options;
    const segmentBytes = await this.#putSegments(checkpointId, snapshots);
    const data: CheckpointData = {
      checkpointId,
      jobName,
      jobId: this.#jobId,
      maxParallelism: plan.maxParallelism,
      createdAt: clock.now(),
      operators: this.#operatorCheckpoints(snapshots),
      enumerators,
      pendingCommits: this.#commits.snapshot(),
    };
    const bytes = await checkpointing?.storage.write(data);
    if (plan.isBatch) this.#onlyCheckpoint = data;
    this.#statistics = {
      ...this.#statistics,
      completed: this.#statistics.completed + 1,
      lastId: checkpointId,
      lastDurationMs: clock.now() - this.#triggeredAt,
      lastSizeBytes: bytes === undefined ? undefined : bytes + segmentBytes,
    };
    this.#dispatch({ type: 'written', checkpointId });
  }

  /** Stores the rows that have changed. Returns how many bytes that took. */
  async #putSegments(checkpointId: number, snapshots: readonly OperatorSnapshot[]): Promise<number> {
    let sum = 0;
    for (const { uid, subtaskIndex, rows } of snapshots) {
      if (rows === undefined) continue;
      const { chunks, ...described } = rows;
      const id = `${uid}-${checkpointId}-${subtaskIndex}`;
      await this.#options.checkpointing?.storage.putSegment(id, chunks);
      this.#segments.set(uid, [...(this.#segments.get(uid) ?? []), { id, ...described }]);
      sum += described.bytes;
    }
    return sum;
  }

  #operatorCheckpoints(snapshots: readonly OperatorSnapshot[]): OperatorCheckpoint[] {
    return this.#options.plan.vertices
      .flatMap(({ nodes }) => nodes)
      .map((node) => ({
        uid: node.uid,
        name: node.name,
        type: typeOf(node),
        maxParallelism: node.maxParallelism,
        keyVersion: keyVersionOf(node),
        subtasks: snapshots.filter(({ uid }) => uid === node.uid).map(({ bytes }) => bytes),
        segments: this.#segments.get(node.uid) ?? [],
      }));
  }

  async #finish(): Promise<void> {
    if (this.#options.plan.isBatch) await storeEnd(this.#options, this.#onlyCheckpoint);
    this.#isFinished = true;
    this.wake();
  }

  #inBackground(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => this.onFailure(error))
      .finally(() => this.#background.delete(running));
    this.#background.add(running);
  }

  async #close(): Promise<void> {
    this.#cancelInterval?.();
    this.#abort.abort(this.#failure?.error ?? new JobCancelledError('The job has ended.'));
    await Promise.allSettled(this.#background);
    const errors: unknown[] = [];
    for (const task of this.#tasks) errors.push(...(await task.close()));
    for (const source of this.#sources.values()) {
      try {
        await source.close();
      } catch (error) {
        errors.push(error);
      }
    }
    errors.push(...(await this.#commits.close()));
    for (const error of errors) {
      this.#options.logger.warn('closing failed', {
        error: messageOf(error),
      });
    }
    // What a writer could not close after everything was committed has lost nothing, but is not success either.
    if (this.#failure === undefined && errors.length > 0) this.#failure = { error: errors[0] };
  }
}

/** A restored reader's own splits; none where the parallelism has changed, then the enumerator gets them all back. */
function splitsOf(
  node: PlanNode,
  subtaskIndex: number,
  states: readonly SourceSubtaskState[],
): readonly SourceSplit[] {
  return states.length === node.parallelism ? (states[subtaskIndex]?.splits ?? []) : [];
}
