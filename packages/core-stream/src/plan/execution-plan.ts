/**
 * What the runtime runs: the graph with chains, parallelism and uids decided. Data, apart from the references to user
 * functions in the nodes' specs; `describePlan` gives the part that can be printed and sent away.
 */
import type { NodeSpec, Partitioning } from '../graph/stream-graph.js';
import { versionOf, type StateSchema } from '../state/state-schema.js';

export interface PlanNode {
  readonly id: number;
  readonly uid: string;
  readonly name: string;
  readonly parallelism: number;
  /** Number of its key groups. */
  readonly maxParallelism: number;
  readonly spec: NodeSpec;
}

/** An edge inside a chain: a function call. */
export interface ChainEdge {
  readonly from: number;
  readonly to: number;
  readonly outputTag: string | undefined;
}

/** An edge between chains: a channel from every subtask to every subtask, or one to one. */
export interface ChannelEdge {
  readonly from: number;
  readonly to: number;
  readonly outputTag: string | undefined;
  readonly partitioning: Partitioning;
  readonly inputIndex: 0 | 1;
}

/** Nodes that run in one task. The first is the head; the others come after the node they read. */
export interface PlanVertex {
  readonly id: number;
  readonly name: string;
  readonly parallelism: number;
  readonly nodes: readonly PlanNode[];
  readonly chainEdges: readonly ChainEdge[];
}

export interface ExecutionPlan {
  readonly maxParallelism: number;
  /** Batch mode: the input of keyed operators is grouped by key, and there are no watermarks before the end. */
  readonly isBatch: boolean;
  /** In topological order. */
  readonly vertices: readonly PlanVertex[];
  readonly channelEdges: readonly ChannelEdge[];
}

/** The printable part of a plan. */
export interface PlanDescription {
  readonly maxParallelism: number;
  readonly runtimeMode: 'streaming' | 'batch';
  readonly vertices: readonly {
    readonly id: number;
    readonly parallelism: number;
    readonly nodes: readonly {
      readonly id: number;
      readonly uid: string;
      readonly name: string;
      readonly type: string;
    }[];
    readonly inputs: readonly {
      readonly from: number;
      readonly to: number;
      readonly partitioning: Partitioning['type'];
      readonly inputIndex: 0 | 1;
      readonly outputTag?: string;
    }[];
  }[];
}

/** What plans and checkpoints call the kind of a node. */
export function typeOf({ spec }: PlanNode): string {
  return spec.kind === 'operator' ? spec.type : spec.kind;
}

export function describePlan(plan: ExecutionPlan): PlanDescription {
  return {
    maxParallelism: plan.maxParallelism,
    runtimeMode: plan.isBatch ? 'batch' : 'streaming',
    vertices: plan.vertices.map((vertex) => ({
      id: vertex.id,
      parallelism: vertex.parallelism,
      nodes: vertex.nodes.map((node) => ({
        id: node.id,
        uid: node.uid,
        name: node.name,
        type: typeOf(node),
      })),
      inputs: plan.channelEdges
        .filter((edge) => vertex.nodes.some((node) => node.id === edge.to))
        .map((edge) => ({
          from: edge.from,
          to: edge.to,
          partitioning: edge.partitioning.type,
          inputIndex: edge.inputIndex,
          ...(edge.outputTag === undefined ? {} : { outputTag: edge.outputTag }),
        })),
    })),
  };
}

/** The plan as text: a line per chain, with what it reads and how. */
export function explainPlan(plan: ExecutionPlan): string {
  const nodes = new Map(plan.vertices.flatMap((vertex) => vertex.nodes.map((node) => [node.id, node])));
  const nameOf = (id: number) => nodes.get(id)?.name ?? String(id);
  const lines = [`Execution plan (${plan.isBatch ? 'batch, ' : ''}max parallelism ${plan.maxParallelism})`];
  for (const vertex of plan.vertices) {
    lines.push(`  [${vertex.id}] ${vertex.name}  ×${vertex.parallelism}`);
    for (const edge of plan.channelEdges) {
      if (!vertex.nodes.some((node) => node.id === edge.to)) continue;
      const tag = edge.outputTag === undefined ? '' : ` (side output '${edge.outputTag}')`;
      lines.push(`      ← ${edge.partitioning.type} from ${nameOf(edge.from)}${tag}`);
    }
    for (const node of vertex.nodes) lines.push(`      · ${node.name}  uid=${node.uid}`);
  }
  return lines.join('\n');
}

/** The schema of a keyed operator's keys, where its program declares one. */
export function keySchemaOf({ spec }: Pick<PlanNode, 'spec'>): StateSchema<unknown> | undefined {
  return spec.kind === 'operator' ? spec.keySelectors?.[0]?.schema : undefined;
}

export function keyVersionOf(node: Pick<PlanNode, 'spec'>): number {
  return versionOf(keySchemaOf(node));
}
