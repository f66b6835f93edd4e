/** The directory of a state store: who uses it, and what is known of the store without opening it. */
import { mkdir, open, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processEnvironment, type ProcessIdentity } from '../checkpoint/lease-environment.js';
import { StreamConfigError } from '../errors.js';
import type { StoreHistory } from './disk-history.js';

type Unlock = () => Promise<void>;

/** Directories that this process uses. */
const used = new Set<string>();

export class DiskDirectory {
  readonly path: string;
  readonly #unlock: Unlock;

  private constructor(path: string, unlock: Unlock) {
    this.path = path;
    this.#unlock = unlock;
  }

  /** @throws StreamConfigError `MILLRACE_CONFIG` where another job uses it */
  static async take(directory: string): Promise<DiskDirectory> {
    await mkdir(directory, { recursive: true });
    const path = await realpath(directory); // one directory may have several names
    if (used.has(path)) throw inUse(directory, 'another job in this process');
    used.add(path);
    try {
      return new DiskDirectory(path, await lock(path, directory));
    } catch (error) {
      used.delete(path);
      throw error;
    }
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
    await this.#unlock();
    used.delete(this.path);
  }
}

/**
 * A process says that it is there, and only then looks who else is: of two that come at once, the later one sees the other, and
 * perhaps each does. What processes have left that are no more is removed.
 */
export async function lock(path: string, directory: string, processes = processEnvironment): Promise<Unlock> {
  const self = await processes.self();
  const own = `in-use.${self.pid}.json`;
  const unlock = () => rm(join(path, own), { force: true });
  await writeFile(join(path, `${own}.new`), JSON.stringify(self));
  await rename(join(path, `${own}.new`), join(path, own)); // never seen by half
  for (const name of await readdir(path)) {
    if (name === own || !/^in-use\.\d+\.json$/.test(name)) continue;
    const owner = (await readJson(join(path, name))) as ProcessIdentity | undefined;
    // The directory is this machine's: what is of another host is of an earlier container.
    const isThere = owner?.host === self.host && (await processes.isAlive(owner)) !== false;
    if (!isThere) await rm(join(path, name), { force: true });
    else {
      await unlock();
      throw inUse(directory, `process ${owner.pid}`);
    }
  }
  return unlock;
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
