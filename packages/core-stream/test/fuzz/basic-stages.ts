/** Stages without keys. */
import { AsyncDataStream, OutputTag, WatermarkStrategy } from '../../src/index.js';
import { check, hash, mod, renamed, single, THE_END, type Row, type Stage } from './rows.js';

const map: Stage = {
  inputs: 1,
  build: (s, _, { a }) => single(s.map((row) => ({ ...row, v: mod(row.v * 3 + a, 1000) }))),
  expect: (rows, _, { a }) => rows.map((row) => ({ ...row, v: mod(row.v * 3 + a, 1000) })),
};

const filter: Stage = {
  inputs: 1,
  build: (s, _, { a }) => single(s.filter((row) => hash(row.id) % 4 !== a % 4)),
  expect: (rows, _, { a }) => rows.filter((row) => hash(row.id) % 4 !== a % 4),
};

const flatMap: Stage = {
  inputs: 1,
  build: (s, _, { a }) =>
    single(
      s.flatMap<Row>((row, out) => {
        for (let i = 0; i < (row.v + a) % 3; i++) out.collect(renamed(row, `.${i}`));
      }),
    ),
  expect: (rows, _, { a }) =>
    rows.flatMap((row) => Array.from({ length: (row.v + a) % 3 }, (__, i) => renamed(row, `.${i}`))),
};

const tag = new OutputTag<Row>('odd');
/** Goes on with the main output, the side output, both, or the main output with nobody reading the other. */
const split: Stage = {
  inputs: 1,
  build(s, _, { a }) {
    const operator = s.process<Row>(() => ({
      processElement(row, context, out) {
        check(row, context);
        if (row.v % 2 === 0) out.collect(row);
        else context.output(tag, renamed(row, '!'));
      },
    }));
    const side = operator.getSideOutput(tag);
    const streams = [operator, side, operator.union(side), side.union(operator, side)];
    return { stream: streams[a % 4]!, operator };
  },
  expect(rows, _, { a }) {
    const even = rows.filter((row) => row.v % 2 === 0);
    const odd = rows.filter((row) => row.v % 2 !== 0).map((row) => renamed(row, '!'));
    return [even, odd, [...even, ...odd], [...odd, ...even, ...odd]][a % 4]!;
  },
};

const union: Stage = {
  inputs: 2,
  build: (s, t) => single(s.union(t).map((row) => renamed(row, 'u'))),
  expect: (rows, others) => [...rows, ...others].map((row) => renamed(row, 'u')),
};

const connect: Stage = {
  inputs: 2,
  build: (s, t, { a }) =>
    single(
      a % 2 === 0
        ? s.connect(t).map<Row>({ map1: (row) => renamed(row, 'L'), map2: (row) => renamed(row, 'R') })
        : s.connect(t).process<Row>(() => ({
            processElement1(row, context, out) {
              check(row, context);
              out.collect(renamed(row, 'L'));
            },
            processElement2(row, context, out) {
              check(row, context);
              out.collect(renamed(row, 'R'));
            },
          })),
    ),
  expect: (rows, others) => [
    ...rows.map((row) => renamed(row, 'L')),
    ...others.map((row) => renamed(row, 'R')),
  ],
};

/** Another partitioning before the next operator. */
const partition: Stage = {
  inputs: 1,
  build: (s, _, { a, b }) => {
    const streams = [
      () => s.rebalance(),
      () => s.rescale(),
      () => s.shuffle(),
      () => s.global(),
      () =>
        s.partitionCustom(
          (key: number, count) => mod(key + b, count),
          (row) => row.key,
        ),
    ];
    return single(streams[a % streams.length]!().map((row) => row));
  },
  expect: (rows) => [...rows],
};

const COPIES = 2;
const broadcast: Stage = {
  inputs: 1,
  fixed: COPIES,
  build: (s) => single(s.broadcast().map((row) => row)),
  expect: (rows) => Array.from({ length: COPIES }, () => rows).flat(),
};

const asyncWait: Stage = {
  inputs: 1,
  build(s, _, { a, b }) {
    const wait =
      a % 2 === 0 ? AsyncDataStream.orderedWait<Row, Row> : AsyncDataStream.unorderedWait<Row, Row>;
    const call = {
      async asyncInvoke(row: Row, { timestamp }: { timestamp: number | undefined }) {
        if (timestamp !== row.at) throw new Error(`${row.id} has the timestamp ${timestamp}`);
        for (let i = 0; i < (row.v + b) % 3; i++) {
          await (i === 1 ? new Promise<void>((resolve) => setImmediate(resolve)) : Promise.resolve());
        }
        return Array.from({ length: (row.v + a) % 3 }, (__, i) => renamed(row, `~${i}`));
      },
    };
    return single(wait(s, call, { timeoutMs: Infinity, capacity: 1 + (b % 3) }));
  },
  expect: (rows, _, { a }) =>
    rows.flatMap((row) => Array.from({ length: (row.v + a) % 3 }, (__, i) => renamed(row, `~${i}`))),
};

/** Timestamps anew, in the middle of the stream. */
const timestamps: Stage = {
  inputs: 1,
  build: (s, _, { a }) =>
    single(
      s
        .map((row) => ({ ...row, at: row.at + (a % 7) }))
        .assignTimestampsAndWatermarks(
          WatermarkStrategy.forBoundedOutOfOrderness<Row>(10 * THE_END)
            .withTimestampAssigner((row) => row.at)
            .withEmission(a % 2 === 0 ? 'on-advance' : 'periodic'),
        ),
    ),
  expect: (rows, _, { a }) => rows.map((row) => ({ ...row, at: row.at + (a % 7) })),
};

export const basicStages = {
  map,
  filter,
  flatMap,
  split,
  union,
  connect,
  partition,
  broadcast,
  asyncWait,
  timestamps,
};
