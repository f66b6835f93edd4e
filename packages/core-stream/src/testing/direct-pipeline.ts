/**
 * Runs the operators of a graph in the caller's turn: what a record causes has happened when the call returns.
 *
 * Role: the part of the runtime that an operator sees (its context, routing by key group, merged watermarks, mail), without
 * tasks, channels and batches. Boundary: the harness decides what goes in; `HarnessOutput` remembers what comes out.
 *
 * Invariants
 * 1. Mail (`schedule`, `post`) never runs in the middle of another call, and not after its subtask has finished.
 * 2. A snapshot is encoded as a checkpoint is: what it holds is plain data, and later changes do not reach it.
 * 3. What fails in mail is thrown by the next call.
 */
import { StreamConfigError } from '../errors.js';
import type { StreamGraph, StreamNode } from '../graph/stream-graph.js';
import type { JobMetrics } from '../metrics/job-metrics.js';
import type { DrainStatus, OperatorContext, StreamOperator } from '../operators/operator.js';
import { plainDescriber } from '../runtime/describe-value.js';
import { silentLogger } from '../runtime/logger.js';
import { decodeState } from '../state/canonical-decoding.js';
import { encodeState } from '../state/canonical-encoding.js';
import { keyGroupRangeOf } from '../state/key-groups.js';
import { SubtaskRows } from '../state/subtask-rows.js';
import { lowestWatermark } from '../time/restored-watermark.js';
import type { HarnessOutput } from './harness-output.js';
import { HarnessRows, restoredRows, type HarnessRow } from './harness-rows.js';
import type { ManualClock } from './manual-clock.js';
import { connect, Subtask, type Stage } from './pipeline-stage.js';

/** The states of all subtasks, as a checkpoint holds them. */
export interface HarnessSnapshot {
  readonly maxParallelism: number;
  readonly subtasks: readonly {
    readonly uid: string;
    readonly subtaskIndex: number;
    /** Encoded. */
    readonly bytes: Uint8Array;
  }[];
  /** What is stored by key. */
  readonly rows: readonly HarnessRow[];
}

export interface DirectPipelineOptions {
  /** The nodes that the harness feeds, and the one whose input it shows. */
  readonly inputs: readonly StreamNode[];
  readonly end: StreamNode;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly isBatch: boolean;
  readonly clock: ManualClock;
  readonly metrics: JobMetrics;
  readonly restored: HarnessSnapshot | undefined;
  readonly output: HarnessOutput<unknown>;
}

interface StoredSubtask {
  readonly state: unknown;
  readonly watermark: number;
}

export class DirectPipeline {
  readonly #options: DirectPipelineOptions;
  /** By node id, in topological order. */
  readonly #stages = new Map<number, Stage>();
  readonly #subtasks: readonly Subtask[];
  readonly #abort = new AbortController();
  readonly #mail: (() => void)[] = [];
  readonly #rows: HarnessRows;
  #isBusy = false;
  #snapshots = 0;
  #failure: { readonly error: unknown } | undefined;
  #onMail: (() => void) | undefined;

