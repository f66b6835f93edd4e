/** The same program in both modes: batch mode gives the final results of streaming mode. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EventTimeSessionWindows,
  ListStateDescriptor,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type DataStream,
  type EnvironmentOptions,
  type JoinType,
  type KeyedStream,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { environment } from '../support/environment.js';
import { ScriptedSource } from '../support/scripted-source.js';

interface Event {
  readonly id: number;
  readonly key: string;
  readonly at: number;
  readonly amount: number;
}
type Input = readonly Event[];
type Keyed = KeyedStream<Event, string>;

interface Program {
  readonly name: string;
  /** What the two modes have to agree on, in any order. */
  build(left: Keyed, right: () => Keyed): DataStream<string>;
  /** Where streaming mode emits more on the way: what is final of it. */
  final?(streamed: readonly string[]): readonly string[];
}

const DISORDER_MS = 15;

/** Events that are out of order by less than the bound. Times are unique, so that no result depends on the splits' order. */
const inputs: fc.Arbitrary<Input> = fc
  .array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      step: fc.integer({ min: 1, max: 12 }),
      delay: fc.integer({ min: 0, max: DISORDER_MS - 1 }),
      amount: fc.integer({ min: -5, max: 50 }),
    }),
    { maxLength: 60 },
  )
  .map((drawn) => {
    let at = -40;
    return drawn
      .map(({ key, step, delay, amount }, id) => ({ id, key, amount, at: (at += step), comesAt: at + delay }))
      .sort((a, b) => a.comesAt - b.comesAt);
  });

const settings = fc.record({
  parallelism: fc.integer({ min: 1, max: 3 }),
  batchSortBufferRecords: fc.constantFrom(1, 7, 1000),
  splits: fc.integer({ min: 1, max: 3 }),
  operatorChaining: fc.boolean(),
});
type Settings = typeof settings extends fc.Arbitrary<infer S> ? S : never;

async function run(
  program: Program,
  [left, right]: readonly [Input, Input],
  set: Settings,
  mode: 'streaming' | 'batch' | 'automatic',
) {
  const { splits, ...rest } = set;
  const options: EnvironmentOptions = { ...rest, runtimeMode: mode };
  const { env } = environment(options);
  const strategy = WatermarkStrategy.forBoundedOutOfOrderness<Event>(DISORDER_MS)
    .withTimestampAssigner((event) => event.at)
    .withEmission('on-advance');
  const keyed = (input: Input, name: string): Keyed => {
    const scripts = Array.from({ length: splits }, (_, split) =>
      input.filter(({ id }) => id % splits === split).map((value) => ({ value })),
    );
    return env.fromSource(new ScriptedSource(scripts), strategy, name).keyBy((event) => event.key);
  };
  const sink = new CollectingSink<string>();
  program.build(keyed(left, 'left'), () => keyed(right, 'right')).sinkTo(sink);
  await env.execute('job');
  return sink.values;
}

const ids = (events: Iterable<Event>): string =>
  [...events]
    .map(({ id }) => id)
    .sort((a, b) => a - b)
    .join(',');
/** Rows are `name = result`: the last of each name. */
const lastOfEach = (rows: readonly string[]): string[] => [
  ...new Map(rows.map((row) => [row.split(' = ')[0], row])).values(),
];

const joinTypes: readonly JoinType[] = ['inner', 'left', 'right', 'full'];
const idOf = (event: Event | undefined) => event?.id ?? 'none';

