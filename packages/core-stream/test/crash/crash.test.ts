/**
 * A real process, killed by `SIGKILL` at random instants and started again each time, also at another parallelism.
 * `MILLRACE_CRASH_SEED` repeats the choices of a run, as far as a process can be repeated; `MILLRACE_CRASH_KILLS` sets how often.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runUntilKilled, type Kill } from '../support/killed-process.js';
import { Random } from '../support/random.js';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

const KILLS = Number(process.env['MILLRACE_CRASH_KILLS'] ?? 100);
const SEED = Number(process.env['MILLRACE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Jobs that are run, and killed, at the same time. */
const LANES = 2;
/** Enough that a job lives through about twenty kills. */
const RECORDS = 4_000;
/** From the start of the process: Node itself takes the first of it. */
const MIN_LIFE_MS = 100;
/** Until then: such instants lie in the start of the job, its restore and its first checkpoints. */
const MAX_LIFE_MS = 500;

type Backend = 'heap' | 'disk';

const program = join(import.meta.dirname, 'crashing-job.mjs');

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 60_000);
afterAll(() => built.remove());

/** Half of the instants count from the start, half from a line of progress: then they lie in the work. */
function randomKill(random: Random): Kill {
  return random.below(2) === 0
    ? { afterMs: MIN_LIFE_MS + random.below(MAX_LIFE_MS - MIN_LIFE_MS) }
    : { afterLines: 1 + random.below(12), afterMs: random.below(15) };
}

async function linesOf(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile()) continue; // what is not committed lies in a directory of its own
    lines.push(...(await readFile(join(folder, entry.name), 'utf8')).trimEnd().split('\n'));
  }
  return lines.sort();
}

/** The same, said in a few lines over all numbers at once. */
function oracle(): { counts: string[]; sums: string[] } {
  const counts = new Map<number, number>();
  const timers = new Set<string>();
  const sums = new Map<string, number>();
  const lines: string[] = [];
  for (let n = 0; n < RECORDS; n++) {
    counts.set(n % 13, (counts.get(n % 13) ?? 0) + 1);
    lines.push(`count ${n % 13} ${String(counts.get(n % 13))}`);
    timers.add(`timer ${n % 13} ${Math.floor(n / 50) * 50 + 70}`);
    const window = `sum ${n % 3} ${Math.floor(n / 100) * 100}`;
    sums.set(window, (sums.get(window) ?? 0) + n);
  }
  return {
    counts: [...lines, ...timers].sort(),
    sums: [...sums].map(([window, sum]) => `${window} ${sum}`).sort(),
  };
}

/** One job after the other, until `kills` have been killed in all. Each is run to its end and compared. */
async function kill(backend: Backend, random: Random, kills: number): Promise<number> {
  const expected = oracle();
  let killed = 0;
  while (killed < kills) {
    const directory = await mkdtemp(join(tmpdir(), `millrace-crash-${backend}-`));
    const run = (at: Kill) => {
      const parallelism = 1 + random.below(3);
      const options = { directory, backend, parallelism, records: RECORDS, url: built.url };
      return runUntilKilled(program, [JSON.stringify(options)], at);
    };
    while (!(await run(killed < kills ? randomKill(random) : {}))) killed++;
    expect(await linesOf(join(directory, 'counts/committed'))).toEqual(expected.counts);
    expect(await linesOf(join(directory, 'sums'))).toEqual(expected.sums);
    expect(await readdir(join(directory, 'counts/prepared'))).toEqual([]);
    // A finished job has nothing left to do.
    expect(await run({})).toBe(true);
    expect(await linesOf(join(directory, 'counts/committed'))).toEqual(expected.counts);
    await rm(directory, { recursive: true }); // where the test fails, its files stay
  }
  return killed;
}

describe.each<Backend>(['heap', 'disk'])('a job on %s state whose process is killed', (backend) => {
  it(`goes on from its files, and its output is complete and without duplicates: ${KILLS} kills, MILLRACE_CRASH_SEED=${SEED}`, async () => {
    const shares = Array.from({ length: LANES }, (_, lane) => Math.floor((KILLS + lane) / LANES));
    const killed = await Promise.all(
      shares.map((share, lane) => kill(backend, new Random(SEED + lane), share)),
    );
    expect(killed.reduce((sum, count) => sum + count, 0)).toBe(KILLS);
  }, 300_000);
});
