/** The directory of a state store: who uses it, and what is known of the store without opening it. */
import { link, mkdir, open, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processEnvironment, type ProcessIdentity } from '../checkpoint/lease-environment.js';
import { StreamConfigError } from '../errors.js';
import type { StoreHistory } from './disk-history.js';

/** Directories that this process uses. */
const used = new Set<string>();

export class DiskDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws StreamConfigError `MILLRACE_CONFIG` where another job uses it */
  static async take(directory: string): Promise<DiskDirectory> {
    await mkdir(directory, { recursive: true });
    const path = await realpath(directory); // one directory may have several names
    if (used.has(path)) throw inUse(directory, 'another job in this process');
    used.add(path);
    try {
      await lock(path, directory);
    } catch (error) {
      used.delete(path);
      throw error;
    }
    return new DiskDirectory(path);
  }

  get store(): string {
    return join(this.path, 'store');
  }

  /** `undefined` where there is none, or it cannot be read. */
  async history(): Promise<StoreHistory | undefined> {
    return (await readJson(join(this.path, 'history.json'))) as StoreHistory | undefined;
  }

  async writeHistory(history: StoreHistory): Promise<void> {
    const path = join(this.path, 'history.json');
    await writeFile(`${path}.new`, JSON.stringify(history, undefined, 2));
    if (history.isClosed) await sync(`${path}.new`);
    await rename(`${path}.new`, path);
    if (history.isClosed) await sync(this.path);
  }

  /** Brings the store to the medium. */
  async syncStore(): Promise<void> {
    await sync(join(this.store, 'data.mdb'));
  }

  async removeStore(): Promise<void> {
    await rm(join(this.path, 'history.json'), { force: true });
    await rm(this.store, { recursive: true, force: true });
  }

  /** Others may use it now. */
  async release(): Promise<void> {
    await rm(join(this.path, 'in-use.json'), { force: true });
    used.delete(this.path);
  }
}

/** Puts this process's identity there, whole, where there is none, or that of a process that is no more. */
async function lock(path: string, directory: string): Promise<void> {
  const self = await processEnvironment.self();
  const own = join(path, `in-use.${self.pid}.json`);
  await writeFile(own, JSON.stringify(self));
  try {
    const place = join(path, 'in-use.json');
    if (await isLinked(own, place)) return;
    const owner = (await readJson(place)) as ProcessIdentity | undefined;
    if (owner !== undefined && owner.pid !== self.pid && owner.host === self.host) {
      if ((await processEnvironment.isAlive(owner)) !== false) throw inUse(directory, `process ${owner.pid}`);
    }
    await rename(own, place);
  } finally {
    await rm(own, { force: true });
  }
}

/** Of several processes that do it at once, one succeeds. */
async function isLinked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Tells this start of the machine from others; `undefined` where the system does not say. */
export async function currentBootId(): Promise<string | undefined> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return undefined; // not Linux
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isGone || error instanceof SyntaxError) return undefined; // cut off when the machine stopped
    throw error;
  }
}

function inUse(path: string, by: string): StreamConfigError {
  return new StreamConfigError(
    `The state directory ${path} is used by ${by}. Give each job a directory of its own.`,
    { details: { directory: path } },
  );
}
