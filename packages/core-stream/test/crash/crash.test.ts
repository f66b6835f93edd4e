import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../support/random.js';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

const RECORDS = 3000;

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 60_000);
afterAll(() => built.remove());

/** Runs the job, and kills it after `killAfter` lines of progress. Resolves with whether it got to its end. */
function run(directory: string, parallelism: number, killAfter: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'crashing-job.mjs'), directory, String(parallelism), built.url],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let lines = 0;
    let errors = '';
    let isFinished = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'finished') isFinished = true;
      else if (++lines === killAfter) child.kill('SIGKILL');
    });
    child.stderr.on('data', (text) => (errors += String(text)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (isFinished && code === 0) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(`the job ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
}

async function linesOf(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of await readdir(folder)) {
    lines.push(...(await readFile(join(folder, name), 'utf8')).trimEnd().split('\n'));
  }
  return lines.sort();
}

function oracle(): { counts: string[]; sums: string[] } {
  const counts = new Map<number, number>();
  const sums = new Map<string, number>();
  const lines: string[] = [];
  for (let n = 0; n < RECORDS; n++) {
    counts.set(n % 13, (counts.get(n % 13) ?? 0) + 1);
    lines.push(`count ${n % 13} ${String(counts.get(n % 13))}`);
    const window = `sum ${n % 3} ${Math.floor(n / 100) * 100}`;
    sums.set(window, (sums.get(window) ?? 0) + n);
  }
  return { counts: lines.sort(), sums: [...sums].map(([window, sum]) => `${window} ${sum}`).sort() };
}

describe('a job whose process is killed', () => {
  it.each([1, 2])(
    'goes on from its files, and its output is complete and without duplicates: seed %d',
    async (seed) => {
      const random = new Random(seed);
      const directory = await mkdtemp(join(tmpdir(), 'millrace-crash-'));
      try {
        let kills = 0;
        for (let start = 0; ; start++) {
          if (start > 30) throw new Error('the job never got to its end');
          const killAfter = kills < 5 ? 1 + random.below(8) : Infinity;
          if (await run(directory, 1 + random.below(3), killAfter)) break;
          kills++;
        }
        expect(kills).toBeGreaterThan(0);
        const expected = oracle();
        expect(await linesOf(join(directory, 'counts/committed'))).toEqual(expected.counts);
        expect(await linesOf(join(directory, 'sums/committed'))).toEqual(expected.sums);
        expect(await readdir(join(directory, 'counts/prepared'))).toEqual([]);
        // A finished job has nothing left to do.
        await run(directory, 2, Infinity);
        expect(await linesOf(join(directory, 'counts/committed'))).toEqual(expected.counts);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
    120_000,
  );
});
