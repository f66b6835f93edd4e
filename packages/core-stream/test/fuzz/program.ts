/** Random programs: what they are, what they have to give, and how they are built. */
import fc from 'fast-check';
import {
  AsyncDataStream,
  WatermarkStrategy,
  type DataStream,
  type Sink,
  type Source,
  type StreamExecutionEnvironment,
} from '../../src/index.js';
import { turn } from '../support/conditions.js';
import { FAIL, ScriptedSource, type ScriptStep } from '../../src/testing/index.js';
import { NO_RESULT, type Choice, type Row, type Stage } from './rows.js';
import { stages, type StageName } from './stages.js';

const DISORDER_MS = 12;
/** A program that would give more is cut short: joins and windows multiply. */
const MAX_ROWS = 1200;

export interface SourceSpec {
  /** By split. */
  readonly splits: readonly (readonly { key: number; v: number; step: number; delay: number }[])[];
  readonly isPeriodic: boolean;
  readonly batch: number;
  readonly parallelism: number | undefined;
  /** The split, and the step of it, at which the source fails the first time. */
  readonly failures: readonly { split: number; step: number }[];
  /** Records that are let through at a time, one turn of the event loop each; no limit unless told. */
  readonly throttle: number | undefined;
}

export interface StageSpec extends Choice {
  readonly name: StageName;
  /** Which streams it reads: indices, counted modulo the streams that there are. */
  readonly first: number;
  readonly second: number;
  readonly parallelism: number | undefined;
  readonly chaining: 'free' | 'head' | 'never';
  /** Whether its result is also written to a sink where others read it. */
  readonly isShown: boolean;
}

export interface ProgramSpec {
  readonly sources: readonly SourceSpec[];
  readonly stages: readonly StageSpec[];
}

const parallelism = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 2 });

const record = fc.record({
  key: fc.integer({ min: 0, max: 4 }),
  v: fc.integer({ min: 0, max: 20 }),
  step: fc.integer({ min: 0, max: 9 }),
  delay: fc.integer({ min: 0, max: DISORDER_MS }),
});

const sourceSpec: fc.Arbitrary<SourceSpec> = fc.record({
  splits: fc.array(
    fc.oneof(fc.array(record, { maxLength: 4 }), fc.array(record, { minLength: 12, maxLength: 40 })),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  isPeriodic: fc.boolean(),
  batch: fc.integer({ min: 1, max: 9 }),
  parallelism,
  failures: fc.array(fc.record({ split: fc.nat(2), step: fc.nat(40) }), { maxLength: 3 }),
  throttle: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 3 }),
});

const stageSpec: fc.Arbitrary<StageSpec> = fc.record({
  name: fc.constantFrom(...(Object.keys(stages) as StageName[])),
  first: fc.nat(11),
  second: fc.nat(11),
  a: fc.nat(999),
  b: fc.nat(999),
  parallelism,
  chaining: fc.constantFrom('free', 'free', 'free', 'head', 'never'),
  isShown: fc.boolean(),
});

export const programs: fc.Arbitrary<ProgramSpec> = fc.record({
  sources: fc.array(sourceSpec, { minLength: 1, maxLength: 3 }),
  stages: fc.array(stageSpec, { minLength: 1, maxLength: 9 }),
});

/** A split's records in the order in which they come: out of order by no more than the bound. */
function rowsOf(source: SourceSpec, name: string): Row[][] {
  return source.splits.map((split, index) => {
    let at = -30;
    return split
      .map(({ key, v, step, delay }, n) => {
        at += step;
        return { row: { id: `${name}${index}.${n}`, key, v, at }, comesAt: at + delay };
      })
      .sort((x, y) => x.comesAt - y.comesAt)
      .map(({ row }) => row);
  });
}

/** A program of which every result is determined, and bounded. */
export interface Resolved {
  readonly spec: ProgramSpec;
  readonly stages: readonly (StageSpec & { readonly stage: Stage })[];
  readonly rows: readonly (readonly Row[][])[];
  /** By sink: the index of the stream that it shows. */
  readonly shown: readonly number[];
  readonly expected: readonly string[];
}