  constructor(graph: StreamGraph, options: DirectPipelineOptions) {
    this.#options = options;
    this.#rows = new HarnessRows(options.restored?.rows ?? []);
    const { restored, maxParallelism } = options;
    if (restored !== undefined && restored.maxParallelism !== maxParallelism) {
      throw new StreamConfigError(
        `The snapshot was taken with a max parallelism of ${restored.maxParallelism}, the harness has ${maxParallelism}. ` +
          'Key groups cannot change: use the same one.',
      );
    }
    for (const node of graph.nodes) this.#stages.set(node.id, this.#createStage(node));
    for (const stage of this.#stages.values()) connect(stage, (id) => this.#stages.get(id)!);
    this.#subtasks = [...this.#stages.values()].flatMap(({ subtasks }) => subtasks);
  }

  /** Downstream operators first, as in a task; the restored watermarks when all have started. */
  async open(): Promise<void> {
    this.#isBusy = true;
    for (const { operator } of this.#subtasks.toReversed()) await operator.open?.();
    this.#run(() => {
      for (const { operator } of this.#subtasks.toReversed()) operator.start?.();
      const inputIds = this.#options.inputs.map(({ id }) => id);
      for (const stage of this.#stages.values()) {
        if (stage.node.inputs.some(({ sourceId }) => inputIds.includes(sourceId)))
          this.#restoreWatermarks(stage);
      }
    });
  }

  push(input: StreamNode, value: unknown, timestamp: number): void {
    if (this.isFull) {
      throw new StreamConfigError(
        'The operator is full and would not be given a record. Wait for its results before the next push: `await until(() => !harness.isFull)`.',
      );
    }
    this.#run(() => this.#inputOf(input).collect(value, timestamp));
  }

  watermark(input: StreamNode, timestamp: number): void {
    this.#run(() => this.#inputOf(input).emitWatermark(timestamp));
  }

  idle(input: StreamNode, isIdle: boolean): void {
    this.#run(() => this.#inputOf(input).emitIdle(isIdle));
  }

  advanceProcessingTime(ms: number): void {
    // Not one busy call: what falls due on the way runs at its time.
    this.#options.clock.advance(ms);
    this.#run(() => undefined);
  }

  finishKey(): void {
    this.#run(() => {
      for (const { operator } of this.#subtasks) operator.finishKey?.();
    });
  }

