import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runUntilKilled } from '../support/killed-process.js';
import { Random } from '../support/random.js';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

const RECORDS = 4000;

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 240_000);
afterAll(() => built.remove());

const program = join(import.meta.dirname, 'file-sink-job.mjs');

/** Every file that readers see, by its path. */
async function filesOf(root: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await readdir(root, { recursive: true })) {
    if (/(^|\/)\./.test(name) || !(await stat(join(root, name))).isFile()) continue;
    files.set(name, await readFile(join(root, name), 'utf8'));
  }
  return files;
}

const all = Array.from({ length: RECORDS }, (_, n) => n);
const byNumber = (a: number, b: number) => a - b;

async function expectComplete(directory: string): Promise<void> {
  const byMinute: number[] = [];
  for (const [path, text] of await filesOf(join(directory, 'by-minute'))) {
    for (const line of text.trimEnd().split('\n')) {
      const { n } = JSON.parse(line) as { n: number };
      byMinute.push(n);
      expect(dirname(path)).toBe(new Date(n * 1000).toISOString().slice(11, 16).replace(':', '/'));
    }
  }
  expect(byMinute.sort(byNumber)).toEqual(all);
  const csv: number[] = [];
  for (const text of (await filesOf(join(directory, 'csv'))).values()) {
    const [header, ...lines] = text.trimEnd().split('\n');
    expect(header).toBe('n,half');
    expect(lines.length).toBeLessThanOrEqual(700);
    for (const line of lines) csv.push(Number(line.split(',')[0]));
  }
  expect(csv.sort(byNumber)).toEqual(all);
}

async function leftovers(directory: string): Promise<string[]> {
  const names: string[] = [];
  for (const sink of ['by-minute', 'csv']) {
    const root = join(directory, sink);
    for (const hidden of (await readdir(root)).filter((name) => name.startsWith('.in-progress-'))) {
      for (const name of await readdir(join(root, hidden)))
        names.push(relative(directory, join(root, hidden, name)));
    }
  }
  return names;
}

describe('file sinks whose process is killed', () => {
  it.each([1, 2, 3])(
    'hold every record once, at any parallelism, and leave nothing behind: seed %d',
    async (seed) => {
      const random = new Random(seed);
      const directory = await mkdtemp(join(tmpdir(), 'millrace-file-sink-crash-'));
      const run = (parallelism: number, killAfter: number) =>
        runUntilKilled(program, [directory, String(parallelism), built.url], {
          afterLines: killAfter,
          afterMs: random.below(8), // not always where it prints
        });
      try {
        let kills = 0;
        for (let start = 0; ; start++) {
          if (start > 30) throw new Error('the job never got to its end');
          const killAfter = kills < 8 ? 1 + random.below(25) : Infinity;
          if (await run(1 + random.below(3), killAfter)) break;
          kills++;
        }
        expect(kills).toBeGreaterThan(0);
        await expectComplete(directory);
        expect(await leftovers(directory)).toEqual([]);
        // A finished job has nothing left to do.
        const before = await filesOf(directory);
        await run(2, Infinity);
        expect([...(await filesOf(join(directory, 'csv'))).keys()]).toEqual(
          [...before.keys()].filter((name) => name.startsWith('csv/')).map((name) => name.slice(4)),
        );
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
    120_000,
  );
});
