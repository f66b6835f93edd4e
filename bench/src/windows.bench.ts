/**
 * Windowed aggregation per key: the engine against a hand-written loop over the same records, in turn, in one process.
 * Both results are reduced to a count and a hash, which must agree.
 */
import {
  SlidingEventTimeWindows,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type AggregateFunction,
  type WindowAssigner,
} from '@millrace/core-stream';
import { benchOptions, median } from './options.js';

interface Reading {
  readonly key: string;
  readonly value: number;
  readonly at: number;
}

interface Totals {
  count: number;
  sum: number;
}

interface Outcome {
  readonly rows: number;
  readonly hash: string;
  readonly recordsPerSecond: number;
}

const KEYS = 300;
const OUT_OF_ORDER_MS = 2_000;
const { size, runs, json } = benchOptions({ size: 2_000_000, runs: 3 });

/** Disordered by up to `OUT_OF_ORDER_MS`, one record per millisecond of event time; a fixed congruential sequence. */
function* readings(): Iterable<Reading> {
  let random = 42;
  for (let n = 0; n < size; n++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    yield { key: `k${random % KEYS}`, value: random % 1000, at: n - (random % OUT_OF_ORDER_MS) };
  }
}

const input = [...readings()];

class RowHash {
  rows = 0;
  #hash = 0;

  /** Independent of the order of rows. */
  add(key: string, windowEnd: number, totals: Totals): void {
    this.rows++;
    let h = Math.imul(totals.count, 0x9e3779b1) ^ Math.imul(totals.sum, 0x85ebca6b) ^ (windowEnd | 0);
    for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
    this.#hash = (this.#hash + (h >>> 0)) >>> 0;
  }

  outcome(elapsedMs: number): Outcome {
    return {
      rows: this.rows,
      hash: this.#hash.toString(16).padStart(8, '0'),
      recordsPerSecond: Math.round((size / elapsedMs) * 1000),
    };
  }
}

const totals: AggregateFunction<Reading, Totals, Totals> = {
  createAccumulator: () => ({ count: 0, sum: 0 }),
  add(reading, accumulator) {
    accumulator.count++;
    accumulator.sum += reading.value;
    return accumulator;
  },
  getResult: (accumulator) => accumulator,
  merge: (a, b) => ({ count: a.count + b.count, sum: a.sum + b.sum }),
};

async function engine(assigner: WindowAssigner, parallelism: number): Promise<Outcome> {
  const hash = new RowHash();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
  env
    .fromCollection(input)
    .assignTimestampsAndWatermarks(
      WatermarkStrategy.forBoundedOutOfOrderness<Reading>(OUT_OF_ORDER_MS).withTimestampAssigner(
        (reading) => reading.at,
      ),
    )
    .setParallelism(1)
    .keyBy((reading) => reading.key)
    .window(assigner)
    .aggregate(totals, (key, context, results, out: { collect(row: [string, number, Totals]): void }) => {
      for (const result of results) out.collect([key, context.window.end, result]);
    })
    .addSink({ emit: ([key, end, result]) => hash.add(key, end, result) });
  const startedAt = performance.now();
  await env.execute('windows');
  return hash.outcome(performance.now() - startedAt);
}

/** What one would write by hand for this job alone: no lateness, no checkpoints, no general anything. */
function loop(sizeMs: number, slideMs: number): Outcome {
  const hash = new RowHash();
  const open = new Map<number, Map<string, Totals>>();
  let newest = -Infinity;
  const close = (upTo: number) => {
    for (const [end, panes] of open) {
      if (end - 1 > upTo) continue;
      for (const [key, pane] of panes) hash.add(key, end, pane);
      open.delete(end);
    }
  };
  const startedAt = performance.now();
  let nextEnd = -Infinity;
  for (const { key, value, at } of input) {
    const first = Math.floor(at / slideMs) * slideMs;
    for (let start = first; start > at - sizeMs; start -= slideMs) {
      const end = start + sizeMs;
      let panes = open.get(end);
      if (panes === undefined) open.set(end, (panes = new Map<string, Totals>()));
      const pane = panes.get(key);
      if (pane === undefined) panes.set(key, { count: 1, sum: value });
      else {
        pane.count++;
        pane.sum += value;
      }
    }
    if (at > newest) {
      newest = at;
      const watermark = newest - OUT_OF_ORDER_MS - 1;
      if (watermark >= nextEnd) {
        close(watermark);
        nextEnd = Math.floor(watermark / slideMs) * slideMs + slideMs - 1;
      }
    }
  }
  close(Infinity);
  return hash.outcome(performance.now() - startedAt);
}

const cases = [
  {
    name: 'tumbling 10 s',
    assigner: () => TumblingEventTimeWindows.of(10_000),
    sizeMs: 10_000,
    slideMs: 10_000,
  },
  {
    name: 'sliding 10 s by 2 s',
    assigner: () => SlidingEventTimeWindows.of(10_000, 2_000),
    sizeMs: 10_000,
    slideMs: 2_000,
  },
];

const report = [];
for (const { name, assigner, sizeMs, slideMs } of cases) {
  const measured: Record<'loop' | 'engine' | 'engine ×2', Outcome[]> = {
    loop: [],
    engine: [],
    'engine ×2': [],
  };
  for (let run = 0; run < runs; run++) {
    measured.loop.push(loop(sizeMs, slideMs));
    measured.engine.push(await engine(assigner(), 1));
    measured['engine ×2'].push(await engine(assigner(), 2));
  }
  const expected = measured.loop[0]!;
  for (const outcome of Object.values(measured).flat()) {
    if (outcome.rows !== expected.rows || outcome.hash !== expected.hash) {
      throw new Error(
        `${name}: results differ: ${JSON.stringify(outcome)} is not ${JSON.stringify(expected)}`,
      );
    }
  }
  const speed = (outcomes: readonly Outcome[]) => median(outcomes.map((outcome) => outcome.recordsPerSecond));
  report.push({
    case: name,
    records: size,
    rows: expected.rows,
    hash: expected.hash,
    loopPerSecond: speed(measured.loop),
    enginePerSecond: speed(measured.engine),
    engineTwoSubtasksPerSecond: speed(measured['engine ×2']),
    engineToLoop: Number((speed(measured.engine) / speed(measured.loop)).toFixed(2)),
  });
}
if (json) console.log(JSON.stringify(report));
else console.table(report);