  snapshot(): HarnessSnapshot {
    const checkpointId = ++this.#snapshots;
    const subtasks = [...this.#stages.values()].flatMap(({ uid, node, subtasks: all }) =>
      node.spec.kind !== 'operator'
        ? []
        : all.map(({ operator, rows, watermark, index }) => {
            const stored: StoredSubtask = { state: operator.snapshotState?.(checkpointId), watermark };
            rows.snapshotTo(this.#rows.sinkOf(uid));
            return { uid, subtaskIndex: index, bytes: encodeState(stored) }; // invariant 2
          }),
    );
    return {
      maxParallelism: this.#options.maxParallelism,
      subtasks,
      rows: this.#rows.snapshot(),
    };
  }

  /** After +∞: every operator drains and finishes, upstream ones first. */
  async end(): Promise<void> {
    for (const subtask of this.#subtasks) {
      for (;;) {
        let status: DrainStatus = 'done';
        this.#run(() => (status = subtask.operator.drain?.() ?? 'done'));
        if (status === 'done') break;
        if (status === 'wait') await new Promise<void>((resolve) => (this.#onMail = resolve));
      }
      this.#run(() => subtask.operator.finish?.());
      subtask.hasFinished = true;
    }
  }

  async close(): Promise<void> {
    this.#abort.abort();
    for (const subtask of this.#subtasks) {
      subtask.hasFinished = true;
      await subtask.operator.close?.();
    }
  }

  get isFull(): boolean {
    return this.#subtasks.some(({ operator }) => operator.isFull === true);
  }

  get lateRecordsDropped(): number {
    return this.#subtasks.reduce((sum, { operator }) => sum + (operator.lateRecordsDropped ?? 0), 0);
  }

  // Calls and mail.

  #run(work: () => void): void {
    this.#isBusy = true;
    try {
      work();
      let mail: (() => void) | undefined;
      while ((mail = this.#mail.shift()) !== undefined) mail();
    } finally {
      this.#isBusy = false;
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error; // invariant 3
  }

  #post(subtask: Subtask, callback: () => void): void {
    this.#mail.push(() => {
      if (!subtask.hasFinished) callback(); // invariant 1
    });
    if (!this.#isBusy) {
      try {
        this.#run(() => undefined);
      } catch (error) {
        this.#failure ??= { error };
      }
    }
    this.#onMail?.();
  }

  #inputOf(node: StreamNode): Subtask {
    return this.#stages.get(node.id)!.subtasks[0]!;
  }

  // Making the pipeline.

  #createStage(node: StreamNode): Stage {
    const { spec } = node;
    const { inputs, end, output } = this.#options;
    if (spec.kind !== 'operator' && node !== end && !inputs.includes(node)) {
      throw new StreamConfigError(
        `The program under test has the ${spec.kind} '${node.name}'. A harness gives the records and takes the results: ` +
          'build on the streams that it passes in, and return the stream to look at.',
      );
    }
    const wanted = Math.min(this.#options.parallelism, node.parallelismLimit ?? Infinity);
    const parallelism = spec.kind === 'operator' ? (node.parallelism ?? wanted) : 1;
    const stage: Stage = {
      node,
      uid: node.uid ?? `${node.id}-${node.name}`,
      maxParallelism: node.maxParallelism ?? this.#options.maxParallelism,
      subtasks: Array.from({ length: parallelism }, (_, index) => new Subtask(index, output)),
    };
    for (const subtask of stage.subtasks) {
      subtask.operator =
        spec.kind === 'operator'
          ? spec.factory(this.#context(stage, subtask), subtask)
          : this.#edgeOperator();
    }
    return stage;
  }

  /** The inputs are never called; the end remembers what it gets. */
  #edgeOperator(): StreamOperator {
    const { output } = this.#options;
    return {
      processElement: (value, timestamp) => output.record(value, timestamp),
      processWatermark: (timestamp) => output.watermark(timestamp),
      processIdle: (isIdle) => output.idle(isIdle),
    };
  }

  #context({ node, uid, maxParallelism, subtasks }: Stage, subtask: Subtask): OperatorContext {
    const { clock, isBatch } = this.#options;
    const { length: parallelism } = subtasks;
    const keyGroups = keyGroupRangeOf(subtask.index, parallelism, maxParallelism);
    const stored = this.#options.restored?.rows;
    subtask.rows = new SubtaskRows({
      isEnabled: true,
      maxParallelism,
      restored: stored && restoredRows(stored, uid, keyGroups, maxParallelism),
    });
    return {
      operatorName: node.name,
      operatorUid: uid,
      subtaskIndex: subtask.index,
      parallelism,
      maxParallelism,
      keyGroups,
      clock,
      logger: silentLogger,
      describer: plainDescriber,
      metrics: this.#options.metrics.operatorGroup({ name: node.name, uid, subtaskIndex: subtask.index }),
      signal: this.#abort.signal,
      watermarkIntervalMs: 200,
      isBatch,
      restored: this.#stored(uid)?.map(({ state }) => state),
      ...subtask.rows.access,
      isRescaled: (this.#stored(uid)?.length ?? parallelism) !== parallelism,
      post: (callback) => this.#post(subtask, callback),
      schedule: (delayMs, callback) => {
        let isCancelled = false;
        const cancel = clock.schedule(delayMs, () =>
          this.#post(subtask, () => {
            if (!isCancelled) callback();
          }),
        );
        return () => {
          isCancelled = true;
          cancel();
        };
      },
    };
  }

  /** What the restored snapshot has of an operator, ascending by subtask. */
  #stored(uid: string): readonly StoredSubtask[] | undefined {
    const own = this.#options.restored?.subtasks.filter((subtask) => subtask.uid === uid) ?? [];
    if (own.length === 0) return undefined;
    return own
      .toSorted((a, b) => a.subtaskIndex - b.subtaskIndex)
      .map(({ bytes }) => decodeState(bytes) as StoredSubtask);
  }

  /** The lowest that a subtask had reached, as in a job. */
  #restoreWatermarks({ uid, subtasks }: Stage): void {
    const reached = this.#stored(uid)?.map(({ watermark }) => ({ watermark, isIdle: false })) ?? [];
    for (const { valve } of subtasks) valve.restoreWatermark(lowestWatermark(reached));
  }
}
