import { describe, expect, it } from 'vitest';
import {
  MapStateDescriptor,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type DataStream,
  type EnvironmentOptions,
} from '../../src/index.js';
import {
  CollectingSink,
  drive,
  ExternalSystem,
  FAIL,
  PAUSE,
  ManualClock,
  MemoryCheckpointStorage,
  ScriptedFailure,
  ScriptedSource,
  TransactionalSink,
  until,
  type ScriptStep,
} from '../../src/testing/index.js';
import { Random } from '../support/random.js';

interface Row {
  readonly id: string;
  readonly key: number;
  readonly atMs: number;
}

const DISORDER_MS = 15;
const KEYS = 5;
const strategy = WatermarkStrategy.forBoundedOutOfOrderness<Row>(DISORDER_MS).withTimestampAssigner(
  (row) => row.atMs,
);

/** Two splits of records, each out of order by less than the bound, so that nothing is late. */
function rowsOf(random: Random, side: string): Row[][] {
  return [0, 1].map((split) =>
    Array.from({ length: 60 }, (_, n) => ({
      id: `${side}${split}-${n}`,
      key: random.below(KEYS),
      atMs: n * 6 + random.below(DISORDER_MS),
    })),
  );
}

const key = (row: Row) => row.key;
const text = (kind: string, left: Row | undefined, right: Row | undefined) =>
  `${kind} ${left?.id ?? '-'} ${right?.id ?? '-'}`;

/** All joins over the same two streams. */
function program(left: DataStream<Row>, right: DataStream<Row>): DataStream<string> {
  const lefts = left.keyBy(key);
  const rights = right.keyBy(key);
  const interval = lefts
    .intervalJoin(rights, 'full')
    .between(-5, 10)
    .process<string>((l, r, _context, out) => out.collect(text('interval', l, r)))
    .uid('interval');
  const temporal = lefts
    .temporalJoin(rights, 'left')
    .process<string>((l, r, _context, out) => out.collect(text('temporal', l, r)))
    .uid('temporal');
  const window = left
    .join(right, 'full')
    .where(key)
    .equalTo(key)
    .window(TumblingEventTimeWindows.of(20))
    .apply((l, r) => text('window', l, r))
    .uid('window');
  return interval.union(temporal, window);
}

/** The same by nested loops. Versions of one time are ordered by arrival, which is not known here: none may be the latest. */
function oracle(lefts: readonly Row[], rights: readonly Row[]): string[] {
  const rows: string[] = [];
  const outer = (kind: string, isPair: (l: Row, r: Row) => boolean) => {
    for (const l of lefts) {
      const matches = rights.filter((r) => isPair(l, r));
      rows.push(...(matches.length > 0 ? matches.map((r) => text(kind, l, r)) : [text(kind, l, undefined)]));
    }
    for (const r of rights) if (!lefts.some((l) => isPair(l, r))) rows.push(text(kind, undefined, r));
  };
  outer('interval', (l, r) => l.key === r.key && r.atMs >= l.atMs - 5 && r.atMs <= l.atMs + 10);
  outer('window', (l, r) => l.key === r.key && Math.floor(l.atMs / 20) === Math.floor(r.atMs / 20));
  for (const l of lefts) {
    const versions = rights
      .filter((r) => r.key === l.key && r.atMs <= l.atMs)
      .sort((a, b) => a.atMs - b.atMs);
    rows.push(text('temporal', l, versions.at(-1)));
  }
  return rows.sort();
}

/** Gives every right row of a key a time of its own. */
function withUniqueTimes(scripts: readonly (readonly Row[])[]): Row[][] {
  const seen = new Set<string>();
  return scripts.map((rows) =>
    rows.filter(({ key: k, atMs }) => {
      const isNew = !seen.has(`${k}@${atMs}`);
      seen.add(`${k}@${atMs}`);
      return isNew;
    }),
  );
}

