/** What windows, joins and rolling reduces keep, brought to later versions while the job is rescaled 1 → 2 → 3 → 1. */
import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  CountEvictor,
  CountTrigger,
  EventTimeSessionWindows,
  heapStateBackend,
  GlobalWindows,
  SavepointReader,
  SlidingEventTimeWindows,
  StateSchema,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type AggregateFunction,
  type DataStream,
  type KeyedStream,
  type SchemaOptions,
} from '../../src/index.js';
import { diskStateBackend } from '../../src/disk-state/index.js';
import { watermark } from '../../src/testing/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { failureOf } from '../support/conditions.js';
import { temporaryDirectory } from '../support/disk-store.js';
import { refuseUnhandledRejections } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { runPhases, runThrough, startPhase, type Phase, type PhasedJob } from '../support/phases.js';
import type { ScriptStep } from '../support/scripted-source.js';

refuseUnhandledRejections();

/** Version 1 of a record has `n`, version 2 `boxed`, version 3 a `unit` besides. */
interface Item {
  readonly id: number;
  readonly side: 'left' | 'right';
  readonly n?: number;
  readonly boxed?: number;
  readonly unit?: string;
}
/** Version 1 of an accumulator is a number. */
type Sum = number | { readonly sum: number; readonly unit?: string };

const items = StateSchema.initial<Item>();
const boxed = items.migrate(({ n, ...item }): Item => ({ ...item, boxed: of(n) }));
const withUnit = boxed.migrate((item): Item => ({ ...item, boxed: of(item.boxed), unit: 'pieces' }));
const sums = StateSchema.initial<number>();
const objects = sums.migrate((sum) => ({ sum: of(sum) }));
const sumsWithUnit = objects.migrate(({ sum }) => ({ sum: of(sum), unit: 'pieces' }));

/** A migration is given what the version before has. */
function of(n: unknown): number {
  if (typeof n !== 'number') throw new TypeError(`not a number: ${String(n)}`);
  return n;
}

/** The program of a version: how it reads and writes what it keeps. A program knows its own version only. */
function versionOf(version: number) {
  const schema = [items, boxed, withUnit][version - 1]!;
  const accumulators = [sums, objects, sumsWithUnit][version - 1] as StateSchema<Sum>;
  const box = ({ n, ...item }: Item): Item => {
    if (version === 1) return { ...item, n: n! };
    return version === 2 ? { ...item, boxed: n! } : { ...item, boxed: n!, unit: 'pieces' };
  };
  const numberOf = (item: Item): number => {
    const { id, side } = item;
    const n = of(version === 1 ? item.n : item.boxed);
    expect(item).toEqual(box({ id, side, n }));
    return n;
  };
  const add = (a: Item, b: Item): Item => box({ id: a.id, side: a.side, n: numberOf(a) + numberOf(b) });
  const sumOf = (n: number): Sum => [n, { sum: n }, { sum: n, unit: 'pieces' }][version - 1]!;
  const read = (sum: Sum): number => {
    const n = typeof sum === 'number' ? sum : sum.sum;
    expect(sum).toEqual(sumOf(n));
    return n;
  };
  const aggregate = (sharesPanes: boolean): AggregateFunction<Item, Sum, number> => ({
    createAccumulator: () => sumOf(0),
    add: (item, sum) => sumOf(read(sum) + numberOf(item)),
    getResult: read,
    merge: (a, b) => sumOf(read(a) + read(b)),
    sharesPanes,
  });
  return { schema, accumulators, box, numberOf, add, aggregate };
}

const KEYS = 7;
const PER_PHASE = 30;

const inputs: ScriptStep<Item>[][] = [0, 1, 2, 3].map((phase) => {
  const steps: ScriptStep<Item>[] = [];
  for (let i = 0; i < PER_PHASE; i++) {
    const n = phase * PER_PHASE + i;
    const side = n % 4 < 2 ? 'left' : 'right';
    steps.push({ value: { id: (n * 5) % KEYS, n, side }, timestamp: n * 10 + (n % 4) * 2 });
    if (n % 10 === 9) steps.push(watermark(n * 10 - 40));
  }
  return steps;
});

type Version = ReturnType<typeof versionOf>;
type Keyed = KeyedStream<Item, number>;

const assigners = {
  tumbling: TumblingEventTimeWindows.of(250),
  sliding: SlidingEventTimeWindows.of(400, 100),
  session: EventTimeSessionWindows.withGap(70),
};