const programs: readonly Program[] = [
  {
    name: 'a rolling reduce',
    build: (left) =>
      left
        .reduce((a, b) => ({ ...a, amount: a.amount + b.amount }))
        .map(({ key, amount }) => `${key} = ${amount}`),
    final: lastOfEach,
  },
  {
    name: 'a rolling sum of both inputs',
    build: (left, right) =>
      left.stream
        .union(right().stream)
        .map(({ key, amount }) => ({ key, amount }))
        .keyBy(({ key }) => key)
        .sum('amount')
        .map(({ key, amount }) => `${key} = ${amount}`),
    final: lastOfEach,
  },
  {
    name: 'a keyed function with event-time timers, two of them in a row',
    build: (left) =>
      left
        .process<Event & { count: number }>((context) => {
          const seen = context.getListState(new ListStateDescriptor<Event>('seen'));
          return {
            processElement(event, { timers }) {
              seen.add(event);
              timers.registerEventTimeTimer(Math.ceil(event.at / 20) * 20 - 1);
            },
            onTimer(timestamp, _context, out) {
              const due = [...seen.get()].filter(({ at }) => at <= timestamp);
              for (const event of due) out.collect({ ...event, count: due.length });
              seen.update([...seen.get()].filter(({ at }) => at > timestamp));
            },
          };
        })
        .keyBy(({ count }) => count)
        .process<string>((context) => {
          const seen = context.getListState(new ListStateDescriptor<Event>('seen'));
          return {
            processElement(event, { timers }) {
              seen.add(event);
              timers.registerEventTimeTimer(1_000_000);
            },
            onTimer: (_timestamp, { currentKey }, out) => out.collect(`${currentKey}: ${ids(seen.get())}`),
          };
        }),
  },
  {
    name: 'two keyed inputs with state in common',
    build: (left, right) =>
      left.connect(right()).process<string>((context) => {
        const seen = context.getListState(new ListStateDescriptor<Event>('seen'));
        const add = (event: Event, { timers }: { timers: { registerEventTimeTimer(at: number): void } }) => {
          seen.add(event);
          timers.registerEventTimeTimer(1_000_000);
        };
        return {
          processElement1: add,
          processElement2: (event, own) => add({ ...event, id: event.id + 1000 }, own),
          onTimer: (_timestamp, { currentKey }, out) => out.collect(`${currentKey}: ${ids(seen.get())}`),
        };
      }),
  },
  ...joinTypes.map((type): Program => ({
    name: `an interval join (${type})`,
    build: (left, right) =>
      left
        .intervalJoin(right(), type)
        .between(-10, 5)
        .process<string>((a, b, _context, out) => out.collect(`${idOf(a)} with ${idOf(b)}`)),
  })),
  ...joinTypes.map((type): Program => ({
    name: `a window join (${type})`,
    build: (left, right) =>
      left.stream
        .join(right().stream, type)
        .where((event) => event.key)
        .equalTo((event) => event.key)
        .window(TumblingEventTimeWindows.of(20))
        .apply((a, b) => `${idOf(a)} with ${idOf(b)}`),
  })),
  {
    name: 'a coGroup in session windows',
    build: (left, right) =>
      left.stream
        .coGroup(right().stream)
        .where((event) => event.key)
        .equalTo((event) => event.key)
        .window(EventTimeSessionWindows.withGap(12))
        .apply<string>((a, b, out) => out.collect(`${ids(a)} and ${ids(b)}`)),
  },
  {
    name: 'a temporal join',
    build: (left, right) =>
      left
        .temporalJoin(right(), 'left')
        .process<string>((a, b, _context, out) => out.collect(`${a.id} with ${idOf(b)}`)),
  },
  ...[
    { name: 'tumbling windows', assigner: TumblingEventTimeWindows.of(20, 3) },
    { name: 'sliding windows', assigner: SlidingEventTimeWindows.of(30, 10) },
    { name: 'session windows', assigner: EventTimeSessionWindows.withGap(9) },
  ].flatMap(({ name, assigner }): Program[] => [
    {
      name: `${name}, aggregated`,
      build: (left) =>
        left.window(assigner).aggregate<number, number, string>(
          {
            createAccumulator: () => 0,
            add: (event, sum) => sum + event.amount,
            getResult: (sum) => sum,
            merge: (a, b) => a + b,
          },
          (key, { window }, [sum], out) => out.collect(`${key} ${String(window)}: ${sum}`),
        ),
    },
    {
      name: `${name} over all keys, with every record`,
      build: (left) =>
        left.stream
          .windowAll(assigner)
          .process<string>(({ window }, events, out) => out.collect(`${String(window)}: ${ids(events)}`)),
    },
  ]),
];

describe('batch mode gives the final results of streaming mode', () => {
  it.each(programs)('of $name', async (program) => {
    const { final = (rows) => rows } = program;
    await fc.assert(
      fc.asyncProperty(inputs, inputs, settings, fc.boolean(), async (left, right, set, isAutomatic) => {
        const streamed = final(await run(program, [left, right], set, 'streaming'));
        // Batch mode does not mind any disorder.
        const shuffled = [...left].sort((a, b) => ((a.id * 31) % 17) - ((b.id * 31) % 17));
        const batch = await run(program, [shuffled, right], set, isAutomatic ? 'automatic' : 'batch');
        expect([...batch].sort()).toEqual([...streamed].sort());
      }),
      { numRuns: 25 },
    );
  });
});
