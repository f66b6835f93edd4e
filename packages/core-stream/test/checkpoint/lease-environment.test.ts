import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { processEnvironment } from '../../src/checkpoint/lease-environment.js';

describe('the process as a lease knows it', () => {
  it('lives, and has the same name every time', async () => {
    const self = await processEnvironment.self();
    expect(await processEnvironment.self()).toEqual(self);
    expect(self.pid).toBe(process.pid);
    // Undefined where the system does not tell when a process has begun.
    expect(await processEnvironment.isAlive(self)).not.toBe(false);
  });

  it.runIf(process.platform === 'linux')(
    'is another one than an earlier process of the same number',
    async () => {
      const self = await processEnvironment.self();
      expect(await processEnvironment.isAlive({ ...self, processStart: 'another boot/1' })).toBe(false);
      expect(await processEnvironment.isAlive({ ...self, processStart: undefined })).toBeUndefined();
    },
  );

  it('is dead when it has ended', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    expect(await processEnvironment.isAlive({ host: 'here', pid: child.pid!, processStart: undefined })).toBe(
      false,
    );
  });

  it.runIf(process.platform === 'linux')(
    'is dead when it was killed, before its parent has noticed',
    async () => {
      // A shell that becomes `sleep` never asks for the outcome of its child, as the first process of a container may not.
      const parent = spawn('/bin/sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        const [line] = (await once(parent.stdout, 'data')) as [Buffer];
        const child = { host: 'here', pid: Number(line.toString()), processStart: undefined };
        expect(await processEnvironment.isAlive(child)).toBeUndefined();
        // Until then the shell may still ask for it.
        await expect.poll(() => readFile(`/proc/${parent.pid}/comm`, 'utf8')).toBe('sleep\n');
        process.kill(child.pid, 'SIGKILL');
        await expect.poll(() => processEnvironment.isAlive(child)).toBe(false);
        expect(process.kill(child.pid, 0)).toBe(true); // its number is not free
      } finally {
        parent.kill('SIGKILL');
      }
    },
  );
});
