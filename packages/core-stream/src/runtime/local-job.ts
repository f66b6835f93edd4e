/**
 * Runs a plan on one thread: every subtask takes turns in one event loop.
 *
 * Role: one attempt: builds the tasks, gives them turns, closes them. Boundary: checkpoints are `checkpoint-driver`'s, waiting inside
 * a task is the task's; whether there is another attempt is the supervisor's business.
 *
 * Invariants
 * 1. The first failure decides: nothing is processed after it, everything is closed, `run` rejects with it.
 * 2. I/O gets its turn: after some batches the loop lets the event loop run.
 * 3. The checkpoint storage is given back last, and only where nothing of this attempt writes to it any more.
 * 4. Nothing is closed while one of its calls is under way. Each step of closing gives up, by name, what does not settle within
 *    `cancellationTimeoutMs`: so every job ends.
 */
import { randomUUID } from 'node:crypto';
import type { CheckpointData } from '../checkpoint/checkpoint-data.js';
import { SegmentCatalog } from '../checkpoint/segment-catalog.js';
import { CheckpointError, JobCancelledError, OperatorError, StreamConfigError } from '../errors.js';
import type { SinkContext } from '../connectors/sink.js';
import type { SourceSplit } from '../connectors/source.js';
import type { PlanNode } from '../plan/execution-plan.js';
import { encodeState } from '../state/canonical-encoding.js';
import { AttemptStorage } from './attempt-storage.js';
import { CheckpointDriver } from './checkpoint-driver.js';
import type { SavepointRequest } from './checkpoint-requests.js';
import { NO_CHECKPOINTS } from './checkpoint-statistics.js';
import { closeSink, CommitQueue, createSinkCommitter, type SinkCommitter } from './commit-queue.js';
import type { JobOptions } from './job-options.js';
import { JobState } from './job-state.js';
import type { AttemptSnapshot } from './job-result.js';
import { loadStart, RestoredState } from './restored-state.js';
import { SourceCoordinator } from './source-coordinator.js';
import type { SourceSubtaskState } from './source-task.js';
import type { OperatorSnapshot, Task, TaskListener } from './task.js';
import { buildTasks } from './task-builder.js';
import { summarize } from './summarize.js';
import { PendingCalls } from './pending-calls.js';
import { alignSources } from './watermark-alignment.js';

/** Turns of all tasks before the event loop gets one (invariant 2). */
const TURNS_PER_YIELD = 16;

