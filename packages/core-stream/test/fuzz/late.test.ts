/** Late records: of one split, so that it is determined which ones are late, against windows played record by record. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  EventTimeSessionWindows,
  OutputTag,
  SlidingEventTimeWindows,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type Sink,
} from '../../src/index.js';
import { FAIL, type ScriptStep } from '../../src/testing/index.js';
import { until } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { Random } from '../support/random.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

const RUNS = Number(process.env.FUZZ_RUNS ?? 60);
const SEED = process.env.FUZZ_SEED === undefined ? {} : { seed: Number(process.env.FUZZ_SEED) };

interface Event {
  readonly id: number;
  readonly key: number;
  readonly at: number;
}

const drawn = fc.record({
  events: fc.array(
    fc.record({
      key: fc.integer({ min: 0, max: 3 }),
      step: fc.integer({ min: 0, max: 9 }),
      back: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 70 })),
    }),
    { minLength: 1, maxLength: 60 },
  ),
  boundMs: fc.integer({ min: 0, max: 10 }),
  latenessMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
  size: fc.integer({ min: 2, max: 25 }),
  slide: fc.integer({ min: 1, max: 30 }),
  kind: fc.constantFrom('sliding' as const, 'sessions' as const),
  sharesPanes: fc.boolean(),
  failures: fc.array(fc.nat(60), { maxLength: 4 }),
  /** After how many records the source waits for the next turn. */
  pauseAfter: fc.integer({ min: 1, max: 10 }),
  seed: fc.integer(),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer D> ? D : never;

function eventsOf({ events }: Drawn): Event[] {
  let time = 0;
  return events.map(({ key, step, back }, id) => ({ id, key, at: (time += step) - back }));
}

interface Pane {
  start: number;
  end: number;
  readonly key: number;
  ids: number[];
  hasFired: boolean;
}

const rowOf = ({ key, start, end, ids }: Pane): string =>
  `${key} [${start}, ${end}): ${[...ids].sort((a, b) => a - b).join(',')}`;

function expectedOf(input: Drawn): string[] {
  const { boundMs, latenessMs, size, slide, kind } = input;
  const rows: string[] = [];
  let panes: Pane[] = [];
  let watermark = -Infinity;
  const isGone = ({ end }: { end: number }) => end - 1 + latenessMs <= watermark;
  const add = (pane: Pane, id: number) => {
    pane.ids.push(id);
    pane.hasFired = pane.end - 1 <= watermark;
    if (pane.hasFired) rows.push(rowOf(pane));
  };
  for (const { id, key, at } of eventsOf(input)) {
    let isAdded = false;
    if (kind === 'sliding') {
      for (let start = Math.floor(at / slide) * slide; start > at - size; start -= slide) {
        const end = start + size;
        if (isGone({ end })) continue;
        let pane = panes.find((other) => other.key === key && other.start === start);
        if (pane === undefined) panes.push((pane = { start, end, key, ids: [], hasFired: false }));
        add(pane, id);
        isAdded = true;
      }
    } else {
      const met = panes.filter((other) => other.key === key && other.start <= at + size && other.end >= at);
      const start = Math.min(at, ...met.map((pane) => pane.start));
      const end = Math.max(at + size, ...met.map((pane) => pane.end));
      if (!isGone({ end })) {
        panes = panes.filter((pane) => !met.includes(pane));
        const isSame = met.length === 1 && met[0]!.start === start && met[0]!.end === end;
        const hasFired = isSame && met[0]!.hasFired;
        const merged = { start, end, key, ids: met.flatMap((pane) => pane.ids), hasFired };
        panes.push(merged);
        add(merged, id);
        isAdded = true;
      }
    }
    if (!isAdded && at + latenessMs <= watermark) rows.push(`late ${id}`);
    watermark = Math.max(watermark, at - boundMs - 1);
    fire();
  }
  watermark = Infinity;
  fire();
  return rows.sort();

  function fire(): void {
    for (const pane of panes) {
      if (pane.hasFired || pane.end - 1 > watermark) continue;
      pane.hasFired = true;
      rows.push(rowOf(pane));
    }
    panes = panes.filter((pane) => !isGone(pane));
  }
}

function build(
  env: StreamExecutionEnvironment,
  input: Drawn,
  source: ScriptedSource<Event>,
  sink: Sink<string>,
): void {
  const { boundMs, latenessMs, size, slide, kind, sharesPanes } = input;
  const strategy = WatermarkStrategy.forBoundedOutOfOrderness<Event>(boundMs)
    .withTimestampAssigner((event) => event.at)
    .withEmission('on-advance');
  const events = env.fromSource(source, strategy, 'events').setParallelism(1);
  const late = new OutputTag<Event>('late');
  const assigner =
    kind === 'sliding' ? SlidingEventTimeWindows.of(size, slide) : EventTimeSessionWindows.withGap(size);
  const results = events
    .keyBy((event) => event.key)
    .window(assigner)
    .allowedLateness(latenessMs)
    .sideOutputLateData(late)
    .aggregate<readonly number[], readonly number[], string>(
      {
        createAccumulator: () => [],
        add: (event, ids) => [...ids, event.id],
        getResult: (ids) => [...ids],
        merge: (a, b) => [...a, ...b],
        sharesPanes,
      },
      (key, { window: { start, end } }, [ids], out) =>
        out.collect(rowOf({ key, start, end, ids: [...ids!], hasFired: true })),
    );
  results.union(results.getSideOutput(late).map(({ id }) => `late ${id}`)).sinkTo(sink);
}

it(
  'are added to windows that allow it, and go to the late output otherwise, also over restarts',
  { timeout: Math.max(240_000, RUNS * 1000) },
  async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (input) => {
        const script: ScriptStep<Event>[] = eventsOf(input).flatMap((value, n) =>
          n % input.pauseAfter === 0 ? [PAUSE, { value }] : [{ value }],
        );
        for (const step of input.failures) script.splice(step, 0, FAIL);
        const source = new ScriptedSource([script], { batch: 2 });
        const storage = new MemoryStorage();
        const system = new ExternalSystem<string>();
        const clock = new ManualClock();
        const random = new Random(input.seed);
        for (;;) {
          const env = StreamExecutionEnvironment.getExecutionEnvironment({
            clock,
            parallelism: 1 + random.below(3),
            operatorChaining: random.below(2) === 0,
          });
          env.enableCheckpointing({ intervalMs: 1 + random.below(3), storage });
          build(env, input, source, new TransactionalSink(system));
          const outcome: { error?: unknown } = {};
          let hasEnded = false;
          env.executeAsync('late').result.then(
            () => (hasEnded = true),
            (error: unknown) => {
              outcome.error = error;
              hasEnded = true;
            },
          );
          let emitted = -1;
          await until(
            () => hasEnded,
            () => {
              clock.advance(1);
              if (emitted === source.emitted) source.resume();
              emitted = source.emitted;
            },
          );
          const { error } = outcome;
          if (error === undefined) break;
          if (!String(error).includes('the script says so')) throw error;
        }
        expect(system.visible.sort()).toEqual(expectedOf(input));
      }),
      { numRuns: RUNS, ...SEED },
    );
  },
);