const script = (rows: readonly Row[]): ScriptStep<Row>[] => rows.map((value) => ({ value }));

function environment(options: EnvironmentOptions) {
  const clock = new ManualClock();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({
    clock,
    maxParallelism: 16,
    autoWatermarkIntervalMs: 3,
    ...options,
  });
  return { env, clock };
}

describe.each([1, 2, 3, 4, 5])('all joins in a job, seed %d', (seed) => {
  const random = new Random(seed);
  const lefts = rowsOf(random, 'l');
  const rights = withUniqueTimes(rowsOf(random, 'r'));

  it('give what nested loops give, once, after a failure and a change of parallelism', async () => {
    const storage = new MemoryCheckpointStorage();
    const system = new ExternalSystem<string>();
    const [first, second] = lefts.map(script);
    const left = new ScriptedSource(
      [[...first!.slice(0, 30), PAUSE, ...first!.slice(30, 45), FAIL, ...first!.slice(45)], second!],
      { batch: 2 },
    );
    const right = new ScriptedSource(rights.map(script), { batch: 3 });
    const run = async (parallelism: number) => {
      const { env, clock } = environment({ parallelism });
      env.enableCheckpointing({ intervalMs: 4, storage });
      program(
        env.fromSource(left, strategy, 'left').uid('left'),
        env.fromSource(right, strategy, 'right').uid('right'),
      )
        .sinkTo(new TransactionalSink(system))
        .uid('out');
      const job = env.executeAsync('joins');
      await until(
        () => storage.checkpoints.length > 0,
        () => clock.advance(1),
      );
      left.resume();
      await drive(job, clock);
    };
    await expect(run(2)).rejects.toMatchObject({ cause: expect.any(ScriptedFailure) as unknown });
    await run(3);
    expect([...system.visible].sort()).toEqual(oracle(lefts.flat(), rights.flat()));
  });

  it('give the same in batch mode', async () => {
    const { env, clock } = environment({ parallelism: 2, runtimeMode: 'batch' });
    const sink = new CollectingSink<string>();
    program(
      env.fromSource(new ScriptedSource(lefts.map(script)), strategy, 'left'),
      env.fromSource(new ScriptedSource(rights.map(script)), strategy, 'right'),
    ).sinkTo(sink);
    await drive(env.executeAsync('joins'), clock);
    expect([...sink.values].sort()).toEqual(oracle(lefts.flat(), rights.flat()));
  });
});

describe('broadcast state in a job', () => {
  it('in batch mode all rules are there before the first record', async () => {
    const { env, clock } = environment({ parallelism: 3, runtimeMode: 'batch' });
    const rules = new MapStateDescriptor<number, number>('rules');
    const changes = env.fromCollection([0, 1, 2, 3, 4]).broadcast(rules);
    const unkeyed = new CollectingSink<string>();
    const keyed = new CollectingSink<string>();
    const numbers = env.fromCollection(Array.from({ length: 20 }, (_, n) => n));
    numbers
      .connect(changes)
      .process<string>(() => ({
        processElement: (n, context, out) =>
          out.collect(`${n}:${[...context.getBroadcastState(rules).entries()].length}`),
        processBroadcastElement: (rule, context) => context.getBroadcastState(rules).put(rule, rule),
      }))
      .sinkTo(unkeyed);
    numbers
      .keyBy((n) => n % 4)
      .connect(changes)
      .process<string>(() => ({
        processElement: (n, context, out) =>
          out.collect(`${n}:${[...context.getBroadcastState(rules).entries()].length}`),
        processBroadcastElement: (rule, context) => context.getBroadcastState(rules).put(rule, rule),
      }))
      .sinkTo(keyed);
    await drive(env.executeAsync('rules'), clock);
    const expected = Array.from({ length: 20 }, (_, n) => `${n}:5`).sort();
    expect([...unkeyed.values].sort()).toEqual(expected);
    expect([...keyed.values].sort()).toEqual(expected);
  });
});