const windowed = Object.entries(assigners).flatMap(([name, assigner]) => {
  const all: [string, (keyed: Keyed, version: Version) => DataStream<string>][] = [
    [
      `${name} windows with reduce`,
      (keyed, { schema, add, numberOf }) =>
        keyed
          .window(assigner)
          .reduce(add, { schema })
          .uid('kept')
          .map((item) => `${item.id} ${numberOf(item)}`),
    ],
    [
      `${name} windows with reduce, process and lateness`,
      (keyed, { schema, add, numberOf }) =>
        keyed
          .window(assigner)
          .allowedLateness(200)
          .reduce<string>(
            add,
            (key, { window }, [item], out) => out.collect(`${key} ${window.start} ${numberOf(item!)}`),
            { schema },
          )
          .uid('kept'),
    ],
    ...[false, true].map((sharesPanes): [string, (keyed: Keyed, version: Version) => DataStream<string>] => [
      `${name} windows with aggregate, whose panes are ${sharesPanes ? '' : 'not '}shared`,
      (keyed, { accumulators, aggregate }) =>
        keyed
          .window(assigner)
          .aggregate<Sum, number, string>(
            aggregate(sharesPanes),
            (key, { window }, [sum], out) => out.collect(`${key} ${window.start} ${sum}`),
            { schema: accumulators },
          )
          .uid('kept'),
    ]),
    [
      `${name} windows with process`,
      (keyed, { schema, numberOf }) =>
        keyed
          .window(assigner)
          .process<string>(
            (key, { window }, all, out) =>
              out.collect(`${key} ${window.start} ${[...all].map(numberOf).join()}`),
            { schema },
          )
          .uid('kept'),
    ],
    [
      `${name} windows with an evictor`,
      (keyed, { schema, numberOf }) =>
        keyed
          .window(assigner)
          .evictor(CountEvictor.of(3))
          .process<string>(
            (key, { window }, all, out) =>
              out.collect(`${key} ${window.start} ${[...all].map(numberOf).join()}`),
            { schema },
          )
          .uid('kept'),
    ],
  ];
  return all;
});

const sides = (keyed: Keyed, { schema }: Version) => {
  const of = (wanted: Item['side']) =>
    keyed.stream
      .filter(({ side }) => side === wanted)
      .uid(wanted)
      .setParallelism(1);
  return { left: of('left'), right: of('right'), options: { leftSchema: schema, rightSchema: schema } };
};
const byId = (stream: DataStream<Item>) => stream.keyBy(({ id }) => id);
const fields = (n: number | undefined) => n ?? '-';

