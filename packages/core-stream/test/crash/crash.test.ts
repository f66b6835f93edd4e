/**
 * A real process, killed by `SIGKILL` at random instants and started again each time, also at another parallelism.
 * `MILLRACE_CRASH_SEED` repeats the choices of a run, as far as a process can be repeated; `MILLRACE_CRASH_KILLS` sets how often.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRows } from '../../src/checkpoint/segment-reader.js';
import { FileCheckpointStorage } from '../../src/index.js';
import { runUntilKilled, type Kill } from '../support/killed-process.js';
import { Random } from '../support/random.js';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

const KILLS = Number(process.env['MILLRACE_CRASH_KILLS'] ?? 100);
const SEED = Number(process.env['MILLRACE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Jobs that are run, and killed, at the same time. */
const LANES = 2;
/** Enough that a job lives through about twenty kills. */
const RECORDS = 2_000;
/** From the start of the job: such instants lie in its restore and its first checkpoints. How fast Node starts does not matter. */
const MAX_LIFE_MS = 400;

type Backend = 'heap' | 'disk';

const program = join(import.meta.dirname, 'crashing-job.mjs');

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 240_000);
afterAll(() => built.remove());

/** What a process may be at when it is killed: what is short would hardly ever be hit by chance. */
const aims = [
  'started',
  'restoring',
  'segment',
  'manifest',
  'merging',
  'committing',
  'saving',
  'stopping',
  'ending',
] as const;
type Aim = (typeof aims)[number];

/** Half of the kills are aimed, at one thing after the other; the others come at any time, of its life or of its work. */
function randomKill(random: Random, nth: number): Kill & { readonly line?: Aim | 'committed' } {
  if (nth % 2 === 0) {
    const line = aims[(nth / 2) % aims.length]!;
    const isOften = line === 'segment' || line === 'manifest' || line === 'committing';
    return { line, afterLines: isOften ? 1 + random.below(8) : 1, afterMs: random.below(5) };
  }
  if (random.below(2) === 0) return { line: 'started', afterLines: 1, afterMs: random.below(MAX_LIFE_MS) };
  return { line: 'committed', afterLines: 1 + random.below(6), afterMs: random.below(15) };
}

async function linesOf(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile()) continue; // what is not committed lies in a directory of its own
    lines.push(...(await readFile(join(folder, entry.name), 'utf8')).trimEnd().split('\n'));
  }
  return lines.sort();
}

/** A savepoint is there as a whole, or is none: a kill leaves nothing between. */
async function readWhole(directory: string): Promise<void> {
  const storage = new FileCheckpointStorage(directory);
  const { operators = [] } = (await storage.latest()) ?? {};
  for (const { segments, maxParallelism } of operators) {
    await readRows(storage, segments, { start: 0, end: maxParallelism });
  }
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

/** What was done to the jobs of a lane. */
interface Deeds {
  kills: number;
  /** Kills that were aimed, by what they have hit. */
  readonly hits: Map<Aim, number>;
  /** Jobs that were stopped with a savepoint, and went on from it. */
  stops: number;
}

/** One job after the other, until so many processes have been killed in all. Each is run to its end and compared. */
async function kill(backend: Backend, random: Random, kills: number): Promise<Deeds> {
  const expected = oracle();
  const deeds: Deeds = { kills: 0, hits: new Map(), stops: 0 };
  for (let nth = 0; deeds.kills < kills;) {
    const directory = await mkdtemp(join(tmpdir(), `millrace-crash-${backend}-`));
    const inDirectory = (name: string) => join(directory, name);
    let checkpoints = inDirectory('checkpoints');
    let restore: string | undefined;
    /** Stopped or saved also where nobody aims at it. */
    const run = async (at: Kill, chance: number): Promise<'killed' | 'stopped' | 'finished'> => {
      const savepoint = inDirectory(`savepoint-${nth}`);
      const options = {
        ...{ directory, checkpoints, restore, savepoint, backend, records: RECORDS, url: built.url },
        parallelism: 1 + random.below(3),
        ...((at.line === 'saving' || random.next() < chance) && { saveAfter: 1 + random.below(4) }),
        ...((at.line === 'stopping' || random.next() < chance) && { stopAfter: 1 + random.below(4) }),
      };
      const end = await runUntilKilled(program, [JSON.stringify(options)], at);
      if (end === 'stopped') {
        // What the job has of its own is thrown away: the savepoint has to do.
        await rm(checkpoints, { recursive: true });
        checkpoints = inDirectory(`checkpoints-${nth}`);
        restore = savepoint;
        deeds.stops++;
      }
      return end ?? 'killed';
    };
    let end: Awaited<ReturnType<typeof run>> = 'killed';
    while (end !== 'finished') {
      const isSpared = nth % 24 === 11; // so that some are stopped, and do not end otherwise
      const at = isSpared || deeds.kills === kills ? {} : randomKill(random, nth);
      end = await run(at, isSpared ? 1 : 0.1);
      nth++;
      if (end !== 'killed') continue;
      deeds.kills++;
      const hit = aims.find((aim) => aim === at.line);
      if (hit !== undefined) deeds.hits.set(hit, (deeds.hits.get(hit) ?? 0) + 1);
    }
    expect(await linesOf(inDirectory('counts/committed'))).toEqual(expected.counts);
    expect(await linesOf(inDirectory('sums'))).toEqual(expected.sums);
    expect(await readdir(inDirectory('counts/prepared'))).toEqual([]);
    for (const name of await readdir(directory)) {
      if (name.startsWith('savepoint-')) await readWhole(inDirectory(name));
    }
    // A finished job has nothing left to do.
    expect(await run({}, 0)).toBe('finished');
    expect(await linesOf(inDirectory('counts/committed'))).toEqual(expected.counts);
    await rm(directory, { recursive: true }); // where the test fails, its files stay
  }
  return deeds;
}

describe.each<Backend>(['heap', 'disk'])('a job on %s state whose process is killed', (backend) => {
  it(`goes on from its files, and its output is complete and without duplicates: ${KILLS} kills, MILLRACE_CRASH_SEED=${SEED}`, async () => {
    const shares = Array.from({ length: LANES }, (_, lane) => Math.floor((KILLS + lane) / LANES));
    const lanes = await Promise.all(
      shares.map((share, lane) => kill(backend, new Random(SEED + lane), share)),
    );
    const sum = (countOf: (deeds: Deeds) => number) => lanes.reduce((all, deeds) => all + countOf(deeds), 0);
    expect(sum(({ kills }) => kills)).toBe(KILLS);
    if (KILLS < 100) return;
    for (const aim of aims) expect([aim, sum(({ hits }) => hits.get(aim) ?? 0)]).not.toEqual([aim, 0]);
    expect(sum(({ stops }) => stops)).toBeGreaterThan(0);
  }, 300_000);
});
