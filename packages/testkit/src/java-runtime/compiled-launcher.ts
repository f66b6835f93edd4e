import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { buildOnce } from './build-once.js';
import { cacheFolder, contentKey, javaSources } from './cache-folder.js';
import type { MavenJars } from './maven-jars.js';
import { RealServerError } from './real-server-error.js';
import { runTool } from './run-tool.js';
import type { ReportProgress } from './start-progress.js';

/** Files under `java/`, compiled together into one folder of classes. */
export interface LauncherSources {
  /** Folder of classes, inside the folder of the launcher. */
  readonly output: string;
  readonly files: readonly string[];
}

/**
 * Compiles this package's Java sources against a server's jars into the cache; the key covers both, so an edit or
 * another version of the jars compiles anew.
 *
 * @returns The folder that holds one folder for each of `sources`.
 * @throws RealServerError `launcher-not-compiled` with what `javac` printed.
 */
export const compileLauncher = async (
  server: string,
  jars: MavenJars,
  sources: readonly LauncherSources[],
  report: ReportProgress,
  signal: AbortSignal | undefined,
): Promise<string> => {
  const texts = await Promise.all(
    sources.flatMap(({ output, files }) =>
      files.map(async (file) => `${output}/${file}\n${await readFile(javaSources(file), 'utf8')}`),
    ),
  );
  const folder = join(cacheFolder(), server, `launcher-${contentKey(jars.folder, ...texts)}`);
  return buildOnce(
    folder,
    async (temporary) => {
      report({ phase: 'compile', message: `Compiling the launcher of ${server}` });
      for (const { output, files } of sources) {
        await compile(
          jars,
          join(temporary, output),
          files.map((file) => javaSources(file)),
          signal,
        );
      }
    },
    { signal },
  );
};

const compile = async (
  jars: MavenJars,
  target: string,
  files: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> => {
  const classPath = join(jars.folder, '*');
  const result = await runTool(
    'javac',
    ['-nowarn', '--release', '17', '-d', target, '-cp', classPath, ...files],
    {
      signal,
    },
  );
  if (result.exitCode === 0) return;
  const incomplete = (await readdir(jars.folder)).length === 0;
  throw new RealServerError(
    'launcher-not-compiled',
    `javac failed (exit code ${result.exitCode ?? 'none'}):\n${result.output.trim()}\n` +
      `${incomplete ? 'The folder of jars is empty' : 'The jars may be damaged'}: delete ${jars.folder} and start again.`,
    { details: { tool: 'javac', exitCode: result.exitCode } },
  );
};
