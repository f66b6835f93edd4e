import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DruidHttp } from '../../src/contract/druid-http.js';
import { ingestionTask } from '../../src/contract/fixtures.js';
import { transpileEmbeddedDruid } from './support/transpiled.js';

const ROUNDS = 10;
const SEED = 20_240_229;

/** mulberry32: a small seeded generator, so that a failure can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Batch {
  id: string;
  rows: number;
  /** What the last process that answered said; undefined when the submission was never answered. */
  known: 'RUNNING' | 'SUCCESS' | 'FAILED' | undefined;
}

describe('EmbeddedDruid after kill -9', () => {
  let code: string;
  let dataDir: string;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    [code, dataDir] = await Promise.all([
      transpileEmbeddedDruid(),
      mkdtemp(join(tmpdir(), 'embedded-crash-')),
    ]);
  });
  afterAll(async () => {
    child?.kill('SIGKILL');
    await Promise.all([code, dataDir].map((folder) => rm(folder, { recursive: true, force: true })));
  });

  async function start(): Promise<DruidHttp> {
    child = spawn(process.execPath, [join(code, 'serve.js'), dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [url] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    return new DruidHttp(url.toString().trim(), {}, 60_000);
  }

  async function kill(): Promise<void> {
    const dying = child as ChildProcess;
    const gone = once(dying, 'exit');
    dying.kill('SIGKILL');
    await gone;
  }

  it(`has all rows of a task and SUCCESS, or none of them (${ROUNDS} kills, seed ${SEED})`, async () => {
    const random = randomFrom(SEED);
    const batches: Batch[] = [];
    const fates = { SUCCESS: 0, FAILED: 0, unknown: 0 };
    for (let round = 0; round < ROUNDS; round += 1) {
      let http = await start();
      const fresh = Array.from({ length: 4 }, (_, index): Batch => ({
        id: `r${round}b${index}`,
        rows: 200 + Math.floor(random() * 4000),
        known: undefined,
      }));
      batches.push(...fresh);
      const submissions = fresh.map(async (batch) => {
        const answer = await http.submit(taskOf(batch)).catch(() => undefined);
        if (answer?.status === 200) batch.known = 'RUNNING';
        const end = answer && (await http.ended(batch.id).catch(() => undefined));
        if (end) batch.known = end['status'] as 'SUCCESS' | 'FAILED';
      });
      const lifeMs = 20 + random() * 250;
      // However slow the machine is, some tasks end before their server does.
      await (round % 5 === 4 ? Promise.race(submissions) : sleep(lifeMs));
      await kill();
      await Promise.all(submissions);

      http = await start();
      for (const batch of batches) fates[await check(http, batch)] += 1;
      await kill();
    }
    // The kills hit before, in and after commits; otherwise the test would prove little.
    expect(fates.SUCCESS).toBeGreaterThan(0);
    expect(fates.FAILED + fates.unknown).toBeGreaterThan(0);
  }, 240_000);
});

const taskOf = ({ id, rows }: Batch): Record<string, unknown> =>
  ingestionTask({
    id,
    dataSource: 'events',
    dimensions: ['batch', { type: 'long', name: 'n' }],
    appendToExisting: true,
    data: Array.from(
      { length: rows },
      (_, n) => `{"__time":"2024-01-0${1 + (n % 3)}T00:00:00Z","batch":"${id}","n":${n}}`,
    ).join('\n'),
  });

async function check(http: DruidHttp, batch: Batch): Promise<'SUCCESS' | 'FAILED' | 'unknown'> {
  const answer = await http.get(`/druid/indexer/v1/task/${batch.id}/status`);
  const status =
    answer.status === 404
      ? 'unknown'
      : (JSON.parse(answer.text) as { status: { status: 'SUCCESS' | 'FAILED' } }).status.status;
  const counted = await http.sql(`SELECT COUNT(*), SUM(n) FROM events WHERE batch = '${batch.id}'`, {
    resultFormat: 'array',
  });
  const found = counted.status === 200 ? (JSON.parse(counted.text) as unknown[][])[0] : [0, null];
  const all = [batch.rows, (batch.rows * (batch.rows - 1)) / 2];
  expect({ id: batch.id, status, found }).toEqual({
    id: batch.id,
    status,
    found: status === 'SUCCESS' ? all : [0, null],
  });
  // Nothing that was answered is forgotten, no end is taken back, and ids stay burned.
  if (batch.known !== undefined) expect(status).not.toBe('unknown');
  if (batch.known === 'SUCCESS' || batch.known === 'FAILED') expect(status).toBe(batch.known);
  if (status !== 'unknown') {
    batch.known = status;
    expect((await http.submit(taskOf(batch))).text).toContain('entryAlreadyExists');
  }
  return status;
}
