import { batchSource } from '../batch/batch-source.js';
import { StreamConfigError } from '../errors.js';
import type { Partitioning, StreamEdge, StreamGraph, StreamNode } from '../graph/stream-graph.js';
import { versionOf } from '../state/state-schema.js';
import type { ChainEdge, ChannelEdge, ExecutionPlan, PlanNode, PlanVertex } from './execution-plan.js';

/** Flink's limit: key groups are counted in 16 bits there. */
const HIGHEST_MAX_PARALLELISM = 32_768;

export interface PlannerOptions {
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Whether one-to-one neighbours become chains at all. */
  readonly isChaining: boolean;
  readonly runtimeMode: RuntimeMode;
}

/**
 * `streaming`: results as records come. `batch`: for bounded sources, keyed input is grouped by key and only final results
 * are emitted. `automatic`: batch where all sources are bounded.
 */
export type RuntimeMode = 'streaming' | 'batch' | 'automatic';

/**
 * Validates the graph, settles parallelism, uids and partitioning, and puts one-to-one neighbours into chains.
 *
 * @throws StreamConfigError `MILLRACE_CONFIG` for a graph that cannot run: no source, a source nobody reads, a uid used
 *   twice, a parallelism above the maximum
 */
export function createExecutionPlan(graph: StreamGraph, options: PlannerOptions): ExecutionPlan {
  validate(graph);
  for (const node of graph.nodes) {
    requireSideOutputs(node, graph);
    requireOneKeyVersion(node);
  }
  const isBatch = isBatchProgram(graph, options.runtimeMode);
  if (!isBatch) for (const node of graph.nodes) requireWatermarks(node, graph);
  const nodes = graph.nodes.map((node) => planNode(node, options, isBatch));
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
  return { maxParallelism: options.maxParallelism, isBatch, vertices, channelEdges };
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

function isBatchProgram(graph: StreamGraph, mode: RuntimeMode): boolean {
  if (mode === 'streaming') return false;
  const unbounded = graph.nodes.find(
    ({ spec }) => spec.kind === 'source' && spec.source.boundedness === 'unbounded',
  );
  if (unbounded !== undefined && mode === 'batch') {
    throw new StreamConfigError(
      `The source '${unbounded.name}' is unbounded: a batch program would never end. Use the runtime mode 'streaming', or bound the source.`,
      { details: { node: unbounded.name } },
    );
  }
  return unbounded === undefined;
}

/** What works in event time would wait for ever behind a source without watermarks. */
function requireWatermarks(node: StreamNode, graph: StreamGraph): void {
  if (node.spec.kind !== 'operator' || node.spec.needs?.eventTime !== true) return;
  const waiting = [...node.inputs];
  const seen = new Set<number>();
  for (let edge = waiting.pop(); edge !== undefined; edge = waiting.pop()) {
    if (seen.has(edge.sourceId)) continue;
    seen.add(edge.sourceId);
    const { spec, name, inputs } = graph.nodes[edge.sourceId - 1]!;
    const strategy = spec.kind === 'sink' ? undefined : spec.watermarks;
    if (strategy === undefined) waiting.push(...inputs);
    else if (!strategy.emitsWatermarks) {
      throw new StreamConfigError(
        `'${node.name}' works in event time, but '${name}' before it has no watermark strategy: it would wait until the end of the input. ` +
          `Give '${name}' a WatermarkStrategy, or call assignTimestampsAndWatermarks between the two.`,
        { details: { node: node.name, source: name } },
      );
    }
  }
}

/** Operators whose functions have no context to emit to a side output with. */
const WITHOUT_SIDE_OUTPUTS = new Set([
  'Map',
  'Filter',
  'FlatMap',
  'CoMap',
  'CoFlatMap',
  'TimestampsAndWatermarks',
]);

function requireSideOutputs({ inputs, name }: StreamNode, graph: StreamGraph): void {
  for (const { sourceId, outputTag } of inputs) {
    const { spec, name: source } = graph.nodes[sourceId - 1]!;
    if (outputTag === undefined) continue;
    const isWithout =
      spec.kind === 'source'
        ? !spec.source.sideOutputs?.some(({ id }) => id === outputTag)
        : spec.kind === 'operator' && WITHOUT_SIDE_OUTPUTS.has(spec.type);
    if (!isWithout) continue;
    throw new StreamConfigError(
      `'${name}' reads the side output '${outputTag}' of '${source}', which cannot emit to one. ` +
        'Call getSideOutput on the operator that emits to the tag: a process function, or a window or join with late records, or a source that names the tag in its `sideOutputs`.',
      { details: { node: source } },
    );
  }
}

/** One operator has one kind of key. */
function requireOneKeyVersion({ name, spec }: StreamNode): void {
  if (spec.kind !== 'operator') return;
  const [first, second] = (spec.keySelectors ?? []).map(({ schema }) => versionOf(schema));
  if (first === undefined || second === undefined || first === second) return;
  throw new StreamConfigError(
    `The inputs of '${name}' have keys of version ${first} and ${second}. Give both keyBy calls the same schema.`,
    { details: { node: name } },
  );
}

function planNode(node: StreamNode, options: PlannerOptions, isBatch: boolean): PlanNode {
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
  const { id, name } = node;
  const spec = isBatch && node.spec.kind === 'source' ? batchSource(node.spec) : node.spec;
  return { id, uid, name, parallelism: wanted, maxParallelism, spec };
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
