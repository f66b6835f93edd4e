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
import type { Partitioning, StreamEdge, StreamGraph, StreamNode } from '../graph/stream-graph.js';
import type { DrainStatus, OperatorContext, Output, StreamOperator } from '../operators/operator.js';
import { channelSelector, isConnected, type ChannelSelector } from '../runtime/channel-selector.js';
import { silentLogger } from '../runtime/logger.js';
import { WatermarkValve } from '../runtime/watermark-valve.js';
import { decodeState, encodeState } from '../state/canonical-encoding.js';
import { keyGroupRangeOf } from '../state/key-groups.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { HarnessOutput } from './harness-output.js';
import type { ManualClock } from './manual-clock.js';

/** The states of all subtasks, as a checkpoint holds them. */
export interface HarnessSnapshot {
  readonly maxParallelism: number;
  readonly subtasks: readonly {
    readonly uid: string;
    readonly subtaskIndex: number;
    /** Encoded. */
    readonly bytes: Uint8Array;
  }[];
}

export interface DirectPipelineOptions {
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly isBatch: boolean;
  readonly clock: ManualClock;
  readonly restored: HarnessSnapshot | undefined;
  readonly output: HarnessOutput<unknown>;
  /** The node whose input is the pipeline's output. */
  readonly end: StreamNode;
}

interface StoredSubtask {
  readonly state: unknown;
  readonly watermark: number;
}

/** From one subtask to the subtasks of the next node, along one edge. */
interface Link {
  push(value: unknown, timestamp: number): void;
  watermark(timestamp: number): void;
  idle(isIdle: boolean): void;
}

class Subtask {
  readonly links: Link[] = [];
  readonly sideLinks = new Map<string, Link[]>();
  operator!: StreamOperator;
  valve!: WatermarkValve;
  watermark = MIN_TIMESTAMP;
  hasFinished = false;

  allLinks(): readonly Link[] {
    return [...this.links, ...[...this.sideLinks.values()].flat()];
  }
}

interface Stage {
  readonly node: StreamNode;
  readonly uid: string;
  /** Number of its key groups. */
  readonly maxParallelism: number;
  readonly subtasks: readonly Subtask[];
}

export class DirectPipeline {
  readonly #options: DirectPipelineOptions;
  /** By node id, in topological order. */
  readonly #stages = new Map<number, Stage>();
  readonly #abort = new AbortController();
  readonly #mail: (() => void)[] = [];
  #isBusy = false;
  #snapshots = 0;
  #failure: { readonly error: unknown } | undefined;
  #onMail: (() => void) | undefined;

  constructor(graph: StreamGraph, inputs: readonly StreamNode[], options: DirectPipelineOptions) {
    this.#options = options;
    const { restored, maxParallelism } = options;
    if (restored !== undefined && restored.maxParallelism !== maxParallelism) {
      throw new StreamConfigError(
        `The snapshot was taken with a max parallelism of ${restored.maxParallelism}, the harness has ${maxParallelism}. ` +
          'Key groups cannot change: use the same one.',
      );
    }
    for (const node of graph.nodes) this.#stages.set(node.id, this.#createStage(node, inputs.includes(node)));
    for (const stage of this.#stages.values()) this.#connect(stage);
  }

  /** Downstream operators first, as in a task; then the restored watermarks. */
  async open(): Promise<void> {
    this.#isBusy = true;
    for (const { subtasks } of [...this.#stages.values()].reverse()) {
      for (const { operator } of subtasks) await operator.open?.();
    }
    this.#run(() => {
      for (const stage of this.#stages.values()) {
        if (!stage.node.inputs.some((edge) => this.#stageOf(edge).node.spec.kind === 'source')) continue;
        const stored = this.#stored(stage.uid) ?? [];
        const lowest = Math.min(...stored.map(({ watermark }) => watermark));
        for (const [index, subtask] of stage.subtasks.entries()) {
          const own = stored.length === stage.subtasks.length ? stored[index]!.watermark : lowest;
          if (stored.length > 0) subtask.valve.restoreWatermark(own);
        }
      }
    });
  }

  push(input: StreamNode, value: unknown, timestamp: number): void {
    if (this.isFull) {
      throw new StreamConfigError(
        'The operator is full and would not be given a record. Wait for its results before the next push: `await until(() => !harness.isFull)`.',
      );
    }
    this.#run(() => {
      for (const link of this.#inputOf(input).links) link.push(value, timestamp);
    });
  }

  watermark(input: StreamNode, timestamp: number): void {
    this.#run(() => {
      for (const link of this.#inputOf(input).allLinks()) link.watermark(timestamp);
    });
  }

