/** The subtasks of one node in a `DirectPipeline`, and the links between those of two. */
import type { Partitioning, StreamNode } from '../graph/stream-graph.js';
import type { Output, StreamOperator } from '../operators/operator.js';
import { channelSelector, isConnected, type ChannelSelector } from '../runtime/channel-selector.js';
import { WatermarkValve } from '../runtime/watermark-valve.js';
import type { SubtaskRows } from '../state/subtask-rows.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { HarnessOutput } from './harness-output.js';

/** All subtasks of one node. */
export interface Stage {
  readonly node: StreamNode;
  readonly uid: string;
  /** Number of its key groups. */
  readonly maxParallelism: number;
  readonly subtasks: readonly Subtask[];
}

/** From one subtask to the subtasks of the next node, along one edge. */
interface Link {
  push(value: unknown, timestamp: number): void;
  watermark(timestamp: number): void;
  idle(isIdle: boolean): void;
}

/** One subtask, with where its results go: what no link reads of its side outputs goes to the harness. */
export class Subtask implements Output {
  readonly index: number;
  readonly #harness: HarnessOutput<unknown>;
  readonly #links: Link[] = [];
  readonly #sideLinks = new Map<string, Link[]>();
  operator!: StreamOperator;
  rows!: SubtaskRows;
  /** Merges the watermarks of the links that reach this subtask. */
  valve!: WatermarkValve;
  watermark = MIN_TIMESTAMP;
  hasFinished = false;

  constructor(index: number, harness: HarnessOutput<unknown>) {
    this.index = index;
    this.#harness = harness;
  }

  addLink(link: Link, outputTag: string | undefined): void {
    if (outputTag === undefined) this.#links.push(link);
    else this.#sideLinks.set(outputTag, [...(this.#sideLinks.get(outputTag) ?? []), link]);
  }

  collect(value: unknown, timestamp: number): void {
    for (const link of this.#links) link.push(value, timestamp);
  }

  sideOutput(tagId: string, value: unknown, timestamp: number): void {
    const links = this.#sideLinks.get(tagId);
    if (links === undefined) this.#harness.sideOutput(tagId, value, timestamp);
    else for (const link of links) link.push(value, timestamp);
  }

  emitWatermark(timestamp: number): void {
    for (const link of this.#allLinks()) link.watermark(timestamp);
  }

  emitIdle(isIdle: boolean): void {
    for (const link of this.#allLinks()) link.idle(isIdle);
  }

  #allLinks(): readonly Link[] {
    return [...this.#links, ...[...this.#sideLinks.values()].flat()];
  }
}

interface Target {
  readonly subtask: Subtask;
  /** Of its valve. */
  readonly channel: number;
}

/** Links the subtasks that `stage` reads to its own, as the engine connects them. */
export function connect(stage: Stage, stageOf: (nodeId: number) => Stage): void {
  const { subtasks, node, maxParallelism } = stage;
  const channelCounts = subtasks.map(() => 0);
  for (const edge of node.inputs) {
    const sources = stageOf(edge.sourceId).subtasks;
    // As the planner does where the program leaves it open.
    const open: Partitioning = { type: sources.length === subtasks.length ? 'forward' : 'rebalance' };
    const partitioning = edge.partitioning ?? open;
    for (const source of sources) {
      const targets = subtasks.flatMap((subtask): Target[] =>
        isConnected(partitioning, source.index, sources.length, subtask.index, subtasks.length)
          ? [{ subtask, channel: channelCounts[subtask.index]!++ }]
          : [],
      );
      const options = { channelCount: targets.length, subtaskIndex: source.index, maxParallelism };
      const select = channelSelector(partitioning, options);
      source.addLink(linkOf(edge.inputIndex, select, targets), edge.outputTag);
    }
  }
  for (const subtask of subtasks) {
    subtask.valve = new WatermarkValve(channelCounts[subtask.index]!, {
      onWatermark: (timestamp) => {
        subtask.watermark = timestamp;
        subtask.operator.processWatermark(timestamp);
      },
      onIdle: (isIdle) => subtask.operator.processIdle(isIdle),
    });
  }
}

function linkOf(inputIndex: 0 | 1, select: ChannelSelector, targets: readonly Target[]): Link {
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
