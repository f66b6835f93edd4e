import { describe, expect, it } from 'vitest';
import { createExecutionPlan } from '../../src/plan/planner.js';
import { splitChains } from '../../src/plan/split-chains.js';
import { StreamGraph, type OperatorSpec } from '../../src/graph/stream-graph.js';
import { NumberSequenceSource } from '../../src/connectors/number-sequence-source.js';
import { WatermarkStrategy } from '../../src/time/watermark-strategy.js';

const options = { parallelism: 2, maxParallelism: 16, isChaining: true, runtimeMode: 'streaming' } as const;

/** source → a → b → c, and a → d: one chain. */
function plan() {
  const graph = new StreamGraph();
  const source = graph.add({
    name: 'source',
    spec: {
      kind: 'source',
      source: new NumberSequenceSource(0, 9),
      watermarks: WatermarkStrategy.noWatermarks(),
    },
    inputs: [],
  });
  const add = (name: string, sourceId: number) => {
    const spec: OperatorSpec = {
      kind: 'operator',
      type: 'Map',
      factory: () => {
        throw new Error('is only planned');
      },
    };
    const inputs = [{ sourceId, partitioning: undefined, outputTag: undefined, inputIndex: 0 as const }];
    return graph.add({ name, spec, inputs });
  };
  const a = add('a', source.id);
  const b = add('b', a.id);
  const sink = {
    kind: 'sink',
    sink: {
      createWriter: () => ({ write: () => undefined, flush: () => undefined, close: () => undefined }),
    },
  } as const;
  const edge = (sourceId: number) => [
    { sourceId, partitioning: undefined, outputTag: undefined, inputIndex: 0 as const },
  ];
  graph.add({ name: 'c', spec: sink, inputs: edge(b.id) });
  graph.add({ name: 'd', spec: sink, inputs: edge(a.id) });
  return createExecutionPlan(graph, options);
}

describe('splitting chains', () => {
  it('leaves a plan alone where nothing is split', () => {
    const whole = plan();
    expect(splitChains(whole, () => false)).toEqual(whole);
  });

  it('makes a channel of the edge, and a chain of what hangs together behind it', () => {
    const split = splitChains(plan(), (_, target) => target.name === 'b');
    expect(split.vertices.map(({ id, name, parallelism }) => [id, name, parallelism])).toEqual([
      [1, 'source → a → d', 2],
      [2, 'b → c', 2],
    ]);
    expect(split.channelEdges).toEqual([
      { from: 2, to: 3, outputTag: undefined, partitioning: { type: 'forward' }, inputIndex: 0 },
    ]);
    expect(split.vertices.map(({ chainEdges }) => chainEdges.map(({ to }) => to))).toEqual([[2, 5], [4]]);
  });

  it('splits several edges of a chain, heads in the order of the plan', () => {
    const split = splitChains(plan(), (_, target) => target.name === 'c' || target.name === 'a');
    expect(split.vertices.map(({ name }) => name)).toEqual(['source', 'a → b → d', 'c']);
  });
});
