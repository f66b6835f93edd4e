import { execFile } from 'node:child_process';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const demoFolder = fileURLToPath(new URL('../..', import.meta.url));
const tsc = join(demoFolder, '../../node_modules/typescript/bin/tsc');

/** The tests start the demo as a person does, from `dist`: this brings it up to date. Test files wait for each other. */
export async function buildDemo(): Promise<void> {
  const lock = join(demoFolder, 'node_modules/.build-lock');
  await acquire(lock);
  try {
    await promisify(execFile)(process.execPath, [tsc, '-b'], { cwd: demoFolder });
  } catch (error) {
    throw new Error(`The demo cannot be built:\n${(error as { stdout?: string }).stdout ?? ''}`, {
      cause: error,
    });
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** Longer than any build: the lock of a test run that was killed. */
const STALE_MS = 120_000;

async function acquire(lock: string): Promise<void> {
  for (;;) {
    try {
      await mkdir(lock);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const { mtimeMs } = await stat(lock).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > STALE_MS) await rm(lock, { recursive: true, force: true });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
