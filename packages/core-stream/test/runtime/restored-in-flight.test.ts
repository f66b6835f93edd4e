import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberSequenceSource } from '../../src/connectors/number-sequence-source.js';
import { OperatorError, type CheckpointError } from '../../src/errors.js';
import { StreamGraph, type OperatorSpec, type Partitioning } from '../../src/graph/stream-graph.js';
import { createExecutionPlan } from '../../src/plan/planner.js';
import type { ChannelEdge, ExecutionPlan } from '../../src/plan/execution-plan.js';
import type { StreamElement } from '../../src/runtime/channel.js';
import { isConnected } from '../../src/runtime/channel-selector.js';
import type { InFlightChannel, InFlightElement } from '../../src/runtime/in-flight.js';
import { restoreInFlight, type InFlightOptions } from '../../src/runtime/restored-in-flight.js';
import type { SubtaskState } from '../../src/runtime/task.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { keyGroupOf, subtaskOfKeyGroup } from '../../src/state/key-groups.js';
import { MIN_TIMESTAMP, WatermarkStrategy } from '../../src/time/watermark-strategy.js';

interface Value {
  readonly key: number;
  readonly n: number;
}

const MAX_PARALLELISM = 16;
const byKey: Partitioning = { type: 'hash', keySelector: (value) => (value as Value).key };
const unread: OperatorSpec = {
  kind: 'operator',
  type: 'Map',
  factory: () => {
    throw new Error('is only planned');
  },
};

/** up → down, with `edges` edges that are the same between the two. */
function planOf(
  partitioning: Partitioning,
  parallelism: { readonly up: number; readonly down: number },
  { edges = 1, isChaining = false } = {},
): ExecutionPlan {
  const graph = new StreamGraph();
  const source = new NumberSequenceSource(0, 9);
  const watermarks = WatermarkStrategy.noWatermarks();
  const up = graph.add({ name: 'up', spec: { kind: 'source', source, watermarks }, inputs: [] });
  up.parallelism = parallelism.up;
  up.uid = 'up';
  const edge = { sourceId: up.id, partitioning, outputTag: undefined, inputIndex: 0 as const };
  const down = graph.add({ name: 'down', spec: unread, inputs: Array.from({ length: edges }, () => edge) });
  down.parallelism = parallelism.down;
  down.uid = 'down';
  const sink = {
    createWriter: () => ({ write: () => undefined, flush: () => undefined, close: () => undefined }),
  };
  graph.add({
    name: 'sink',
    spec: { kind: 'sink', sink },
    inputs: [{ sourceId: down.id, partitioning: undefined, outputTag: undefined, inputIndex: 0 }],
  }).parallelism = parallelism.down;
  return createExecutionPlan(graph, {
    parallelism: 1,
    maxParallelism: MAX_PARALLELISM,
    isChaining,
    runtimeMode: 'streaming',
  });
}

const records = (...values: unknown[]): InFlightElement => ({
  type: 'records',
  values,
  timestamps: values.map(() => 5),
});

interface ChannelOptions extends Partial<Omit<InFlightChannel, 'elements' | 'edge'>> {
  readonly occurrence?: number;
}

function channelOf(elements: readonly InFlightElement[], options: ChannelOptions = {}): InFlightChannel {
  const { occurrence = 0, ...rest } = options;
  return {
    edge: { from: 'up', outputTag: undefined, inputIndex: 0, occurrence },
    partitioning: 'hash',
    from: 0,
    watermark: MIN_TIMESTAMP,
    isIdle: false,
    ...rest,
    elements: elements.map(encodeState),
  };
}

/** What a checkpoint holds of `down`. */
function restore(
  plan: ExecutionPlan,
  bySubtask: readonly (readonly InFlightChannel[])[],
  options: Partial<InFlightOptions> = {},
) {
  const states = bySubtask.map((inFlight) =>
    encodeState({
      type: 'Map',
      state: undefined,
      metrics: {},
      maxParallelism: MAX_PARALLELISM,
      watermark: 0,
      inFlight,
    } satisfies Record<keyof SubtaskState, unknown>),
  );
  const restored = restoreInFlight(plan, {
    isRescaled: false,
    allowNonRestoredState: false,
    restoredStates: (uid) => (uid === 'down' ? states : undefined),
    hasOtherKeys: () => false,
    differs(_node, difference) {
      throw difference;
    },
    ...options,
  });
  const nodes = restored.plan.vertices.flatMap((vertex) => vertex.nodes);
  const down = nodes.find(({ uid }) => uid === 'down')!;
  const edges = restored.plan.channelEdges.filter(({ to }) => to === down.id);
  return {
    plan: restored.plan,
    /** By subtask: what it reads before its channels. */
    first: Array.from({ length: down.parallelism }, (_, subtask) =>
      restored.inFlight
        .records(down, subtask)
        .flatMap(({ batches }) => batches.flatMap(({ values }) => values)),
    ),
    elements: (from: number, to: number, edge: ChannelEdge = edges[0]!): readonly StreamElement[] =>
      restored.inFlight.elements(edge, from, to),
    edges,
  };
}

