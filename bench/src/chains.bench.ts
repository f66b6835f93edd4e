/**
 * Chains of six functions as generated code and as closures, both in one process with several programs, as services
 * have them: from the second program on, closures share their call sites, generated code does not.
 * The hand-written loop of each program is the floor; all three results must agree.
 */
import { DataGeneratorSource, StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { benchOptions, median } from './options.js';

const { size, runs, json } = benchOptions({ size: 2_000_000, runs: 5 });

/** Three maps, a filter after each. */
interface Program {
  readonly maps: readonly ((n: number) => number)[];
  readonly filters: readonly ((n: number) => boolean)[];
}

const maps = [
  (n: number) => n + 1,
  (n: number) => n ^ 3,
  (n: number) => (n * 2) | 0,
  (n: number) => n - 7,
  (n: number) => n | 1,
  (n: number) => ~n,
  (n: number) => n & 0xffff,
];
const filters = [
  (n: number) => n % 3 !== 0,
  (n: number) => (n & 7) !== 1,
  (n: number) => n > -1e9,
  (n: number) => n % 5 !== 2,
  (n: number) => n !== 17,
];
const programs = Array.from({ length: 6 }, (_, program): Program => {
  const each = [0, 1, 2];
  return {
    maps: each.map((i) => maps[(program + 2 * i) % maps.length]!),
    filters: each.map((i) => filters[(program + i) % filters.length]!),
  };
});

interface Outcome {
  readonly result: string;
  readonly recordsPerSecond: number;
}

class Tally {
  #count = 0;
  #sum = 0;

  add(value: number): void {
    this.#count++;
    this.#sum = (this.#sum + value) | 0;
  }

  outcome(startedAt: number): Outcome {
    const elapsedMs = performance.now() - startedAt;
    return { result: `${this.#count}/${this.#sum}`, recordsPerSecond: Math.round((size / elapsedMs) * 1000) };
  }
}

async function engine({ maps, filters }: Program, codeGeneration: 'auto' | 'off'): Promise<Outcome> {
  const tally = new Tally();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ codeGeneration });
  let stream = env.fromSource(
    new DataGeneratorSource((n) => n, size),
    WatermarkStrategy.noWatermarks<number>(),
    'numbers',
  );
  for (const [i, map] of maps.entries()) stream = stream.map(map).filter(filters[i]!);
  stream.addSink({ emit: (value) => tally.add(value) });
  const startedAt = performance.now();
  await env.execute('chain');
  return tally.outcome(startedAt);
}

/** What one would write by hand, with the same functions. */
function loop({ maps, filters }: Program): Outcome {
  const tally = new Tally();
  const [m1, m2, m3] = maps as [Program['maps'][0], Program['maps'][0], Program['maps'][0]];
  const [f1, f2, f3] = filters as [Program['filters'][0], Program['filters'][0], Program['filters'][0]];
  const startedAt = performance.now();
  for (let n = 0; n < size; n++) {
    const first = m1(n);
    if (!f1(first)) continue;
    const second = m2(first);
    if (!f2(second)) continue;
    const third = m3(second);
    if (f3(third)) tally.add(third);
  }
  return tally.outcome(startedAt);
}

const measured: Record<'loop' | 'generated' | 'closures', number[]> = {
  loop: [],
  generated: [],
  closures: [],
};
for (let run = 0; run < runs; run++) {
  for (const program of programs) {
    const outcomes = {
      loop: loop(program),
      generated: await engine(program, 'auto'),
      closures: await engine(program, 'off'),
    };
    for (const [name, { result }] of Object.entries(outcomes)) {
      if (result !== outcomes.loop.result) {
        throw new Error(`${name}: the result is ${result}, the loop's is ${outcomes.loop.result}`);
      }
    }
    if (run === 0 && program === programs[0]) continue; // warm-up: nothing is compiled yet
    for (const [name, { recordsPerSecond }] of Object.entries(outcomes)) {
      measured[name as keyof typeof measured].push(recordsPerSecond);
    }
  }
}
const [loopSpeed, generated, closures] = [
  median(measured.loop),
  median(measured.generated),
  median(measured.closures),
];
const report = [
  {
    case: `${programs.length} programs of 6 functions`,
    records: size,
    loopPerSecond: loopSpeed,
    generatedPerSecond: generated,
    closuresPerSecond: closures,
    generatedToClosures: Number((generated / closures).toFixed(2)),
  },
];
if (json) console.log(JSON.stringify(report));
else console.table(report);