export class LocalJob implements TaskListener {
  readonly #options: JobOptions;
  readonly pending: PendingCalls;
  readonly #storage: AttemptStorage | undefined;
  #state: JobState | undefined;
  readonly #abort = new AbortController();
  readonly #startedAt: number;
  #jobId = '';
  #tasks: readonly Task[] = [];
  readonly #sources = new Map<string, SourceCoordinator>();
  #commits = new CommitQueue([]);
  #checkpoints: CheckpointDriver | undefined;
  /** Asked for while the job was starting. */
  readonly #early: ((driver: CheckpointDriver | undefined) => void)[] = [];
  #failure: { readonly error: unknown } | undefined;
  /** Everything is committed; mail that is still to be read (a notification) is read before the job ends. */
  #isFinished = false;
  #isDone = false;
  #wake: (() => void) | undefined;
  constructor(options: JobOptions) {
    const { checkpointing, clock, cancellationTimeoutMs } = options;
    this.pending = new PendingCalls(clock, cancellationTimeoutMs);
    this.#storage = checkpointing && new AttemptStorage(checkpointing.storage, this.pending);
    this.#options =
      checkpointing === undefined || this.#storage === undefined
        ? options
        : { ...options, checkpointing: { ...checkpointing, storage: this.#storage } };
    this.#startedAt = options.clock.now();
  }

  get storesState(): boolean {
    return this.#options.checkpointing !== undefined;
  }

  async run(): Promise<AttemptSnapshot> {
    try {
      await this.#untilFailure(this.#start());
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
      checkpoints: this.#checkpoints?.statistics ?? { ...NO_CHECKPOINTS, pendingCommits: 0 },
    };
  }

  async #start(): Promise<void> {
    this.#options.metrics.startRun();
    const { signal } = this.#abort;
    const { jobId, checkpoint } = await loadStart(this.#options);
    signal.throwIfAborted();
    this.#jobId = jobId;
    const restored = new RestoredState(checkpoint, this.#options.plan, this.#options.checkpointing);
    if (checkpoint !== undefined) this.#options.metrics.restored();
    const nodes = this.#options.plan.vertices.flatMap((vertex) => vertex.nodes);
    const { storage } = this.#options.checkpointing ?? {};
    const segments = new SegmentCatalog(storage, randomUUID().slice(0, 8), this.#abort.signal);
    for (const node of nodes) {
      if (!restored.hasOtherKeys(node)) segments.restore(node.uid, restored.segments(node.uid));
    }
    await this.#createCommitters(nodes, checkpoint, restored);
    signal.throwIfAborted();
    this.#createSources(nodes, restored);
    const state = await this.#openState(jobId, checkpoint, restored);
    const { tasks, sourceTasks } = await buildTasks({
      plan: this.#options.plan,
      clock: this.#options.clock,
      logger: this.#options.logger,
      describer: this.#options.describer,
      metrics: this.#options.metrics,
      signal: this.#abort.signal,
      watermarkIntervalMs: this.#options.watermarkIntervalMs,
      batch: this.#options.batch,
      isGenerated: this.#options.isGenerated,
      listener: this,
      isRescaled: restored.isRescaled,
      restoredStates: (uid) => restored.operatorStates(uid),
      hasOtherKeys: (node) => restored.hasOtherKeys(node),
      subtaskRows: (node, keyGroups) =>
        this.pending.run(`the state of '${node.name}' is being restored`, () =>
          state.subtask(node, keyGroups),
        ),
      allowNonRestoredState: this.#options.checkpointing?.allowNonRestoredState ?? false,
      restoredSplits: splitsOf,
      requestSplit: (uid, subtaskIndex) => this.#sources.get(uid)?.requestSplit(subtaskIndex),
      sinkContext: (node) => this.#sinkContext(node),
    });
    this.#tasks = tasks;
    await this.pending.run('the state is being restored', () => state.ready());
    signal.throwIfAborted();
    alignSources(nodes, sourceTasks);
    for (const [uid, source] of this.#sources) {
      source.start(
        sourceTasks.get(uid) ?? [],
        restored.returnedSplits(uid, sourceTasks.get(uid)?.length ?? 0),
      );
    }
    for (const task of tasks) {
      await task.open();
      signal.throwIfAborted();
    }
    this.#checkpoints = new CheckpointDriver({
      job: this.#options,
      jobId,
      restored: checkpoint,
      tasks,
      sources: [...sourceTasks.values()].flat(),
      snapshotEnumerators: (checkpointId) =>
        [...this.#sources].map(([uid, source]) => ({
          uid,
          bytes: encodeState(source.snapshotState(checkpointId)),
        })),
      commits: this.#commits,
      segments,
      state,
      pending: this.pending,
      signal: this.#abort.signal,
      onFailure: (error) => this.onFailure(error),
      onFinished: () => {
        this.#isFinished = true;
        this.wake();
      },
    });
    for (const ask of this.#early.splice(0)) ask(this.#checkpoints);
  }

  /** What never settles while the job starts does not keep it from being cancelled. */
  #untilFailure(starting: Promise<void>): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      starting.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
    });
  }

  /** Closed with the job, also where it ends meanwhile. */
  #openState(
    jobId: string,
    checkpoint: CheckpointData | undefined,
    restored: RestoredState,
  ): Promise<JobState> {
    return this.pending.run('the state is being opened', async () => {
      this.#state = await JobState.open(this.#options, { jobId, checkpoint }, restored);
      this.#abort.signal.throwIfAborted();
      return this.#state;
    });
  }

  async #createCommitters(
    nodes: readonly PlanNode[],
    checkpoint: CheckpointData | undefined,
    restored: RestoredState,
  ): Promise<void> {
    const sinks: SinkCommitter[] = [];
    this.#commits = new CommitQueue(sinks);
    for (const node of nodes) {
      if (node.spec.kind !== 'sink') continue;
      const committer = await createSinkCommitter(node.spec.sink, node.name, this.#sinkContext(node), {
        describer: this.#options.describer,
        pending: this.pending,
      });
      if (committer === undefined) continue;
      if (this.#hasFailed()) await closeSink(committer, (error) => this.#warn(error));
      else sinks.push(committer);
      this.#abort.signal.throwIfAborted();
    }
    for (const { uid, requests } of checkpoint?.pendingCommits ?? []) this.#commits.add(uid, requests);
    await this.#commits.recover((uid) => restored.writerStates(uid));
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
        describer: this.#options.describer,
        pending: this.pending,
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
    const { meterClock } = this.#options.metrics;
    while (!this.#hasFailed()) {
      let hasWorked = false;
      meterClock.read(); // there may have been a wait
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
    if (!this.#hasFailed()) this.#checkpoints?.onSnapshot(taskId, checkpointId, operators);
  }

  onDecline(_taskId: string, checkpointId: number, error: unknown): void {
    this.#checkpoints?.onDecline(checkpointId, error);
  }

  onEnd(taskId: string): void {
    this.#checkpoints?.onEnd(taskId);
  }

  /**
   * Asks for a checkpoint or a savepoint, now or when the job has started.
   *
   * @throws StreamConfigError `MILLRACE_CONFIG` for a job that cannot take one
   */
  async request(request: SavepointRequest): Promise<void> {
    const { checkpointing, jobName, plan } = this.#options;
    const drainsOnly = request.then === 'drain' && request.target === undefined;
    if (plan.isBatch || (checkpointing === undefined && !drainsOnly)) {
      throw new StreamConfigError(
        `The job '${jobName}' ` +
          (plan.isBatch
            ? 'runs in batch mode, where nothing is stored before the end. Cancel it instead.'
            : 'takes no checkpoints, so there is nothing to go on from. Call enableCheckpointing, or stop it with { drain: true }.'),
      );
    }
    return new Promise((resolve, reject) => {
      const ask = (driver: CheckpointDriver | undefined) => {
        if (driver !== undefined) driver.request(request).then(resolve, reject);
        else
          reject(
            new CheckpointError(
              'The job has ended, or is being restarted, before a checkpoint could be taken.',
              { retryable: true },
            ),
          );
      };
      if (this.#checkpoints !== undefined || this.#hasFailed()) ask(this.#checkpoints);
      else this.#early.push(ask);
    });
  }

  /** Whether it has ended because it was asked to suspend. */
  get isSuspended(): boolean {
    return this.#checkpoints?.isSuspended ?? false;
  }

  /** Step by step: what is under way, then tasks, enumerators, committers, the state, the storage (invariants 3 and 4). */
  async #close(): Promise<void> {
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const settle = async () => {
      for (const call of await this.pending.settle()) errors.push(this.#gaveUp(call));
    };
    this.#abort.abort(this.#failure?.error ?? new JobCancelledError('The job has ended.'));
    for (const ask of this.#early.splice(0)) ask(undefined);
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
    this.#storage?.release().catch(onError);
    await settle();
    errors.forEach((error) => this.#warn(error));
    // What a writer could not close after everything was committed has lost nothing, but is not success either.
    if (this.#failure === undefined && errors.length > 0) this.#failure = { error: errors[0] };
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

/** A restored reader's own splits; none where the parallelism has changed, then the enumerator gets them all back. */
function splitsOf(
  node: PlanNode,
  subtaskIndex: number,
  states: readonly SourceSubtaskState[],
): readonly SourceSplit[] {
  return states.length === node.parallelism ? (states[subtaskIndex]?.splits ?? []) : [];
}
