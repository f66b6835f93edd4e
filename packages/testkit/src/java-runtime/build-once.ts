/**
 * Role: fills a folder of the per-user cache once, although several processes may ask for it at the same time.
 * Boundary: files and processes of this machine; what goes into the folder is the caller's business.
 *
 * 1. A folder that exists is complete: it is built under another name and renamed into place.
 * 2. Correctness never depends on the lock. Two builders waste work; the second rename finds the folder and is
 *    dropped. The lock is there so that 183 MB are fetched once.
 * 3. A lock never outlives its holder by more than `STALE_MS`: it is taken over as soon as the holder's process is
 *    gone, or when its heartbeat stops (a reused process id, another machine on the same home folder).
 */
import { mkdir, mkdtemp, open, readFile, rename, rm, stat, unlink, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { throwIfAborted } from './real-server-error.js';

const HEARTBEAT_MS = 2_000;
const STALE_MS = 30_000;
const POLL_MS = 100;

interface LockHolder {
  readonly pid: number;
  readonly host: string;
}

export interface BuildOnceOptions {
  /** Called once when another process holds the lock. */
  readonly onWait?: (holder: LockHolder | undefined) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns `folder` after making sure that it exists, building it if need be.
 *
 * @param build Fills the empty folder that it is given; when it throws, nothing is left behind.
 */
export const buildOnce = async (
  folder: string,
  build: (temporary: string) => Promise<void>,
  options: BuildOnceOptions = {},
): Promise<string> => {
  if (await exists(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const release = await acquireLock(`${folder}.lock`, () => exists(folder), options);
  try {
    if (await exists(folder)) return folder;
    const temporary = await mkdtemp(join(dirname(folder), '.building-'));
    try {
      await build(temporary);
      await publish(temporary, folder);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    return folder;
  } finally {
    await release();
  }
};

/** Invariants 1 and 2. */
const publish = async (temporary: string, folder: string): Promise<void> => {
  try {
    await rename(temporary, folder);
  } catch (error) {
    if (!(await exists(folder))) throw error;
  }
};

/** Waits for the lock, or until `isDone`; the function returned gives it back. */
const acquireLock = async (
  lockFile: string,
  isDone: () => Promise<boolean>,
  { onWait, signal }: BuildOnceOptions,
): Promise<() => Promise<void>> => {
  let waiting = false;
  for (;;) {
    throwIfAborted(signal, 'Waiting for another process to fill the cache');
    if (await tryCreate(lockFile)) return holdLock(lockFile);
    if (await isDone()) return () => Promise.resolve();
    const holder = await readHolder(lockFile);
    if (await isStale(lockFile, holder)) {
      await breakLock(lockFile);
      continue;
    }
    if (!waiting) onWait?.(holder);
    waiting = true;
    await sleep(POLL_MS);
  }
};

const holdLock = (lockFile: string): (() => Promise<void>) => {
  const heartbeat = setInterval(() => void touch(lockFile), HEARTBEAT_MS);
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    await rm(lockFile, { force: true });
  };
};

const tryCreate = async (file: string): Promise<boolean> => {
  try {
    const handle = await open(file, 'wx');
    const holder: LockHolder = { pid: process.pid, host: hostname() };
    await handle.writeFile(JSON.stringify(holder)).finally(() => handle.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
};

const readHolder = async (lockFile: string): Promise<LockHolder | undefined> => {
  try {
    return JSON.parse(await readFile(lockFile, 'utf8')) as LockHolder;
  } catch {
    return undefined; // gone, or not yet written
  }
};

/** Invariant 3. */
const isStale = async (lockFile: string, holder: LockHolder | undefined): Promise<boolean> => {
  if (holder?.host === hostname() && !isProcessAlive(holder.pid)) return true;
  const ageMs = await stat(lockFile).then(
    (found) => Date.now() - found.mtimeMs,
    () => 0,
  );
  return ageMs > STALE_MS;
};

/** Renames before it deletes, so that of several processes that found the lock stale only one removes it. */
const breakLock = async (lockFile: string): Promise<void> => {
  const aside = `${lockFile}.${process.pid}.stale`;
  try {
    await rename(lockFile, aside);
    await unlink(aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
};

/** True when a process with this id exists on this machine, whoever owns it. */
export const isProcessAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const touch = (file: string): Promise<void> => utimes(file, new Date(), new Date()).catch(() => undefined);

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
