import { hostname } from 'node:os';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processEnvironment, type LeaseEnvironment } from '../../src/checkpoint/lease-environment.js';
import { lock } from '../../src/state/disk-directory.js';
import { temporaryDirectory } from '../support/disk-store.js';

/** Processes 1 to 99 are alive. */
const process = (pid: number): LeaseEnvironment => ({
  ...processEnvironment,
  self: () => Promise.resolve({ host: hostname(), pid, processStart: undefined }),
  isAlive: (other) => Promise.resolve(other.pid < 100),
});

describe('the lock of a state directory', () => {
  it('is never held by two, also where many take it at once from a process that is no more', async () => {
    for (let round = 0; round < 50; round++) {
      const directory = temporaryDirectory();
      await writeFile(join(directory, 'in-use.500.json'), JSON.stringify({ host: hostname(), pid: 500 }));
      const attempts = await Promise.allSettled(
        [1, 2, 3, 4].map((pid) => lock(directory, directory, process(pid))),
      );
      const held = attempts.filter(({ status }) => status === 'fulfilled');
      expect(held.length).toBeLessThanOrEqual(1);
      for (const attempt of attempts) {
        if (attempt.status === 'fulfilled') await attempt.value();
        else expect(attempt.reason).toMatchObject({ code: 'MILLRACE_CONFIG' });
      }
      await (
        await lock(directory, directory, process(5))
      )();
      expect(await readdir(directory)).toEqual([]);
    }
  });

  it('is taken over from a process that is no more, from another host, and from what a power cut has left', async () => {
    const directory = temporaryDirectory();
    await writeFile(join(directory, 'in-use.500.json'), JSON.stringify({ host: hostname(), pid: 500 }));
    await writeFile(join(directory, 'in-use.7.json'), JSON.stringify({ host: 'elsewhere', pid: 7 }));
    await writeFile(join(directory, 'in-use.8.json'), '');
    await lock(directory, directory, process(1));
    expect(await readdir(directory)).toEqual(['in-use.1.json']);
    await expect(lock(directory, directory, process(2))).rejects.toThrow(/is used by process 1/);
    expect(await readdir(directory)).toEqual(['in-use.1.json']);
  });
});
