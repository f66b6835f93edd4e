/**
 * The stages that random programs are made of. Each is said twice: with the engine, and over whole collections by its
 * definition. What they emit does not depend on the order of arrival, so that results compare as multisets.
 */
import {
  AsyncDataStream,
  EventTimeSessionWindows,
  ListStateDescriptor,
  MapStateDescriptor,
  OutputTag,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  type AggregateFunction,
  type DataStream,
  type KeyedStream,
  type ProcessContext,
  type SingleOutputStreamOperator,
} from '../../src/index.js';

/** A record; `at` is its timestamp, which every stage checks. */
export interface Row {
  readonly id: string;
  readonly key: number;
  readonly v: number;
  readonly at: number;
}

type Stream = DataStream<Row>;
type Rows = readonly Row[];

/** Two whole numbers that a stage makes its choices of. */
export interface Choice {
  readonly a: number;
  readonly b: number;
}

export interface Built {
  readonly stream: Stream;
  /** What can be named, placed and chained. */
  readonly operator: SingleOutputStreamOperator<Row>;
}

export interface Stage {
  readonly inputs: 1 | 2;
  /** Runs with a parallelism of its own, at most this one. */
  readonly limit?: number;
  /** The results do depend on the parallelism: it is the same in all runs. */
  readonly fixed?: number;
  build(first: Stream, second: Stream, choice: Choice): Built;
  expect(first: Rows, second: Rows, choice: Choice): Row[];
}

/** A time that all records are before: timers that are set to it fire at the end. */
const THE_END = 1_000_000;

const mod = (n: number, by: number): number => ((n % by) + by) % by;
const hash = (text: string): number => {
  let h = 7;
  for (let i = 0; i < text.length; i++) h = (h * 31 + text.charCodeAt(i)) % 1_000_003;
  return h;
};

const keySelectors: readonly ((row: Row) => unknown)[] = [
  (row) => row.key,
  (row) => `key ${row.key}`,
  (row) => ({ b: row.key % 2, a: [row.key, null] }),
  (row) => (row.key === 0 ? NaN : row.key === 1 ? -0 : row.key),
  (row) => new Date(row.key),
  () => undefined,
];
const selectorOf = (choice: Choice) => keySelectors[choice.b % keySelectors.length]!;
const keyed = (stream: Stream, choice: Choice): KeyedStream<Row, unknown> => stream.keyBy(selectorOf(choice));

/** By key, in no particular order. */
function groups(rows: Rows, choice: Choice): Row[][] {
  const selector = selectorOf(choice);
  const byKey = new Map<string, Row[]>();
  for (const row of rows) {
    const key = selector(row);
    const name = Number.isNaN(key) ? 'NaN' : key === undefined ? 'undefined' : JSON.stringify(key);
    byKey.set(name, [...(byKey.get(name) ?? []), row]);
  }
  return [...byKey.values()];
}

function check(row: Row, { timestamp }: ProcessContext): void {
  if (timestamp !== row.at) throw new Error(`${row.id} has the timestamp ${timestamp}, not ${row.at}`);
}

/** All of `rows` in one record, whatever their order. */
interface Sum {
  readonly n: number;
  readonly sum: number;
  readonly hash: number;
  readonly key: number;
}
const nothing: Sum = { n: 0, sum: 0, hash: 0, key: 0 };
const plus = (sum: Sum, row: Row): Sum => ({
  n: sum.n + 1,
  sum: sum.sum + row.v,
  hash: (sum.hash + hash(row.id)) % 1_000_003,
  key: Math.max(sum.key, row.key),
});
const sumOf = (rows: Iterable<Row>): Sum => [...rows].reduce(plus, nothing);
const toRow = (name: string, { n, sum, hash, key }: Sum, at: number): Row => ({
  id: `${name}${n}/${hash}`,
  key,
  v: sum % 1000,
  at,
});
const summing: AggregateFunction<Row, Sum, Sum> = {
  createAccumulator: () => nothing,
  add: (row, sum) => plus(sum, row),
  getResult: (sum) => sum,
  merge: (a, b) => ({
    n: a.n + b.n,
    sum: a.sum + b.sum,
    hash: (a.hash + b.hash) % 1_000_003,
    key: Math.max(a.key, b.key),
  }),
};

