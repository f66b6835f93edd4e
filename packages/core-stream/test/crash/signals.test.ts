/** Real processes that are told to end. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { transpilePackage, type TranspiledPackage } from '../support/transpiled-package.js';

const RECORDS = 1_000;
const program = join(import.meta.dirname, 'signalled-job.mjs');

let built: TranspiledPackage;
beforeAll(async () => void (built = await transpilePackage()), 240_000);
afterAll(() => built.remove());

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'millrace-signals-'))));
afterEach(() => rm(directory, { recursive: true, force: true }));

interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it printed, without its progress. */
  readonly lines: readonly string[];
}

/** Runs the job; sends it signals when it prints certain lines. */
function run(
  signals: Readonly<Record<string, NodeJS.Signals>>,
  options: { readonly storesState?: boolean; readonly hangs?: boolean } = {},
): Promise<Run> {
  const all = { directory, records: RECORDS, storesState: true, hangs: false, url: built.url, ...options };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, JSON.stringify(all)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('read ')) lines.push(line);
      const signal = signals[line];
      if (signal !== undefined) child.kill(signal);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, lines }));
  });
}

/** What readers of the sink see. */
async function committed(): Promise<string[]> {
  const lines: string[] = [];
  const folder = join(directory, 'counts');
  for (const name of await readdir(folder)) {
    if (!name.startsWith('.'))
      lines.push(...(await readFile(join(folder, name), 'utf8')).trimEnd().split('\n'));
  }
  return lines.sort();
}

const expected = Array.from({ length: RECORDS }, (_, n) => `count ${n % 7} ${Math.floor(n / 7) + 1}`).sort();

describe('a process that is told to end', () => {
  it('stops its job with a checkpoint; the next one goes on, and nothing is lost or doubled', async () => {
    const stopped = await run({ 'read 100': 'SIGTERM' });
    expect(stopped.lines).toEqual(['started', 'stopping: SIGTERM', 'suspended', '0 handlers']);
    expect(stopped.code).toBe(0);
    const again = await run({ started: 'SIGINT' }); // it is starting: then it stops as soon as it runs
    expect(again.lines).toEqual(['started', 'stopping: SIGINT', 'suspended', '0 handlers']);
    expect(await run({})).toEqual({ code: 0, signal: null, lines: ['started', 'finished', '0 handlers'] });
    expect(await committed()).toEqual(expected);
  });

  it('cancels its job at a second signal, where stopping hangs; the next one goes on all the same', async () => {
    const signals = { 'read 100': 'SIGTERM', 'stopping: SIGTERM': 'SIGTERM' } as const;
    const cancelled = await run(signals, { hangs: true });
    expect(cancelled.lines).toEqual([
      'started',
      'stopping: SIGTERM',
      'cancelling: SIGTERM',
      'cancelled: MILLRACE_CANCELLED',
      '0 handlers',
    ]);
    expect(cancelled.code).toBe(1);
    expect((await run({})).code).toBe(0);
    expect(await committed()).toEqual(expected);
  });

  it('cancels a job that has no checkpoints to stop with', async () => {
    const { code, lines } = await run({ 'read 100': 'SIGTERM' }, { storesState: false });
    expect(lines).toEqual([
      'started',
      'stopping: SIGTERM',
      'stopping failed, cancelling',
      'cancelled: MILLRACE_CANCELLED',
      '0 handlers',
    ]);
    expect(code).toBe(1);
  });
});
