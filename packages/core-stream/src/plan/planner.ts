import { StreamConfigError } from '../errors.js';
import type { Partitioning, StreamEdge, StreamGraph, StreamNode } from '../graph/stream-graph.js';
import type { ChainEdge, ChannelEdge, ExecutionPlan, PlanNode, PlanVertex } from './execution-plan.js';

/** Flink's limit: key groups are counted in 16 bits there. */
const HIGHEST_MAX_PARALLELISM = 32_768;

export interface PlannerOptions {
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Whether one-to-one neighbours become chains at all. */
  readonly isChaining: boolean;
}

/**
 * Validates the graph, settles parallelism, uids and partitioning, and puts one-to-one neighbours into chains.
 *
 * @throws StreamConfigError `MILLRACE_CONFIG` for a graph that cannot run: no source, a source nobody reads, a uid used
 *   twice, a parallelism above the maximum
 */
export function createExecutionPlan(graph: StreamGraph, options: PlannerOptions): ExecutionPlan {
  validate(graph);
  const nodes = graph.nodes.map((node) => planNode(node, options));
  requireUniqueUids(nodes);
  const byId = new Map(nodes.map((node) => [node.id, node]));

  const chainEdges: ChainEdge[] = [];
  const channelEdges: ChannelEdge[] = [];
  /** Node → the head of its chain. */
  const headOf = new Map<number, number>();
  for (const node of graph.nodes) {
    const target = byId.get(node.id)!;
    const edges = node.inputs.map((edge) => ({
      ...edge,
      partitioning: resolve(edge, byId.get(edge.sourceId)!, target),
    }));
    const only = edges.length === 1 ? edges[0] : undefined;
    if (
      only !== undefined &&
      options.isChaining &&
      isChainable(only.partitioning, byId.get(only.sourceId)!, target) &&
      node.chaining === 'always' &&
      graph.nodes[only.sourceId - 1]!.chaining !== 'never'
    ) {
      chainEdges.push({ from: only.sourceId, to: node.id, outputTag: only.outputTag });
      headOf.set(node.id, headOf.get(only.sourceId)!);
    } else {
      for (const { sourceId, ...edge } of edges) channelEdges.push({ from: sourceId, to: node.id, ...edge });
      headOf.set(node.id, node.id);
    }
  }

  const vertices: PlanVertex[] = [];
  for (const head of nodes.filter((node) => headOf.get(node.id) === node.id)) {
    const members = nodes.filter((node) => headOf.get(node.id) === head.id);
    vertices.push({
      id: vertices.length + 1,
      name: members.map((node) => node.name).join(' → '),
      parallelism: head.parallelism,
      nodes: members,
      chainEdges: chainEdges.filter((edge) => headOf.get(edge.from) === head.id),
    });
  }
  return { maxParallelism: options.maxParallelism, vertices, channelEdges };
}

function validate(graph: StreamGraph): void {
  if (!graph.nodes.some((node) => node.spec.kind === 'source')) {
    throw new StreamConfigError(
      'The program has no source. Start with env.fromSource, env.addSource or env.fromCollection.',
    );
  }
  const read = new Set(graph.nodes.flatMap((node) => node.inputs.map((edge) => edge.sourceId)));
  const loose = graph.nodes.find((node) => node.spec.kind !== 'sink' && !read.has(node.id));
  if (loose !== undefined) {
    throw new StreamConfigError(
      `Nothing reads the output of '${loose.name}'. End every stream in a sink (sinkTo, addSink, print), or remove it.`,
      { details: { node: loose.name } },
    );
  }
}

function planNode(node: StreamNode, options: PlannerOptions): PlanNode {
  const wanted = node.parallelism ?? Math.min(options.parallelism, node.parallelismLimit ?? Infinity);
  if (node.parallelismLimit !== undefined && wanted > node.parallelismLimit) {
    throw new StreamConfigError(
      `'${node.name}' runs with a parallelism of at most ${node.parallelismLimit}, got ${wanted}`,
    );
  }
  const maxParallelism = node.maxParallelism ?? options.maxParallelism;
  if (!Number.isInteger(maxParallelism) || maxParallelism < 1 || maxParallelism > HIGHEST_MAX_PARALLELISM) {
    throw new StreamConfigError(
      `The max parallelism of '${node.name}' must be a whole number from 1 to ${HIGHEST_MAX_PARALLELISM}, got ${maxParallelism}`,
    );
  }
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > maxParallelism) {
    throw new StreamConfigError(
      `The parallelism of '${node.name}' must be a whole number from 1 to ${maxParallelism} (the max parallelism), got ${wanted}`,
    );
  }
  const uid = node.uid ?? `${node.id}-${node.name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  return { id: node.id, uid, name: node.name, parallelism: wanted, maxParallelism, spec: node.spec };
}

function requireUniqueUids(nodes: readonly PlanNode[]): void {
  const seen = new Map<string, string>();
  for (const node of nodes) {
    const other = seen.get(node.uid);
    if (other !== undefined) {
      throw new StreamConfigError(
        `The uid '${node.uid}' is used by '${other}' and by '${node.name}'. State is found by uid: give each its own.`,
        { details: { uid: node.uid } },
      );
    }
    seen.set(node.uid, node.name);
  }
}

function resolve(edge: StreamEdge, source: PlanNode, target: PlanNode): Partitioning {
  const { partitioning } = edge;
  if (partitioning === undefined) {
    return source.parallelism === target.parallelism ? { type: 'forward' } : { type: 'rebalance' };
  }
  if (partitioning.type === 'forward' && source.parallelism !== target.parallelism) {
    throw new StreamConfigError(
      `forward() goes from '${source.name}' with parallelism ${source.parallelism} to '${target.name}' with ${target.parallelism}. ` +
        'Give both the same parallelism, or use rebalance() or rescale().',
      { details: { node: target.name } },
    );
  }
  return partitioning;
}

function isChainable(partitioning: Partitioning, source: PlanNode, target: PlanNode): boolean {
  if (source.parallelism !== target.parallelism) return false;
  if (partitioning.type === 'forward') return true;
  // With one subtask on both sides every partitioning is the identity; a custom one may still refuse its key.
  return target.parallelism === 1 && partitioning.type !== 'custom';
}
