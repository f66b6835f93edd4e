/** What the stages of random programs work on, and what they have in common. */
import type {
  AggregateFunction,
  DataStream,
  KeyedStream,
  ProcessContext,
  SingleOutputStreamOperator,
} from '../../src/index.js';

/** A record; `at` is its timestamp, which every stage checks. */
export interface Row {
  readonly id: string;
  readonly key: number;
  readonly v: number;
  readonly at: number;
}

export type Stream = DataStream<Row>;
export type Rows = readonly Row[];

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
export const THE_END = 1_000_000;

/** What a stage gives whose result is not determined: the program is another one without it. */
export const NO_RESULT: Row[] = [];

export const mod = (n: number, by: number): number => ((n % by) + by) % by;
export const hash = (text: string): number => {
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
export const selectorOf = (choice: Choice) => keySelectors[choice.b % keySelectors.length]!;
export const keyed = (stream: Stream, choice: Choice): KeyedStream<Row, unknown> =>
  stream.keyBy(selectorOf(choice));

/** By key, in no particular order. */
export function groups(rows: Rows, choice: Choice): Row[][] {
  const selector = selectorOf(choice);
  const byKey = new Map<string, Row[]>();
  for (const row of rows) {
    const key = selector(row);
    const name = Number.isNaN(key) ? 'NaN' : key === undefined ? 'undefined' : JSON.stringify(key);
    byKey.set(name, [...(byKey.get(name) ?? []), row]);
  }
  return [...byKey.values()];
}

export function check(row: Row, { timestamp }: ProcessContext): void {
  if (timestamp !== row.at) throw new Error(`${row.id} has the timestamp ${timestamp}, not ${row.at}`);
}

/** All of `rows` in one record, whatever their order. */
export interface Sum {
  readonly n: number;
  readonly sum: number;
  readonly hash: number;
  readonly key: number;
}
export const nothing: Sum = { n: 0, sum: 0, hash: 0, key: 0 };
export const plus = (sum: Sum, row: Row): Sum => ({
  n: sum.n + 1,
  sum: sum.sum + row.v,
  hash: (sum.hash + hash(row.id)) % 1_000_003,
  key: Math.max(sum.key, row.key),
});
export const sumOf = (rows: Iterable<Row>): Sum => [...rows].reduce(plus, nothing);
export const toRow = (name: string, { n, sum, hash, key }: Sum, at: number): Row => ({
  id: `${name}${n}/${hash}`,
  key,
  v: sum % 1000,
  at,
});
export const summing: AggregateFunction<Row, Sum, Sum> = {
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

export const single = (operator: SingleOutputStreamOperator<Row>): Built => ({ stream: operator, operator });
export const renamed = (row: Row, suffix: string): Row => ({ ...row, id: `${row.id}${suffix}` });

export const bucketOf = (at: number, size: number): number => Math.floor(at / size) * size + size - 1;
