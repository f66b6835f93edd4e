import type { ChainEdge, ChannelEdge, ExecutionPlan, PlanNode, PlanVertex } from './execution-plan.js';

/**
 * The same program with some edges no longer inside a chain, but channels: records that a checkpoint holds for such an edge
 * need a place to wait in, behind which everything newer has to wait.
 */
export function splitChains(
  plan: ExecutionPlan,
  isSplit: (edge: ChainEdge, target: PlanNode) => boolean,
): ExecutionPlan {
  const channelEdges: ChannelEdge[] = [...plan.channelEdges];
  const vertices = plan.vertices.flatMap((vertex) => {
    const byId = new Map(vertex.nodes.map((node) => [node.id, node]));
    const split = vertex.chainEdges.filter((edge) => isSplit(edge, byId.get(edge.to)!));
    for (const edge of split)
      channelEdges.push({ ...edge, partitioning: { type: 'forward' }, inputIndex: 0 });
    const chainEdges = vertex.chainEdges.filter((edge) => !split.includes(edge));
    return chainsOf(vertex, chainEdges);
  });
  return { ...plan, vertices: vertices.map((vertex, index) => ({ ...vertex, id: index + 1 })), channelEdges };
}

/** What hangs together by `chainEdges`; nodes come after the one they read, so a head comes before its chain. */
function chainsOf(vertex: PlanVertex, chainEdges: readonly ChainEdge[]): Omit<PlanVertex, 'id'>[] {
  const headOf = new Map<number, number>();
  for (const { id } of vertex.nodes) {
    const edge = chainEdges.find(({ to }) => to === id);
    headOf.set(id, edge === undefined ? id : headOf.get(edge.from)!);
  }
  const heads = vertex.nodes.filter(({ id }) => headOf.get(id) === id);
  return heads.map((head) => {
    const nodes = vertex.nodes.filter(({ id }) => headOf.get(id) === head.id);
    return {
      name: nodes.map(({ name }) => name).join(' → '),
      parallelism: vertex.parallelism,
      nodes,
      chainEdges: chainEdges.filter(({ from }) => headOf.get(from) === head.id),
    };
  });
}
