/**
 * What one attempt of a job consists of.
 *
 * Role: makes it from the plan and from what is restored, and closes it, also where it was made by half. Boundary: turns, and what
 * becomes of a failure, are `local-job`'s.
 *
 * Invariants
 * 1. The checkpoint storage is given back last, and only where nothing of this attempt writes to it any more.
 * 2. Nothing is closed while one of its calls is under way. Each step of closing gives up, by name, what does not settle within
 *    `cancellationTimeoutMs`: so every job ends.
 * 3. What the program asks for is compared with what is restored before the job begins. Until then no committer, enumerator,
 *    reader or writer is made, and nothing that is restored is changed.
 * 4. A start that is cancelled ends with the call that is under way: nothing is made, recovered or stored after it.
 */
import { randomUUID } from 'node:crypto';
import type { CheckpointData } from '../checkpoint/checkpoint-data.js';
import { SegmentCatalog } from '../checkpoint/segment-catalog.js';
import type { SinkContext } from '../connectors/sink.js';
import { OperatorError } from '../errors.js';
import type { PlanNode } from '../plan/execution-plan.js';
import { AttemptStorage } from './attempt-storage.js';
import { CheckpointDriver } from './checkpoint-driver.js';
import { closeSink, CommitQueue, createSinkCommitter, type SinkCommitter } from './commit-queue.js';
import type { JobOptions } from './job-options.js';
import { JobState } from './job-state.js';
import { PendingCalls } from './pending-calls.js';
import { loadStart, RestoredState, type JobStart } from './restored-state.js';
import { SourceCoordinator } from './source-coordinator.js';
import { migrateStates, StartComparison } from './start-comparison.js';
import type { Task, TaskListener } from './task.js';
import { buildTasks, type BuiltTasks } from './task-builder.js';
import { alignSources } from './watermark-alignment.js';

export interface AttemptListener extends TaskListener {
  /** Everything is committed. */
  onFinished(): void;
}

export class AttemptParts {
  readonly pending: PendingCalls;
  readonly #options: JobOptions;
  readonly #storage: AttemptStorage | undefined;
  /** Aborted when the attempt has ended, well or not. */
  readonly #signal: AbortSignal;
  readonly #nodes: readonly PlanNode[];
  readonly #sources = new Map<string, SourceCoordinator>();
  #start: JobStart | undefined;
  #state: JobState | undefined;
  #tasks: readonly Task[] = [];
  #commits = new CommitQueue([]);

