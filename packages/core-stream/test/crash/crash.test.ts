/**
 * A real process, killed by `SIGKILL` at random instants and started again each time, also at another parallelism.
 * `MILLRACE_CRASH_SEED` repeats the choices of a run, as far as a process can be repeated; `MILLRACE_CRASH_KILLS` sets how often.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../support/random.js';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

const KILLS = Number(process.env['MILLRACE_CRASH_KILLS'] ?? 100);
const SEED = Number(process.env['MILLRACE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Jobs that are run, and killed, at the same time. */
const LANES = 2;
/** Enough that a job lives through about twenty kills. */
const RECORDS = 4_000;
/** From the start of the process: half of the instants lie in its start and its restore, the others in its work. */
const MAX_LIFE_MS = 500;

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 60_000);
afterAll(() => built.remove());

/** When a process is killed: some time after its start, or at a line of its progress. */
type Kill = { readonly afterMs: number } | { readonly afterLines: number };

/** Runs the job; resolves with whether it got to its end. */
function run(directory: string, parallelism: number, kill: Kill | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const options = JSON.stringify({ directory, parallelism, records: RECORDS, url: built.url });
    const child = spawn(process.execPath, [join(import.meta.dirname, 'crashing-job.mjs'), options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { afterMs, afterLines } = { afterMs: undefined, afterLines: undefined, ...kill };
    const timer = afterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), afterMs);
    let lines = 0;
    let errors = '';
    let isFinished = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'finished') isFinished = true;
      else if (++lines === afterLines) child.kill('SIGKILL');
    });
    child.stderr.on('data', (text) => (errors += String(text)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (isFinished) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(`the job ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
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
async function kill(random: Random, kills: number): Promise<number> {
  const expected = oracle();
  let killed = 0;
  while (killed < kills) {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-crash-'));
    for (;;) {
      const at =
        random.below(2) === 0 ? { afterMs: random.below(MAX_LIFE_MS) } : { afterLines: 1 + random.below(12) };
      if (await run(directory, 1 + random.below(3), killed < kills ? at : undefined)) break;
      killed++;
    }
    expect(await linesOf(join(directory, 'counts/committed'))).toEqual(expected.counts);
    expect(await linesOf(join(directory, 'sums'))).toEqual(expected.sums);
    expect(await readdir(join(directory, 'counts/prepared'))).toEqual([]);
    // A finished job has nothing left to do.
    expect(await run(directory, 2, undefined)).toBe(true);
    expect(await linesOf(join(directory, 'counts/committed'))).toEqual(expected.counts);
    await rm(directory, { recursive: true }); // where the test fails, its files stay
  }
  return killed;
}

describe('a job whose process is killed', () => {
  it(`goes on from its files, and its output is complete and without duplicates: ${KILLS} kills, MILLRACE_CRASH_SEED=${SEED}`, async () => {
    const shares = Array.from({ length: LANES }, (_, lane) => Math.floor((KILLS + lane) / LANES));
    const killed = await Promise.all(shares.map((share, lane) => kill(new Random(SEED + lane), share)));
    expect(killed.reduce((sum, count) => sum + count, 0)).toBe(KILLS);
  }, 300_000);
});
