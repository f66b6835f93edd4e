import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sqlite from 'node-sqlite3-wasm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runUntilKilled } from '../support/killed-process.js';
import { Random } from '../support/random.js';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

const RECORDS = 2000;
const KEYS = 17;
const program = join(import.meta.dirname, 'upsert-sink-job.mjs');

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 240_000);
afterAll(() => built.remove());

describe('an upsert sink whose process is killed', () => {
  it('leaves the table as it would be without, at any parallelism', async () => {
    const random = new Random(5);
    const directory = await mkdtemp(join(tmpdir(), 'millrace-upsert-crash-'));
    try {
      let kills = 0;
      for (let start = 0; ; start++) {
        if (start > 30) throw new Error('the job never got to its end');
        const killAfter = kills < 8 ? 1 + random.below(60) : Infinity;
        const args = [directory, String(1 + random.below(3)), built.url];
        const at = { afterLines: killAfter, afterMs: random.below(8) }; // not always where it prints
        if (await runUntilKilled(program, args, at)) break;
        kills++;
      }
      expect(kills).toBeGreaterThan(0);
      const database = new sqlite.Database(join(directory, 'counts.db'));
      const rows = database.all('SELECT key, count, last FROM counts ORDER BY key');
      database.close();
      const expected = Array.from({ length: KEYS }, (_, key) => {
        const count = Math.ceil((RECORDS - key) / KEYS);
        return { key, count, last: key + (count - 1) * KEYS };
      });
      expect(rows).toEqual(expected);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }, 120_000);
});
