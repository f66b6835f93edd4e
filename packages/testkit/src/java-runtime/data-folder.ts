import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { isProcessAlive } from './build-once.js';
import { RealServerError } from './real-server-error.js';

/** The folder of one server. */
export interface DataFolder {
  readonly path: string;
  /** True when the caller named it: it then outlives the server. */
  readonly isPersistent: boolean;
  /** Records the process that uses the folder. */
  claim(pid: number): Promise<void>;
  /** Gives the folder back; deletes a temporary one. */
  release(): Promise<void>;
}

/**
 * Opens the folder that the caller named, or makes one.
 *
 * @throws RealServerError `data-dir-in-use` when a live process has claimed it: two servers on one folder would ruin it.
 */
export const openDataFolder = async (dataDir: string | undefined, prefix: string): Promise<DataFolder> => {
  const isPersistent = dataDir !== undefined;
  const path = isPersistent ? resolve(dataDir) : await mkdtemp(join(tmpdir(), prefix));
  await mkdir(path, { recursive: true });
  const pidFile = join(path, 'server.pid');
  const holder = Number(await readFile(pidFile, 'utf8').catch(() => '0'));
  if (holder > 0 && isProcessAlive(holder)) {
    throw new RealServerError(
      'data-dir-in-use',
      `${path} is in use by process ${holder}. Stop that server, or choose another dataDir; ` +
        `should the process have nothing to do with it, delete ${pidFile}.`,
      { details: { dataDir: path, pid: holder } },
    );
  }
  return {
    path,
    isPersistent,
    claim: (pid) => writeFile(pidFile, String(pid)),
    release: () =>
      isPersistent
        ? rm(pidFile, { force: true })
        : rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
};
