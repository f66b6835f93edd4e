/** SPEC.md, "Batch mode": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type DataStream,
} from '../../src/index.js';
import {
  CollectingSink,
  drive,
  ManualClock,
  ScriptedSource,
  timed,
  type ScriptStep,
} from '../../src/testing/index.js';

interface Reading {
  readonly key: string;
  readonly at: number;
}

const readings = (...pairs: readonly (readonly [string, number])[]): ScriptStep<Reading>[] =>
  timed(pairs.map(([key, at]) => [{ key, at }, at] as const));

/** What `program` makes of the scripts. */
async function run<R>(
  runtimeMode: 'batch' | 'streaming',
  scripts: readonly (readonly ScriptStep<Reading>[])[],
  program: (stream: DataStream<Reading>) => DataStream<R>,
): Promise<R[]> {
  const clock = new ManualClock();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, runtimeMode });
  const sink = new CollectingSink<R>();
  const strategy = WatermarkStrategy.forBoundedOutOfOrderness<Reading>(1_000);
  program(env.fromSource(new ScriptedSource(scripts), strategy, 'readings')).sinkTo(sink);
  await drive(env.executeAsync(runtimeMode), clock);
  return sink.values;
}

/** The records as they come, with the watermark that they meet, and timers at two fixed times. */
const observe = (stream: DataStream<Reading>) =>
  stream
    .keyBy(({ key }) => key)
    .process<string>(() => ({
      processElement({ key, at }, { timers, currentWatermark }, out) {
        out.collect(`${key} ${at} ${currentWatermark}`);
        timers.registerEventTimeTimer(20);
        timers.registerEventTimeTimer(10);
        timers.registerProcessingTimeTimer(1e9);
      },
      onTimer: (timestamp, { currentKey, timeDomain }, out) =>
        out.collect(`${currentKey} ${timeDomain} ${timestamp}`),
    }));

/** The parts of `lines` that begin with the same key, one after the other. */
function byKey(lines: readonly string[]): string[][] {
  const groups: string[][] = [];
  for (const line of lines) {
    const last = groups.at(-1);
    if (last?.[0]?.[0] === line[0]) last?.push(line);
    else groups.push([line]);
  }
  return groups.sort();
}

describe('batch mode', () => {
  it('B1: a keyed operator gets all records of a key together, in the order of their time', async () => {
    const scripts = [readings(['a', 5], ['b', 3], ['a', 1]), readings(['b', 2], ['a', 30], ['c', 0])];
    const lines = await run('batch', scripts, observe);
    expect(byKey(lines.filter((line) => !line.includes('time')))).toEqual([
      ['a 1 -Infinity', 'a 5 -Infinity', 'a 30 -Infinity'],
      ['b 2 -Infinity', 'b 3 -Infinity'],
      ['c 0 -Infinity'],
    ]);
  });

  it('B2: a key’s timers fire when it has no further record, before the next key: event time first', async () => {
    const scripts = [readings(['a', 5], ['b', 3], ['a', 50])];
    const timers = ['event-time 10', 'event-time 20', 'processing-time 1000000000'];
    expect(byKey(await run('batch', scripts, observe))).toEqual([
      ['a 5 -Infinity', 'a 50 -Infinity', ...timers.map((timer) => `a ${timer}`)],
      ['b 3 -Infinity', ...timers.map((timer) => `b ${timer}`)],
    ]);
  });

  it('B3: a rolling operation emits a key’s final result only', async () => {
    const scripts = [readings(['a', 1], ['b', 2], ['a', 4], ['a', 2])];
    const sum = (stream: DataStream<Reading>) => stream.keyBy(({ key }) => key).sum('at');
    expect((await run('batch', scripts, sum)).map(({ key, at }) => `${key} ${at}`).sort()).toEqual([
      'a 7',
      'b 2',
    ]);
    expect((await run('streaming', scripts, sum)).map(({ key, at }) => `${key} ${at}`)).toEqual([
      'a 1',
      'b 2',
      'a 5',
      'a 7',
    ]);
  });

  it('B4: nothing is late, and windows hold what they hold in a stream without late records', async () => {
    const script = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: -50, max: 50 })), {
      maxLength: 20,
    });
    const program = (stream: DataStream<Reading>) =>
      stream
        .keyBy(({ key }) => key)
        .window(TumblingEventTimeWindows.of(10))
        .process<string>((key, { window }, elements, out) => {
          const times = Array.from(elements, ({ at }) => at).sort((x, y) => x - y);
          out.collect(`${key} ${window.start} ${times.join(' ')}`);
        });
    await fc.assert(
      fc.asyncProperty(script, script, async (one, two) => {
        const scripts = [readings(...one), readings(...two)];
        const batch = await run('batch', scripts, program);
        expect(batch.sort()).toEqual((await run('streaming', scripts, program)).sort());
      }),
      { numRuns: 100 },
    );
  });
});