const single = (operator: SingleOutputStreamOperator<Row>): Built => ({ stream: operator, operator });
const renamed = (row: Row, suffix: string): Row => ({ ...row, id: `${row.id}${suffix}` });

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

const bucketOf = (at: number, size: number): number => Math.floor(at / size) * size + size - 1;

/** Collects a key's records in state of some kind, and emits them by buckets of time. */
const buckets: Stage = {
  inputs: 1,
  build: (s, _, choice) =>
    single(
      keyed(s, choice).process<Row>((runtime) => {
        const size = 5 + (choice.a % 20);
        const list = runtime.getListState(new ListStateDescriptor<Row>('rows'));
        const byBucket = runtime.getMapState(new MapStateDescriptor<number, readonly Row[]>('by bucket'));
        const value = runtime.getState(
          new ValueStateDescriptor<readonly Row[]>('value', { defaultValue: [] }),
        );
        return {
          processElement(row, context) {
            check(row, context);
            const bucket = bucketOf(row.at, size);
            if (choice.a % 3 === 0) list.add(row);
            else if (choice.a % 3 === 1) byBucket.put(bucket, [...(byBucket.get(bucket) ?? []), row]);
            else value.update([...value.value()!, row]);
            context.timers.registerEventTimeTimer(bucket);
            context.timers.registerEventTimeTimer(bucket + 1);
            context.timers.deleteEventTimeTimer(bucket + 1);
          },
          onTimer(timestamp, _context, out) {
            const isDue = (row: Row) => row.at <= timestamp;
            let due: Rows;
            if (choice.a % 3 === 0) {
              due = list.get().filter(isDue);
              list.update(list.get().filter((row) => !isDue(row)));
            } else if (choice.a % 3 === 1) {
              due = byBucket.get(timestamp) ?? [];
              byBucket.remove(timestamp);
            } else {
              due = value.value()!.filter(isDue);
              const rest = value.value()!.filter((row) => !isDue(row));
              if (rest.length === 0) value.clear();
              else value.update(rest);
            }
            out.collect(toRow('b', sumOf(due), timestamp));
          },
        };
      }),
    ),
  expect: (rows, _, choice) =>
    groups(rows, choice).flatMap((group) => {
      const size = 5 + (choice.a % 20);
      return [...new Set(group.map((row) => bucketOf(row.at, size)))].map((bucket) =>
        toRow('b', sumOf(group.filter((row) => bucketOf(row.at, size) === bucket)), bucket),
      );
    }),
};

/** Says at the end what a key's records were: with rolling operations before, whose last result counts. */
const rolling: Stage = {
  inputs: 1,
  build: (s, _, choice) =>
    single(
      keyed(
        keyed(
          s.map((row) => ({ ...row, v: 1 + row.v, id: '1' })),
          choice,
        ).reduce((x, y) => ({ ...x, v: x.v + y.v, id: `${Number(x.id) + Number(y.id)}` })),
        { a: 0, b: 5 },
      ).process<Row>((runtime) => {
        const seen = runtime.getListState(new ListStateDescriptor<Row>('seen'));
        return {
          processElement(row, { timers }) {
            seen.add(row);
            timers.registerEventTimeTimer(THE_END);
          },
          onTimer(timestamp, _context, out) {
            // Each key counts from 1; the greatest sum of each has the greatest count.
            const counts = seen.get().map((row) => Number(row.id));
            const max = seen.get().reduce((x, y) => (y.v > x.v ? y : x));
            const sum = counts.reduce((x, y) => x + y, 0);
            out.collect({ id: `r${counts.length}/${sum}/${max.id}`, key: 0, v: max.v % 1000, at: timestamp });
          },
        };
      }),
    ),
  expect(rows, _, choice) {
    if (rows.length === 0) return [];
    const each = groups(rows, choice).map((group) => ({
      n: group.length,
      sum: group.reduce((sum, row) => sum + row.v + 1, 0),
    }));
    const counts = each.reduce((sum, { n }) => sum + (n * (n + 1)) / 2, 0);
    const max = each.reduce((x, y) => (y.sum > x.sum ? y : x));
    const ties = each.filter(({ sum }) => sum === max.sum);
    if (ties.some(({ n }) => n !== max.n)) return NO_RESULT; // which one is seen first is open
    return [{ id: `r${rows.length}/${counts}/${max.n}`, key: 0, v: max.sum % 1000, at: THE_END }];
  },
};

