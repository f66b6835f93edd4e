import type { ChannelEdge, ExecutionPlan, PlanNode } from '../plan/execution-plan.js';
import { Channel } from './channel.js';
import { isConnected } from './channel-selector.js';
import type { InputChannel } from './input-task.js';
import { edgeNames, type RestoredInFlight } from './restored-in-flight.js';

/** An edge as one subtask that writes to it sees it. */
export interface OutputChannels {
  readonly edge: ChannelEdge;
  readonly target: PlanNode;
  readonly channels: readonly Channel[];
}

/** All channels of a job, with what a restored checkpoint has in them. */
export class ChannelNetwork {
  readonly #nodes: ReadonlyMap<number, PlanNode>;
  /** By edge: [upstream subtask][subtask]; `undefined` where the two are not connected. */
  readonly #channels: ReadonlyMap<ChannelEdge, readonly (readonly (Channel | undefined)[])[]>;
  /** By node that they lead to. */
  readonly #inputs = new Map<number, InputChannel[][]>();

  constructor(plan: ExecutionPlan, inFlight: RestoredInFlight) {
    const nodes = new Map(plan.vertices.flatMap((vertex) => vertex.nodes.map((node) => [node.id, node])));
    this.#nodes = nodes;
    const names = edgeNames(plan);
    this.#channels = new Map(
      plan.channelEdges.map((edge) => {
        const target = nodes.get(edge.to)!;
        const sources = nodes.get(edge.from)!.parallelism;
        const inputs = this.#inputsOf(target);
        const { partitioning, inputIndex } = edge;
        const matrix = Array.from({ length: sources }, (_, from) =>
          Array.from({ length: target.parallelism }, (__, to) => {
            if (!isConnected(partitioning, from, sources, to, target.parallelism)) return undefined;
            const channel = new Channel();
            for (const element of inFlight.elements(edge, from, to)) channel.put(element);
            const name = { edge: names.get(edge)!, partitioning: partitioning.type, from };
            inputs[to]!.push({ channel, name, inputIndex });
            return channel;
          }),
        );
        return [edge, matrix];
      }),
    );
  }

  #inputsOf({ id, parallelism }: PlanNode): InputChannel[][] {
    let inputs = this.#inputs.get(id);
    if (inputs === undefined) this.#inputs.set(id, (inputs = Array.from({ length: parallelism }, () => [])));
    return inputs;
  }

  /** What leads to a subtask of a node. */
  inputs(node: PlanNode, subtaskIndex: number): readonly InputChannel[] {
    return this.#inputs.get(node.id)?.[subtaskIndex] ?? [];
  }

  /** What a subtask of a node writes to. */
  outputs(node: PlanNode, subtaskIndex: number): OutputChannels[] {
    return [...this.#channels].flatMap(([edge, matrix]) => {
      if (edge.from !== node.id) return [];
      const channels = matrix[subtaskIndex]!.filter((channel) => channel !== undefined);
      return [{ edge, target: this.#nodes.get(edge.to)!, channels }];
    });
  }
}