describe('restored in flight', () => {
  it('invariant 1: everything is in its channel, behind what the channel had said', () => {
    const { first, elements } = restore(planOf(byKey, { up: 2, down: 2 }), [
      [
        channelOf([records('a'), { type: 'watermark', timestamp: 9 }, records('b')], {
          from: 1,
          watermark: 7,
        }),
      ],
      [channelOf([], { from: 0, watermark: 3 })],
    ]);
    expect(elements(1, 0)).toEqual([
      { type: 'watermark', timestamp: 7 },
      records('a'),
      { type: 'watermark', timestamp: 9 },
      records('b'),
    ]);
    expect(elements(0, 1)).toEqual([{ type: 'watermark', timestamp: 3 }]);
    expect(elements(0, 0)).toEqual([]);
    expect(first).toEqual([[], []]);
  });

  it.each([
    ['was idle', [], true],
    ['became idle', [records('a'), { type: 'idle', isIdle: true }], false],
  ] as const)(
    'invariant 1: a channel that %s is active again when it has been read',
    (_name, elements, isIdle) => {
      const { elements: restored } = restore(planOf(byKey, { up: 1, down: 1 }), [
        [channelOf(elements, { isIdle })],
      ]);
      expect(restored(0, 0).at(-1)).toEqual({ type: 'idle', isIdle: false });
      expect(restored(0, 0)).toContainEqual({ type: 'idle', isIdle: true });
    },
  );

  it('invariant 1: edges that are the same but for their place are told apart', () => {
    const { elements, edges } = restore(planOf(byKey, { up: 1, down: 1 }, { edges: 2 }), [
      [channelOf([records('a')]), channelOf([records('b')], { occurrence: 1 })],
    ]);
    expect(edges.map((edge) => elements(0, 0, edge))).toEqual([[records('a')], [records('b')]]);
  });

  it('invariant 1: what an earlier restore had brought to a subtask comes first there', () => {
    const { first, elements } = restore(planOf(byKey, { up: 1, down: 2 }), [
      [],
      [channelOf([records('a')], { from: undefined }), channelOf([records('b')])],
    ]);
    expect(first).toEqual([[], ['a']]);
    expect(elements(0, 1)).toEqual([records('b')]);
  });

  it.each([
    ['the job is rescaled', { isRescaled: true }, 'hash'],
    ['its keys have become others', { hasOtherKeys: () => true }, 'hash'],
    ['the edge was of another kind', {}, 'rebalance'],
  ] as const)(
    'invariant 2: watermarks and idle marks are left out where %s',
    (_name, options, partitioning) => {
      const inFlight = [records({ key: 1, n: 0 }), { type: 'watermark', timestamp: 9 }] as const;
      const { first, elements } = restore(
        planOf(byKey, { up: 1, down: 1 }),
        [[channelOf(inFlight, { partitioning, watermark: 7, isIdle: true })]],
        options,
      );
      expect(first).toEqual([[{ key: 1, n: 0 }]]);
      expect(elements(0, 0)).toEqual([]);
    },
  );

  const partitionings: readonly Partitioning[] = [
    byKey,
    { type: 'rebalance' },
    { type: 'rescale' },
    { type: 'shuffle' },
    { type: 'global' },
    { type: 'forward' },
    {
      type: 'custom',
      partitioner: (key, count) => (key as number) % count,
      keySelector: (value) => (value as Value).key,
    },
  ];

  it('invariants 2 and 3: every record comes to one subtask, its key’s own and in order where the edge has keys', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...partitionings),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.record({ key: fc.nat(9), size: fc.integer({ min: 1, max: 4 }) }), { maxLength: 30 }),
        (partitioning, before, after, chosen) => {
          // As it was before: each key has a subtask and, upstream, a subtask that sends it in order.
          const counts = new Map<number, number>();
          const all: Value[] = [];
          const inFlight: InFlightElement[][][] = Array.from({ length: before }, () =>
            Array.from({ length: before }, () => []),
          );
          for (const { key, size } of chosen) {
            const group = keyGroupOf(key, MAX_PARALLELISM);
            const to = subtaskOfKeyGroup(group, before, MAX_PARALLELISM);
            const from = partitioning.type === 'hash' ? key % before : to;
            const values = Array.from({ length: size }, () => {
              const n = counts.get(key) ?? 0;
              counts.set(key, n + 1);
              return { key, n };
            });
            all.push(...values);
            if (isConnected(partitioning, from, before, to, before))
              inFlight[to]![from]!.push(records(...values));
          }
          const { first } = restore(
            planOf(partitioning, { up: after, down: after }),
            inFlight.map((channels) =>
              channels.map((elements, from) =>
                channelOf(elements, { from, partitioning: partitioning.type }),
              ),
            ),
            { isRescaled: true },
          );
          const name = ({ key, n }: Value) => `${key} ${n}`;
          expect((first.flat() as Value[]).map(name).sort()).toEqual(all.map(name).sort());
          const isDivided = before % after === 0 && partitioning.type === 'forward';
          if (partitioning.type !== 'hash' && !isDivided) return;
          for (const [subtask, values] of (first as Value[][]).entries()) {
            const seen = new Map<number, number>();
            for (const { key, n } of values) {
              const owner = subtaskOfKeyGroup(keyGroupOf(key, MAX_PARALLELISM), after, MAX_PARALLELISM);
              expect(owner).toBe(subtask);
              expect(n).toBe(seen.get(key) ?? 0);
              seen.set(key, n + 1);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    [2, 5, ['a', 'b', 'a', 'b', 'a']],
    [3, 2, ['a', 'b']],
    [2, 2, ['a', 'b']],
  ])(
    'invariant 2: a broadcast record comes with the copy of the state that a subtask takes, from %i to %i',
    (before, after, expected) => {
      const copies = ['a', 'b', 'c'].slice(0, before);
      const { first } = restore(
        planOf({ type: 'broadcast' }, { up: 1, down: after }),
        copies.map((copy) => [channelOf([records(copy)], { partitioning: 'broadcast' })]),
        { isRescaled: true },
      );
      expect(first).toEqual(expected.map((copy) => [copy]));
    },
  );

  it('asks a partitioner once for each record: it may be one of chance', () => {
    let asked = 0;
    const partitioning: Partitioning = {
      type: 'custom',
      partitioner: (_key, count) => asked++ % count,
      keySelector: (value) => value,
    };
    const { first } = restore(
      planOf(partitioning, { up: 1, down: 3 }),
      [[channelOf([records('a', 'b', 'c', 'd')], { partitioning: 'custom' })]],
      { isRescaled: true },
    );
    expect(asked).toBe(4);
    expect(first).toEqual([['a', 'd'], ['b'], ['c']]);
  });

  it('names the operator where choosing the subtask fails', () => {
    const broken: Partitioning = {
      type: 'hash',
      keySelector: () => {
        throw new Error('no key');
      },
    };
    const start = () =>
      restore(planOf(broken, { up: 1, down: 2 }), [[channelOf([records('a')])]], { isRescaled: true });
    expect(start).toThrow(OperatorError);
    expect(start).toThrow(/'down' \(subtask 0\) failed while choosing the subtask of a record .*: no key/);
  });

  it('a chain gets a channel where records have to wait in it, and only there', () => {
    const chained = planOf({ type: 'forward' }, { up: 2, down: 2 }, { isChaining: true });
    expect(chained.vertices).toHaveLength(1);
    const quiet = channelOf([{ type: 'watermark', timestamp: 4 }], { partitioning: 'forward', watermark: 3 });
    expect(restore(chained, [[quiet], []]).plan).toEqual(chained);
    const { plan, elements } = restore(chained, [
      [channelOf([records('a')], { partitioning: 'forward' })],
      [],
    ]);
    expect(plan.vertices.map(({ name }) => name)).toEqual(['up', 'down → sink']);
    expect(elements(0, 0)).toEqual([records('a')]);
  });

  it('invariant 4: records on an edge that is no more are refused, unless they may be lost', () => {
    const gone = [[1, 2].map((occurrence) => channelOf([records('a')], { occurrence }))];
    const plan = planOf(byKey, { up: 1, down: 1 });
    const differences: CheckpointError[] = [];
    const differs = (_node: unknown, difference: CheckpointError) => void differences.push(difference);
    restore(plan, gone, { differs });
    expect(differences).toHaveLength(2); // all of them
    expect(differences[0]?.message).toContain("from the operator with uid 'up' to 'down' (uid 'down')");
    expect(restore(plan, gone, { allowNonRestoredState: true }).first).toEqual([[]]);
  });

  it('invariant 4: an edge that is no more and had no records is no matter', () => {
    const gone = [[channelOf([{ type: 'watermark', timestamp: 1 }], { occurrence: 1 })]];
    expect(restore(planOf(byKey, { up: 1, down: 1 }), gone).first).toEqual([[]]);
  });
});