const programs: readonly [string, (keyed: Keyed, version: Version) => DataStream<string>][] = [
  ...windowed,
  [
    'count windows with reduce',
    (keyed, { schema, add, numberOf }) =>
      keyed
        .countWindow(5)
        .reduce(add, { schema })
        .uid('kept')
        .map((item) => `${item.id} ${numberOf(item)}`),
  ],
  [
    'sliding count windows with aggregate',
    (keyed, { schema, aggregate }) =>
      keyed.countWindow(5, 2).aggregate(aggregate(true), { recordSchema: schema }).uid('kept').map(String),
  ],
  [
    'windows with a trigger and a field',
    (keyed, { schema, numberOf }) =>
      keyed
        .window(GlobalWindows.create())
        .trigger(CountTrigger.of(4))
        .maxBy('id', { schema })
        .uid('kept')
        .map((item) => `${item.id} ${numberOf(item)}`),
  ],
  [
    'windows over all records',
    (keyed, { schema, numberOf }) =>
      keyed.stream
        .windowAll(TumblingEventTimeWindows.of(250))
        .process<string>((_context, all, out) => out.collect([...all].map(numberOf).sort().join()), {
          schema,
        })
        .uid('kept'),
  ],
  [
    'a window join',
    (keyed, version) => {
      const { left, right, options } = sides(keyed, version);
      const { numberOf } = version;
      return left
        .join(right, 'full')
        .where(({ id }) => id)
        .equalTo(({ id }) => id)
        .window(SlidingEventTimeWindows.of(400, 100))
        .apply((l, r) => `${fields(l && numberOf(l))} ${fields(r && numberOf(r))}`, options)
        .uid('kept');
    },
  ],
  [
    'a coGroup with an evictor',
    (keyed, version) => {
      const { left, right, options } = sides(keyed, version);
      const { numberOf } = version;
      return left
        .coGroup(right)
        .where(({ id }) => id)
        .equalTo(({ id }) => id)
        .window(TumblingEventTimeWindows.of(400))
        .evictor(CountEvictor.of(100))
        .apply<string>(
          (ls, rs, out) => out.collect([ls, rs].map((all) => all.map(numberOf).sort().join()).join(' ')),
          options,
        )
        .uid('kept');
    },
  ],
  [
    'an interval join',
    (keyed, version) => {
      const { left, right, options } = sides(keyed, version);
      const { numberOf } = version;
      return byId(left)
        .intervalJoin(byId(right), 'full')
        .between(-150, 300)
        .process<string>(
          (l, r, _context, out) => out.collect(`${fields(l && numberOf(l))} ${fields(r && numberOf(r))}`),
          options,
        )
        .uid('kept');
    },
  ],
  [
    'a temporal join',
    (keyed, version) => {
      const { left, right, options } = sides(keyed, version);
      const { numberOf } = version;
      return byId(left)
        .temporalJoin(byId(right), 'left')
        .deletedWhen((item) => numberOf(item) % 5 === 0)
        .process<string>(
          (l, r, _context, out) => out.collect(`${numberOf(l)} ${fields(r && numberOf(r))}`),
          options,
        )
        .uid('kept');
    },
  ],
  [
    'a rolling reduce',
    (keyed, { schema, add, numberOf }) =>
      keyed
        .reduce(add, { schema })
        .uid('kept')
        .map((item) => `${item.id} ${numberOf(item)}`),
  ],
  [
    'a rolling maximum',
    (keyed, { schema, numberOf }) =>
      keyed
        .maxBy('id', { schema } satisfies SchemaOptions<Item>)
        .uid('kept')
        .map((item) => `${item.id} ${numberOf(item)}`),
  ],
];

function jobOf(build: (keyed: Keyed, version: Version) => DataStream<string>): PhasedJob<Item> {
  return {
    inputs,
    build(stream, { version }) {
      const own = versionOf(version);
      return build(byId(stream.map(own.box).uid('box').setParallelism(1)), own);
    },
  };
}

const rescaled = (versions: readonly number[]): Phase[] =>
  versions.map((version, index) => ({ version, parallelism: [1, 2, 3, 1][index]! }));

describe.each([
  { backend: 'heap', via: 'savepoint', versions: [1, 2, 3, 3] },
  { backend: 'disk', via: 'storage', versions: [1, 2, 3, 3] }, // in place, but for the first one
  { backend: 'both', via: 'savepoint', versions: [1, 3, 3, 3] },
] as const)('with state on $backend, in versions $versions', ({ backend, via, versions }) => {
  it.each(programs)('P9: %s has the same values in later versions', async (_name, build) => {
    const job = jobOf(build);
    const outputs = await runPhases(job, rescaled(versions), { backend, via });
    const expected = await runThrough(job, { parallelism: 1, version: 1 });
    expect(expected.length).toBeGreaterThan(4);
    expect(outputs.toSorted()).toEqual(expected.toSorted());
  });
});