/** What a stage gives whose result is not determined: the program is another one without it. */
export const NO_RESULT: Row[] = [];

interface Span {
  readonly start: number;
  readonly end: number;
}

const aligned =
  (size: number, slide: number, offset: number) =>
  (rows: Rows): Spans => {
    const windows = new Map<number, Row[]>();
    for (const row of rows) {
      for (let start = mod(row.at - offset, slide) * -1 + row.at; start > row.at - size; start -= slide) {
        windows.set(start, [...(windows.get(start) ?? []), row]);
      }
    }
    return [...windows].map(([start, members]) => ({ start, end: start + size, members }));
  };

type Spans = readonly (Span & { readonly members: Rows })[];
const NO_SPANS: Spans = [];

const sessions =
  (gap: number) =>
  (rows: Rows): Spans => {
    const found: { start: number; end: number; members: Row[] }[] = [];
    for (const row of [...rows].sort((x, y) => x.at - y.at)) {
      const last = found.at(-1);
      // Whether a record at the very end is part of the session depends on what has fired by then.
      if (row.at === last?.end) return NO_SPANS;
      if (last !== undefined && row.at < last.end) {
        last.end = row.at + gap;
        last.members.push(row);
      } else found.push({ start: row.at, end: row.at + gap, members: [row] });
    }
    return found;
  };

function windowsOf(a: number) {
  const size = 6 + (a % 25);
  const slide = [size, Math.ceil(size / 2), 4, size + 3][(a >> 2) % 4]!;
  const offset = a % Math.min(slide, size);
  if (a % 4 === 0) return { assigner: EventTimeSessionWindows.withGap(size), split: sessions(size) };
  if (a % 4 === 1)
    return { assigner: TumblingEventTimeWindows.of(size, offset), split: aligned(size, size, offset) };
  return { assigner: SlidingEventTimeWindows.of(size, slide, offset), split: aligned(size, slide, offset) };
}

const nameOf = ({ start, end }: Span): string => `w${start}-${end}:`;

