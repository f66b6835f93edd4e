import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The Java sources and Maven files that this package ships; the same relative path from `src` and from `dist`. */
export const javaSources = (...path: string[]): string =>
  join(fileURLToPath(new URL('../../java/', import.meta.url)), ...path);

/**
 * The folder of this user's cache: `$XDG_CACHE_HOME/millrace/testkit`, or `~/.cache/millrace/testkit` when the
 * variable is unset or, as its specification demands, not an absolute path. Deleting it is always safe while no
 * server runs.
 */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env, home: string = homedir()): string => {
  const xdg = env['XDG_CACHE_HOME'];
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(home, '.cache');
  return join(base, 'millrace', 'testkit');
};

/** The first 12 hex digits of the SHA-256 over all parts: short enough for a path, long enough for a key. */
export const contentKey = (...parts: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:${part}`);
  return hash.digest('hex').slice(0, 12);
};