  constructor(options: JobOptions, signal: AbortSignal) {
    const { checkpointing, clock, cancellationTimeoutMs, plan } = options;
    this.pending = new PendingCalls(clock, cancellationTimeoutMs);
    this.#storage = checkpointing && new AttemptStorage(checkpointing.storage, this.pending);
    this.#options =
      checkpointing === undefined || this.#storage === undefined
        ? options
        : { ...options, checkpointing: { ...checkpointing, storage: this.#storage } };
    this.#signal = signal;
    this.#nodes = plan.vertices.flatMap(({ nodes }) => nodes);
  }

  get tasks(): readonly Task[] {
    return this.#tasks;
  }

  /** Empty before the storage is claimed. */
  get jobId(): string {
    return this.#start?.jobId ?? '';
  }

  /** The checkpoint that it goes on from, 0 for none; `undefined` where that is not known yet. */
  get restoredId(): number | undefined {
    return this.#start && (this.#start.checkpoint?.checkpointId ?? 0);
  }

  /** Makes everything, and starts it. */
  async start(listener: AttemptListener): Promise<CheckpointDriver> {
    const { plan, checkpointing, metrics, logger } = this.#options;
    const signal = this.#signal;
    metrics.startRun();
    const start = await loadStart(this.#options);
    signal.throwIfAborted();
    this.#start = start;
    const { jobId, checkpoint, from } = start;
    const restored = new RestoredState(start, plan, checkpointing?.allowNonRestoredState);
    if (checkpoint !== undefined) metrics.restored();
    const state = await this.#openState(start, restored);
    const { differences } = restored;
    const comparison = new StartComparison({
      checkpoint,
      location: from?.location ?? '',
      differences,
      logger,
    });
    // invariant 3
    const built = await comparison.compare(() => this.#openTasks(restored, state, comparison, listener));
    const { tasks, sourceTasks } = built;
    migrateStates(tasks);
    await this.pending.run('the state is being restored', () => state.ready());
    signal.throwIfAborted();
    await this.#createCommitters(checkpoint, restored);
    signal.throwIfAborted();
    const segments = await this.#segments(restored);
    await this.#startTasks(built, restored, listener);
    return new CheckpointDriver({
      job: this.#options,
      jobId,
      restored: checkpoint,
      tasks,
      sources: [...sourceTasks.values()].flat(),
      snapshotEnumerators: (checkpointId) =>
        Array.from(this.#sources, ([uid, source]) => ({ uid, bytes: source.snapshotState(checkpointId) })),
      commits: this.#commits,
      segments,
      state,
      pending: this.pending,
      signal,
      onFailure: (error) => listener.onFailure(error),
      onFinished: () => listener.onFinished(),
    });
  }

  async #createCommitters(checkpoint: CheckpointData | undefined, restored: RestoredState): Promise<void> {
    const sinks: SinkCommitter[] = [];
    this.#commits = new CommitQueue(sinks);
    for (const node of this.#nodes) {
      if (node.spec.kind !== 'sink') continue;
      const { describer, metrics } = this.#options;
      const context = { ...this.#sinkContext(node), metrics: metrics.coordinatorGroup(node) };
      const committer = await createSinkCommitter(node.spec.sink, node.name, context, {
        describer,
        pending: this.pending,
      });
      if (committer === undefined) continue;
      if (this.#signal.aborted) await closeSink(committer, (error) => this.#warn(error));
      else sinks.push(committer);
      this.#signal.throwIfAborted();
    }
    for (const { uid, requests } of checkpoint?.pendingCommits ?? []) this.#commits.add(uid, requests);
    await this.#commits.recover((uid) => restored.writerStates(uid));
  }

  /** Closed with the rest, also where the job ends meanwhile. */
  #openState(start: JobStart, restored: RestoredState): Promise<JobState> {
    return this.pending.run('the state is being opened', async () => {
      this.#state = await JobState.open(this.#options, start, restored);
      this.#signal.throwIfAborted();
      return this.#state;
    });
  }

  /** While they are made and opened, what they ask for is compared with what is restored. */
  async #openTasks(
    restored: RestoredState,
    state: JobState,
    comparison: StartComparison,
    listener: AttemptListener,
  ): Promise<BuiltTasks> {
    const signal = this.#signal;
    const built = await buildTasks({
      job: this.#options,
      restored,
      state,
      comparison,
      listener,
      pending: this.pending,
      signal,
      requestSplit: (uid, subtaskIndex) => this.#sources.get(uid)?.requestSplit(subtaskIndex),
      sinkContext: (node) => this.#sinkContext(node),
    });
    this.#tasks = built.tasks;
    signal.throwIfAborted();
    for (const task of built.tasks) {
      await task.open();
      signal.throwIfAborted();
    }
    return built;
  }

  async #segments(restored: RestoredState): Promise<SegmentCatalog> {
    const { storage } = this.#options.checkpointing ?? {};
    const segments = new SegmentCatalog(storage, randomUUID().slice(0, 8), this.#signal);
    for (const node of this.#nodes) {
      if (!restored.hasOtherKeys(node)) {
        segments.restore(node.uid, await restored.ownSegments(node.uid, storage, this.#signal));
        this.#signal.throwIfAborted(); // invariant 4
      }
    }
    return segments;
  }

  /** Enumerators have started before a reader can ask them for a split. */
  async #startTasks(
    { tasks, sourceTasks }: BuiltTasks,
    restored: RestoredState,
    listener: AttemptListener,
  ): Promise<void> {
    this.#createSources(restored, listener);
    for (const task of tasks) {
      await task.createWriters();
      this.#signal.throwIfAborted();
    }
    alignSources(this.#nodes, sourceTasks);
    for (const [uid, source] of this.#sources) {
      const readers = sourceTasks.get(uid) ?? [];
      source.start(readers, restored.returnedSplits(uid, readers.length));
    }
    for (const task of tasks) {
      this.#signal.throwIfAborted();
      task.start();
    }
  }

  #createSources(restored: RestoredState, listener: AttemptListener): void {
    const { clock, logger, describer, metrics } = this.#options;
    for (const { spec, uid, name, parallelism } of this.#nodes) {
      if (spec.kind !== 'source') continue;
      const options = {
        uid,
        name,
        source: spec.source,
        parallelism,
        clock,
        logger,
        metrics: metrics.coordinatorGroup({ name, uid }),
        signal: this.#signal,
        onFailure: (error: unknown) => listener.onFailure(error),
        describer,
        pending: this.pending,
      };
      this.#sources.set(uid, new SourceCoordinator(options, restored.enumeratorState(uid)));
    }
  }

  #sinkContext({ uid, parallelism }: PlanNode): SinkContext {
    const { jobName, clock, logger, describer } = this.#options;
    const { jobId } = this;
    return { jobName, jobId, operatorUid: uid, parallelism, clock, logger, describer, signal: this.#signal };
  }

  /**
   * Closes everything step by step: what is under way, then tasks, enumerators, committers, the state, the storage. Called when
   * the signal is aborted. Resolves with what has gone wrong, which is logged.
   */
  async close(): Promise<readonly unknown[]> {
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const settle = async () => {
      for (const call of await this.pending.settle()) errors.push(this.#gaveUp(call)); // invariant 2
    };
    for (const task of this.#tasks) task.stop();
    await settle();
    for (const task of this.#tasks) task.close(onError);
    await settle();
    for (const source of this.#sources.values()) source.close().catch(onError);
    await settle();
    this.#commits.close(onError);
    await settle();
    this.pending.run('the state is being closed', () => this.#state?.close()).catch(onError);
    await settle();
    this.#storage?.release().catch(onError); // invariant 1
    await settle();
    errors.forEach((error) => this.#warn(error));
    return errors;
  }

  #gaveUp(call: string): OperatorError {
    return new OperatorError(
      `${call}, and has not ended after ${this.pending.timeoutMs} ms: it was left alone. ` +
        'What it does has to end when its signal is aborted; the time is cancellationTimeoutMs.',
    );
  }

  #warn(error: unknown): void {
    this.#options.logger.warn('closing failed', { error: this.#options.describer.describeError(error) });
  }
}