/** Windows of each key, or of everything, by one of the ways to compute their result. */
const windows: Stage = {
  inputs: 1,
  build(s, _, choice) {
    const { assigner } = windowsOf(choice.a);
    const stream = keyed(s, choice)
      .window(assigner)
      .allowedLateness(choice.a % 3);
    const emit = (span: Span, sum: Sum) => toRow(nameOf(span), sum, span.end - 1);
    switch ((choice.a >> 1) % 4) {
      case 0:
        return single(
          stream.process<Row>((_key, { window }, rows, out) => out.collect(emit(window, sumOf(rows)))),
        );
      case 1:
        return single(
          stream.aggregate<Sum, Sum, Row>(summing, (_key, { window }, [sum], out) =>
            out.collect(emit(window, sum!)),
          ),
        );
      case 2:
        return single(
          stream.aggregate<Sum, Sum, Row>({ ...summing, sharesPanes: true }, (_key, { window }, [sum], out) =>
            out.collect(emit(window, sum!)),
          ),
        );
      default:
        return single(
          s
            .windowAll(assigner)
            .process<Row>(({ window }, rows, out) => out.collect(emit(window, sumOf(rows)))),
        );
    }
  },
  expect(rows, _, choice) {
    const isForAll = (choice.a >> 1) % 4 === 3;
    const spans = (isForAll ? [rows] : groups(rows, choice)).map(windowsOf(choice.a).split);
    if (spans.includes(NO_SPANS)) return NO_RESULT;
    return spans
      .flat()
      .map(({ start, end, members }) => toRow(nameOf({ start, end }), sumOf(members), end - 1));
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

/** Says for each bucket of a key what had come until then, of both inputs. */
const connectKeyed: Stage = {
  inputs: 2,
  build: (s, t, choice) =>
    single(
      keyed(s, choice)
        .connect(keyed(t, choice))
        .process<Row>((runtime) => {
          const seen = runtime.getListState(new ListStateDescriptor<Row>('seen'));
          const add = (
            row: Row,
            context: Parameters<typeof check>[1] & { timers: { registerEventTimeTimer(at: number): void } },
          ) => {
            check(row, context);
            seen.add(row);
            context.timers.registerEventTimeTimer(bucketOf(row.at, 10));
          };
          return {
            processElement1: add,
            processElement2: (row, context) => add(row, context),
            onTimer: (timestamp, _context, out) =>
              out.collect(toRow('c', sumOf(seen.get().filter((row) => row.at <= timestamp)), timestamp)),
          };
        }),
    ),
  expect: (rows, others, choice) =>
    groups([...rows, ...others], choice).flatMap((group) =>
      [...new Set(group.map((row) => bucketOf(row.at, 10)))].map((bucket) =>
        toRow('c', sumOf(group.filter((row) => row.at <= bucket)), bucket),
      ),
    ),
};

const intervalJoin: Stage = {
  inputs: 2,
  build: (s, t, choice) =>
    single(
      keyed(s, choice)
        .intervalJoin(keyed(t, choice))
        .between(-(choice.a % 6), 3)
        .process<Row>((x, y, { timestamp }, out) => out.collect(pair(x, y, timestamp))),
    ),
  expect: (rows, others, choice) =>
    pairs(rows, others, choice).flatMap(([x, y]) =>
      y.at - x.at >= -(choice.a % 6) && y.at - x.at <= 3 ? [pair(x, y, Math.max(x.at, y.at))] : [],
    ),
};

const pair = (x: Row, y: Row, at: number): Row => ({
  id: `(${hash(x.id)},${hash(y.id)})`,
  key: x.key,
  v: (x.v + y.v) % 1000,
  at,
});

function pairs(rows: Rows, others: Rows, choice: Choice): [Row, Row][] {
  const left = new Set(rows.map((row) => ({ ...row })));
  return groups([...left, ...others], choice).flatMap((group) => {
    const lefts = group.filter((row) => left.has(row));
    const rights = group.filter((row) => !left.has(row));
    return lefts.flatMap((x) => rights.map((y): [Row, Row] => [x, y]));
  });
}

const windowJoin: Stage = {
  inputs: 2,
  build: (s, t, choice) =>
    single(
      s
        .join(t)
        .where(selectorOf(choice))
        .equalTo(selectorOf(choice))
        .window(TumblingEventTimeWindows.of(8))
        .apply<Row>((x, y) => pair(x, y, bucketOf(x.at, 8))),
    ),
  expect: (rows, others, choice) =>
    pairs(rows, others, choice).flatMap(([x, y]) =>
      bucketOf(x.at, 8) === bucketOf(y.at, 8) ? [pair(x, y, bucketOf(x.at, 8))] : [],
    ),
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

export const stages = {
  map,
  filter,
  flatMap,
  split,
  buckets,
  rolling,
  windows,
  union,
  connect,
  connectKeyed,
  intervalJoin,
  windowJoin,
  partition,
  broadcast,
  asyncWait,
  timestamps,
} satisfies Record<string, Stage>;

export type StageName = keyof typeof stages;