  idle(input: StreamNode, isIdle: boolean): void {
    this.#run(() => {
      for (const link of this.#inputOf(input).allLinks()) link.idle(isIdle);
    });
  }

  advanceProcessingTime(ms: number): void {
    // Not one busy call: what falls due on the way runs at its time.
    this.#options.clock.advance(ms);
    this.#run(() => undefined);
  }

  finishKey(): void {
    this.#run(() => {
      for (const { operator } of this.#allSubtasks()) operator.finishKey?.();
    });
  }

  snapshot(): HarnessSnapshot {
    const { maxParallelism } = this.#options;
    const checkpointId = ++this.#snapshots;
    const subtasks = [...this.#stages.values()].flatMap(({ uid, node, subtasks: all }) =>
      node.spec.kind !== 'operator'
        ? []
        : all.map(({ operator, watermark }, subtaskIndex) => {
            const stored: StoredSubtask = { state: operator.snapshotState?.(checkpointId), watermark };
            return { uid, subtaskIndex, bytes: encodeState(stored) }; // invariant 2
          }),
    );
    return { maxParallelism, subtasks };
  }

  /** After +∞: every operator drains and finishes, upstream ones first. */
  async end(): Promise<void> {
    for (const subtask of this.#allSubtasks()) {
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
    for (const subtask of this.#allSubtasks()) {
      subtask.hasFinished = true;
      await subtask.operator.close?.();
    }
  }

  get isFull(): boolean {
    return this.#allSubtasks().some(({ operator }) => operator.isFull === true);
  }

  get lateRecordsDropped(): number {
    return this.#allSubtasks().reduce((sum, { operator }) => sum + (operator.lateRecordsDropped ?? 0), 0);
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

  // Making the pipeline.

  #allSubtasks(): Subtask[] {
    return [...this.#stages.values()].flatMap(({ subtasks }) => subtasks);
  }

  #stageOf(edge: StreamEdge): Stage {
    return this.#stages.get(edge.sourceId)!;
  }

  #inputOf(node: StreamNode): Subtask {
    return this.#stages.get(node.id)!.subtasks[0]!;
  }

  #createStage(node: StreamNode, isInput: boolean): Stage {
    const { spec } = node;
    const isEnd = node === this.#options.end;
    if (spec.kind !== 'operator' && !isInput && !isEnd) {
      throw new StreamConfigError(
        `The program under test has the ${spec.kind} '${node.name}'. A harness gives the records and takes the results: ` +
          'build on the streams that it passes in, and return the stream to look at.',
      );
    }
    const wanted = Math.min(this.#options.parallelism, node.parallelismLimit ?? Infinity);
    const parallelism = spec.kind === 'operator' ? (node.parallelism ?? wanted) : 1;
    const maxParallelism = node.maxParallelism ?? this.#options.maxParallelism;
    const uid = node.uid ?? `${node.id}-${node.name}`;
    const stored = this.#stored(uid)?.map(({ state }) => state);
    const subtasks = Array.from({ length: parallelism }, (_, subtaskIndex) => {
      const subtask = new Subtask();
      if (spec.kind === 'operator') {
        const context = this.#context(node, uid, {
          subtask,
          subtaskIndex,
          parallelism,
          maxParallelism,
          stored,
        });
        subtask.operator = spec.factory(context, this.#outputOf(subtask));
      } else subtask.operator = this.#edgeOperator();
      return subtask;
    });
    return { node, uid, maxParallelism, subtasks };
  }

  #stored(uid: string): readonly StoredSubtask[] | undefined {
    const own = this.#options.restored?.subtasks.filter((subtask) => subtask.uid === uid) ?? [];
    if (own.length === 0) return undefined;
    return [...own]
      .sort((a, b) => a.subtaskIndex - b.subtaskIndex)
      .map(({ bytes }) => decodeState(bytes) as StoredSubtask);
  }

  #context(
    node: StreamNode,
    uid: string,
    own: {
      readonly subtask: Subtask;
      readonly subtaskIndex: number;
      readonly parallelism: number;
      readonly maxParallelism: number;
      readonly stored: readonly unknown[] | undefined;
    },
  ): OperatorContext {
    const { clock, isBatch } = this.#options;
    const { subtask, subtaskIndex, parallelism, maxParallelism, stored } = own;
    return {
      operatorName: node.name,
      operatorUid: uid,
      subtaskIndex,
      parallelism,
      maxParallelism,
      keyGroups: keyGroupRangeOf(subtaskIndex, parallelism, maxParallelism),
      clock,
      logger: silentLogger,
      signal: this.#abort.signal,
      watermarkIntervalMs: 200,
      isBatch,
      restored: stored,
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

  #outputOf(subtask: Subtask): Output {
    const { output } = this.#options;
    return {
      collect: (value, timestamp) => {
        for (const link of subtask.links) link.push(value, timestamp);
      },
      sideOutput: (tagId, value, timestamp) => {
        const links = subtask.sideLinks.get(tagId);
        if (links === undefined) output.sideOutput(tagId, value, timestamp);
        else for (const link of links) link.push(value, timestamp);
      },
      emitWatermark: (timestamp) => {
        for (const link of subtask.allLinks()) link.watermark(timestamp);
      },
      emitIdle: (isIdle) => {
        for (const link of subtask.allLinks()) link.idle(isIdle);
      },
    };
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

  /** Links every input edge of `stage`; each of its subtasks merges the watermarks of the links that reach it. */
  #connect(stage: Stage): void {
    const { subtasks, node } = stage;
    const channelCounts = subtasks.map(() => 0);
    for (const edge of node.inputs) {
      const sources = this.#stageOf(edge).subtasks;
      // As the planner does where the program leaves it open.
      const free: Partitioning = { type: sources.length === subtasks.length ? 'forward' : 'rebalance' };
      const partitioning = edge.partitioning ?? free;
      for (const [from, source] of sources.entries()) {
        const targets = subtasks.flatMap((subtask, to) =>
          isConnected(partitioning, from, sources.length, to, subtasks.length)
            ? [{ subtask, channel: channelCounts[to]!++ }]
            : [],
        );
        const select = channelSelector(partitioning, {
          channelCount: targets.length,
          subtaskIndex: from,
          maxParallelism: stage.maxParallelism,
        });
        const link = linkOf(edge.inputIndex, select, targets);
        if (edge.outputTag === undefined) source.links.push(link);
        else source.sideLinks.set(edge.outputTag, [...(source.sideLinks.get(edge.outputTag) ?? []), link]);
      }
    }
    for (const [index, subtask] of subtasks.entries()) {
      subtask.valve = new WatermarkValve(channelCounts[index]!, {
        onWatermark: (timestamp) => {
          subtask.watermark = timestamp;
          subtask.operator.processWatermark(timestamp);
        },
        onIdle: (isIdle) => subtask.operator.processIdle(isIdle),
      });
    }
  }
}

function linkOf(
  inputIndex: 0 | 1,
  select: ChannelSelector,
  targets: readonly { readonly subtask: Subtask; readonly channel: number }[],
): Link {
  return {
    push(value, timestamp) {
      const receivers = select === 'all' ? targets : [targets[select(value)]!];
      for (const { subtask } of receivers) {
        if (inputIndex === 0) subtask.operator.processElement(value, timestamp);
        else subtask.operator.processElement2!(value, timestamp);
      }
    },
    watermark(timestamp) {
      for (const { subtask, channel } of targets) subtask.valve.watermark(channel, timestamp);
    },
    idle(isIdle) {
      for (const { subtask, channel } of targets) subtask.valve.idle(channel, isIdle);
    },
  };
}
