import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperatorMetrics } from '../../src/metrics/operator-metrics.js';
import { filterOperator } from '../../src/operators/filter.js';
import { mapOperator } from '../../src/operators/map.js';
import type { OperatorContext, StreamOperator } from '../../src/operators/operator.js';
import { ChainOutput } from '../../src/runtime/chain-output.js';
import { Turn } from '../../src/runtime/turn.js';
import { failureOf } from '../support/conditions.js';
import { boom } from '../support/environment.js';

/** A chain as a tree: what reads an output. */
type Node =
  | { readonly kind: 'map'; readonly add: number; readonly next: readonly Node[] }
  | { readonly kind: 'filter'; readonly divisor: number; readonly next: readonly Node[] }
  | { readonly kind: 'end'; readonly id: number };

const noContext = {} as OperatorContext;
const open = Object.assign(new Turn(), { isOpen: true });
const never = (): never => {
  throw new Error('was refused');
};

/** Wires `nodes` behind an output, with `log` at the ends; returns the output and the metrics of all operators. */
function wire(
  nodes: readonly Node[],
  isGenerated: boolean,
  log: (id: number, value: unknown, at: number) => void,
) {
  const all: { node: Node; metrics: OperatorMetrics }[] = [];
  const outputOf = (metrics: OperatorMetrics): ChainOutput => new ChainOutput(metrics);
  const connect = (output: ChainOutput, following: readonly Node[]): void => {
    const added = following.map((node) => {
      const metrics = new OperatorMetrics();
      const next = outputOf(metrics);
      const operator = operatorOf(node, next);
      output.add(
        { kind: 'operator', chained: { name: node.kind, subtaskIndex: 0, operator, metrics }, output: next },
        undefined,
      );
      all.push({ node, metrics });
      return { node, next };
    });
    for (const { node, next } of added) if (node.kind !== 'end') connect(next, node.next);
    output.link('test', isGenerated, open, never);
  };
  const operatorOf = (node: Node, next: ChainOutput): StreamOperator => {
    if (node.kind === 'map') return mapOperator((value) => Number(value) + node.add)(noContext, next);
    if (node.kind === 'filter')
      return filterOperator((value) => Number(value) % node.divisor === 0)(noContext, next);
    return {
      processElement: (value, timestamp) => log(node.id, value, timestamp),
      processWatermark: () => undefined,
      processIdle: () => undefined,
    };
  };
  const metrics = new OperatorMetrics();
  const output = outputOf(metrics);
  connect(output, nodes);
  return { output, metrics, all };
}

/** The definition, without any chain. */
function naive(
  nodes: readonly Node[],
  value: number,
  at: number,
  log: (line: string) => void,
  counts: Map<Node, [number, number]>,
) {
  for (const node of nodes) {
    const count = counts.get(node) ?? [0, 0];
    counts.set(node, count);
    count[0]++;
    if (node.kind === 'end') {
      log(`${node.id}:${value}@${at}`);
      continue;
    }
    if (node.kind === 'filter' && value % node.divisor !== 0) continue;
    count[1]++;
    naive(node.next, node.kind === 'map' ? value + node.add : value, at, log, counts);
  }
}

const { tree } = fc.letrec<{ tree: Node[]; node: Node }>((tie) => ({
  tree: fc.array(tie('node'), { minLength: 0, maxLength: 3, depthIdentifier: 'chain' }),
  node: fc.oneof(
    { depthIdentifier: 'chain', maxDepth: 4 },
    fc.record({ kind: fc.constant('end' as const), id: fc.nat(99) }),
    fc.record({ kind: fc.constant('map' as const), add: fc.integer({ min: -3, max: 3 }), next: tie('tree') }),
    fc.record({
      kind: fc.constant('filter' as const),
      divisor: fc.integer({ min: 1, max: 3 }),
      next: tie('tree'),
    }),
  ),
}));

describe.each([
  ['generated code', true],
  ['closures', false],
])('a chain as %s', (_name, isGenerated) => {
  it('invariant 1: gives every record to every target, depth first, and counts it', () => {
    fc.assert(
      fc.property(tree, fc.array(fc.integer({ min: -20, max: 20 })), (nodes, values) => {
        const seen: string[] = [];
        const wired = wire(nodes, isGenerated, (id, value, at) => seen.push(`${id}:${String(value)}@${at}`));
        const expected: string[] = [];
        const counts = new Map<Node, [number, number]>();
        for (const [at, value] of values.entries()) {
          wired.output.collect(value, at);
          naive(nodes, value, at, (line) => expected.push(line), counts);
        }
        expect(seen).toEqual(expected);
        expect(wired.metrics.recordsOut).toBe(values.length);
        for (const { node, metrics } of wired.all) {
          const [taken, emitted] = counts.get(node) ?? [0, 0];
          expect([metrics.recordsIn, metrics.recordsOut]).toEqual([taken, emitted]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('goes on where a function would grow too large', () => {
    let nodes: readonly Node[] = [{ kind: 'end', id: 1 }];
    for (let i = 0; i < 130; i++) {
      nodes =
        i % 3 === 0 ? [{ kind: 'filter', divisor: 1, next: nodes }] : [{ kind: 'map', add: 1, next: nodes }];
    }
    const seen: unknown[] = [];
    wire(nodes, isGenerated, (_id, value) => seen.push(value)).output.collect(0, 0);
    expect(seen).toEqual([86]);
  });

  it('invariant 2: names the operator that threw and the value it was given', async () => {
    const metrics = new OperatorMetrics();
    const output = new ChainOutput(metrics);
    const next = new ChainOutput(new OperatorMetrics());
    const chained = (name: string, operator: StreamOperator) => ({
      name,
      subtaskIndex: 3,
      operator,
      metrics: new OperatorMetrics(),
    });
    const double = chained('Double', mapOperator((value) => Number(value) * 2)(noContext, next));
    const check = chained(
      'Check',
      filterOperator((value) => (value === 42 ? boom() : true))(noContext, next),
    );
    output.add({ kind: 'operator', chained: double, output: next }, undefined);
    next.add({ kind: 'operator', chained: check, output: new ChainOutput(check.metrics) }, undefined);
    next.link('next', isGenerated, open, never);
    output.link('first', isGenerated, open, never);
    output.collect(20, 0);
    const error = await failureOf(Promise.resolve().then(() => output.collect(21, 0)));
    expect(error.message).toBe("'Check' (subtask 3) failed while processing the record 42: boom");
    expect(error.cause).toEqual(new Error('boom'));
  });

  it('invariant 4: takes any name for what it is: a name', () => {
    const output = new ChainOutput(new OperatorMetrics());
    const next = new ChainOutput(new OperatorMetrics());
    const operator = mapOperator((value) => value)(noContext, next);
    output.add(
      {
        kind: 'operator',
        chained: { name: "'\n*/`", subtaskIndex: 0, operator, metrics: new OperatorMetrics() },
        output: next,
      },
      undefined,
    );
    next.link('x', isGenerated, open, never);
    output.link("a\nthrow 1//'`${1}*/\u2028", isGenerated, open, never);
    expect(() => output.collect(1, 0)).not.toThrow();
  });
});
