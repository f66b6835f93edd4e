import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ListedFile } from './file-split.js';

/** Whether a file of a directory is read, by its name. */
export type IncludeFile = (name: string) => boolean;

/** Names that begin with a dot or an underscore are those of files that are not meant for readers, or not yet. */
export const isVisible: IncludeFile = (name) => !/^[._]/.test(name);

/**
 * The files that `paths` name, and those in the directories that they name, at any depth; by path, each once.
 *
 * @throws Error for a path that does not exist
 */
export async function listFiles(
  paths: readonly string[],
  include: IncludeFile,
  signal: AbortSignal,
): Promise<readonly ListedFile[]> {
  const found = new Map<string, ListedFile>();
  const visit = async (path: string, isNamed: boolean): Promise<void> => {
    signal.throwIfAborted();
    const stats = await stat(path).catch((error: unknown) => {
      // A file that was moved away since its directory was read is not there, which is no failure.
      if (!isNamed && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    if (stats?.isDirectory() === true) {
      for (const name of await readdir(path)) if (isVisible(name)) await visit(join(path, name), false);
    } else if (stats?.isFile() === true && (isNamed || include(basename(path)))) {
      found.set(path, { path, size: stats.size, mtimeMs: stats.mtimeMs });
    }
  };
  for (const path of paths) await visit(path, true);
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}