export function resolve(spec: ProgramSpec): Resolved {
  const rows = spec.sources.map((source, index) => rowsOf(source, 'abc'.charAt(index)));
  const streams: Row[][] = rows.map((splits) => splits.flat());
  const read = new Set<number>();
  const resolved = spec.stages.map((stageOf) => {
    const first = stageOf.first % streams.length;
    const second = stageOf.second % streams.length;
    let name = stageOf.name;
    let result = stages[name].expect(streams[first]!, streams[second]!, stageOf);
    if (result === NO_RESULT || result.length > MAX_ROWS) {
      name = 'filter';
      result = stages.filter.expect(streams[first]!, [], stageOf);
    }
    const stage: Stage = stages[name];
    read.add(first);
    if (stage.inputs === 2) read.add(second);
    streams.push(result);
    return { ...stageOf, name, first, second, stage };
  });
  const shown = streams.flatMap((_, index) => {
    const isShown = !read.has(index) || resolved[index - rows.length]?.isShown === true;
    return isShown ? [index] : [];
  });
  const expected = shown.flatMap((stream, sink) => streams[stream]!.map((row) => lineOf(sink, row))).sort();
  return { spec, stages: resolved, rows, shown, expected };
}

export const lineOf = (sink: number, { id, key, v, at }: Row): string => `${sink}: ${id} ${key} ${v} @${at}`;

/** Sources remember where they have failed: the same ones serve all runs of a job. */
export function makeSources({ spec, rows }: Resolved, hasFailures: boolean): ScriptedSource<Row>[] {
  return spec.sources.map(({ batch, failures }, index) => {
    const scripts = rows[index]!.map((split, at) => {
      const script: ScriptStep<Row>[] = split.map((value) => ({ value, timestamp: value.at }));
      if (!hasFailures) return script;
      for (const failure of failures) if (failure.split === at) script.splice(failure.step, 0, FAIL);
      return script;
    });
    return new ScriptedSource(scripts, { batch });
  });
}

export function build(
  env: StreamExecutionEnvironment,
  program: Resolved,
  sources: readonly Source<Row>[],
  sinkOf: (sink: number) => Sink<string>,
  /** What each source's records go through first. */
  through: (stream: DataStream<Row>) => DataStream<Row> = (stream) => stream,
): void {
  const strategy = WatermarkStrategy.forBoundedOutOfOrderness<Row>(DISORDER_MS);
  const streams: DataStream<Row>[] = program.spec.sources.map((source, index) => {
    const emission = source.isPeriodic ? 'periodic' : 'on-advance';
    const read = env.fromSource(sources[index]!, strategy.withEmission(emission), `source ${index}`);
    if (source.parallelism !== undefined) read.setParallelism(source.parallelism);
    const stream = through(read);
    return source.throttle === undefined ? stream : throttled(stream, source.throttle);
  });
  for (const { stage, first, second, chaining, parallelism: own, a, b } of program.stages) {
    const { stream, operator } = stage.build(streams[first]!, streams[second]!, { a, b });
    const fixed = stage.fixed ?? own;
    // What runs once only refuses any other parallelism.
    const isForAll = stage === stages.windows && (a >> 1) % 4 === 3;
    if (fixed !== undefined && !isForAll) operator.setParallelism(fixed);
    if (chaining === 'head') operator.startNewChain();
    if (chaining === 'never') operator.disableChaining();
    streams.push(stream);
  }
  for (const [sink, stream] of program.shown.entries()) {
    streams[stream]!.map((row) => lineOf(sink, row)).sinkTo(sinkOf(sink));
  }
}

function throttled(stream: DataStream<Row>, capacity: number): DataStream<Row> {
  const asyncInvoke = async (row: Row) => {
    await turn();
    return [row];
  };
  return AsyncDataStream.orderedWait(stream, { asyncInvoke }, { timeoutMs: Infinity, capacity });
}