describe('a start whose windows and joins do not fit', () => {
  /** Windows, a windowed join and an interval join: what they keep is of version 2. */
  const build = (schema: StateSchema<Item>, leftSchema: StateSchema<Item>): PhasedJob<Item> => ({
    inputs,
    build(stream) {
      const keyed = byId(stream);
      const none = new CollectingSink<unknown>();
      keyed
        .window(assigners.tumbling)
        .reduce((a) => a, { schema })
        .uid('windows')
        .sinkTo(none)
        .uid('1');
      const window = stream
        .join(stream)
        .where(({ id }) => id)
        .equalTo(({ id }) => id)
        .window(assigners.sliding);
      window
        .apply((l) => l.id, { leftSchema, rightSchema: schema })
        .uid('joined')
        .sinkTo(none)
        .uid('2');
      const descriptor = new ValueStateDescriptor('last', { schema });
      return keyed
        .process<Item>((context) => {
          const last = context.getState(descriptor);
          return { processElement: (item, _context, out) => (last.update(item), out.collect(item)) };
        })
        .uid('keyed')
        .keyBy(({ id }) => id)
        .intervalJoin(keyed, 'full')
        .between(-1000, 1000)
        .process<string>((l, r, _context, out) => out.collect(`${l?.n} ${r?.n}`), {
          leftSchema,
          rightSchema: schema,
        })
        .uid('interval');
    },
  });
  const two = StateSchema.startingAt<Item>(2);
  const phase = { parallelism: 2, version: 1 };

  it.each(['heap', 'disk'] as const)(
    'P8: is told every difference at once, on %s, and no migration is run',
    async (where) => {
      const storage = new MemoryStorage();
      const directory = temporaryDirectory();
      const backend = where === 'heap' ? heapStateBackend() : diskStateBackend({ directory });
      const start = (job: PhasedJob<Item>, index: number) =>
        startPhase(job, index, phase, { config: { storage }, backend });
      const { client } = await start(build(two, two), 0);
      await client.stop();
      let calls = 0;
      const migrated = two.migrate((item) => (calls++, item));
      const error = await failureOf(start(build(StateSchema.initial(), migrated), 1));
      expect(error).toBeInstanceOf(CheckpointError);
      const older = 'has version 2 in the checkpoint, but version 1 in the program, which is older.';
      for (const line of [
        `'Window Reduce' (uid 'windows'): What its windows keep ${older}`,
        `'WindowJoin' (uid 'joined'): What its windows keep of the right side ${older}`,
        `'IntervalJoin' (uid 'interval'): What it keeps of the right side ${older}`,
        `'KeyedProcess' (uid 'keyed'): State 'last' ${older}`,
        '(4 differences)',
      ]) {
        expect(error.message).toContain(line);
      }
      expect(calls).toBe(0);
      // What is stored is as it was: the right program goes on from it, and brings it to its version.
      const next = await start(build(migrated, migrated), 1);
      await next.client.stop();
      expect(calls).toBeGreaterThan(0);
      const reader = await SavepointReader.open(storage);
      const versions = reader.operators.flatMap(({ uid, states }) =>
        states.map(({ name, kind, version }) => `${uid} ${kind} ${name} ${version}`),
      );
      expect(versions.filter((text) => !text.startsWith('in '))).toEqual([
        'windows window contents 3',
        'joined window left 3',
        'joined window right 3',
        'keyed value last 3',
        'interval join left 3',
        'interval join right 3',
      ]);
      for (const [uid, name] of [
        ['joined', 'left'],
        ['interval', 'right'],
      ] as const) {
        for await (const { key, value } of reader.readState(uid, name)) {
          expect(value).toBeInstanceOf(Array);
          expect((value as unknown[]).length).toBeGreaterThan(0);
          expect(key).toBeLessThan(KEYS);
        }
      }
    },
  );
});

it('what a run on disk has migrated that died before its first checkpoint is migrated again', async () => {
  const [, program] = programs.find(([name]) => name === 'an interval join')!;
  const job = jobOf(program);
  const backend = diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 1 });
  const config = { storage: new MemoryStorage() };
  const outputs: string[] = [];
  const first = await startPhase(job, 0, { parallelism: 2, version: 1 }, { config, backend });
  await first.client.stop();
  outputs.push(...first.sink.values);
  const second = await startPhase(job, 1, { parallelism: 2, version: 2 }, { config, backend });
  second.client.cancel();
  await failureOf(second.client.result);
  const all: PhasedJob<Item> = { ...job, inputs: [inputs[0]!, inputs.slice(1).flat()] };
  const third = await startPhase(all, 1, { parallelism: 3, version: 3 }, { config, backend });
  await third.client.stop({ drain: true });
  outputs.push(...third.sink.values);
  const expected = await runThrough(job, { parallelism: 1, version: 1 });
  expect(outputs.toSorted()).toEqual(expected.toSorted());
});

it('an aggregate is told which schema it takes', () => {
  const schema = StateSchema.initial<number>();
  const job = (slide: number | undefined, options: { schema?: typeof schema; recordSchema?: typeof items }) =>
    runThrough(
      jobOf((keyed) =>
        keyed
          .countWindow(4, slide)
          .aggregate(versionOf(1).aggregate(true) as AggregateFunction<Item, number, number>, options)
          .map(String),
      ),
      { parallelism: 1, version: 1 },
    );
  return Promise.all([
    expect(job(2, { schema })).rejects.toThrow(/keeps the records of a window.*need a recordSchema/),
    expect(job(undefined, { recordSchema: items })).rejects.toThrow(/keeps an accumulator.*needs a schema/),
  ]);
});
