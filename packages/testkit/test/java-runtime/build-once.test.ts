import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { buildOnce, isProcessAlive } from '../../src/java-runtime/build-once.js';

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'build-once-'));
  folder = join(root, 'jars');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const deadPid = (): number => spawnSync(process.execPath, ['-e', '0']).pid;
const lockOf = (pid: number): Promise<void> =>
  writeFile(`${folder}.lock`, JSON.stringify({ pid, host: hostname() }));

describe('buildOnce', () => {
  it('builds once for callers at the same time, and leaves neither lock nor temporary folder', async () => {
    let builds = 0;
    const build = async (temporary: string): Promise<void> => {
      builds += 1;
      await new Promise((resolve) => setImmediate(resolve));
      await writeFile(join(temporary, 'a.jar'), 'x');
    };
    await Promise.all([1, 2, 3, 4].map(() => buildOnce(folder, build)));
    expect(builds).toBe(1);
    expect(await readdir(root)).toEqual(['jars']);
  });

  it('leaves nothing behind when the build fails, so that the next caller builds (invariant 1)', async () => {
    const broken = buildOnce(folder, async (temporary) => {
      await writeFile(join(temporary, 'half.jar'), 'x');
      throw new Error('no network');
    });
    await expect(broken).rejects.toThrow('no network');
    expect(await readdir(root)).toEqual([]);
    await buildOnce(folder, (temporary) => writeFile(join(temporary, 'whole.jar'), 'x'));
    expect(await readdir(folder)).toEqual(['whole.jar']);
  });

  it('keeps the folder of whoever was first when two build in spite of the lock (invariant 2)', async () => {
    await buildOnce(folder, async (temporary) => {
      await writeFile(join(temporary, 'second'), 'x');
      await buildOnceElsewhere();
    });
    expect(await readdir(folder)).toEqual(['first']);

    async function buildOnceElsewhere(): Promise<void> {
      await rm(`${folder}.lock`);
      await buildOnce(folder, (temporary) => writeFile(join(temporary, 'first'), 'x'));
    }
  });

  it('takes over the lock of a dead process (invariant 3)', async () => {
    await lockOf(deadPid());
    await buildOnce(folder, (temporary) => writeFile(join(temporary, 'a.jar'), 'x'));
    expect(existsSync(`${folder}.lock`)).toBe(false);
  });

  it('takes over a lock whose heartbeat has stopped, although its process id lives (invariant 3)', async () => {
    await lockOf(process.pid);
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(`${folder}.lock`, longAgo, longAgo);
    await buildOnce(folder, () => Promise.resolve());
    expect(existsSync(folder)).toBe(true);
  });

  it('waits for a live holder, tells who it is, and can be aborted', async () => {
    await lockOf(process.pid);
    const abort = new AbortController();
    let seen: number | undefined;
    const waiting = buildOnce(folder, () => Promise.resolve(), {
      signal: abort.signal,
      onWait: (holder) => {
        seen = holder?.pid;
        abort.abort();
      },
    });
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    expect(seen).toBe(process.pid);
    expect(JSON.parse(await readFile(`${folder}.lock`, 'utf8'))).toMatchObject({ pid: process.pid });
  });

  it('stops waiting when another process has finished the folder', async () => {
    await lockOf(process.pid);
    const waiting = buildOnce(folder, () => Promise.reject(new Error('must not build')), {
      onWait: () => void writeFile(folder, ''),
    });
    expect(await waiting).toBe(folder);
  });
});

describe('isProcessAlive', () => {
  it('tells a live process from a dead one', () => {
    expect(isProcessAlive(process.pid)).toBe(true);
    expect(isProcessAlive(deadPid())).toBe(false);
  });
});
