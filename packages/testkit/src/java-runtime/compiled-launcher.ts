import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { buildOnce } from './build-once.js';
import { cacheFolder, contentKey, javaSources } from './cache-folder.js';
import type { MavenJars } from './maven-jars.js';
import { RealServerError } from './real-server-error.js';
import { runTool } from './run-tool.js';
import type { ReportProgress } from './start-progress.js';

/**
 * Compiles files under `java/` against a server's jars into the cache; the key covers both, so an edit or another
 * version of the jars compiles anew.
 *
 * @returns The path of a jar, because the classes of a folder cannot be recorded (recorded-classes.ts).
 * @throws RealServerError `launcher-not-compiled` with what `javac` or `jar` printed.
 */
export const compileLauncher = async (
  server: string,
  jars: MavenJars,
  files: readonly string[],
  report: ReportProgress,
  signal: AbortSignal | undefined,
): Promise<string> => {
  const texts = await Promise.all(
    files.map(async (file) => `${file}\n${await readFile(javaSources(file), 'utf8')}`),
  );
  const key = contentKey('jar', jars.folder, ...texts);
  const folder = join(cacheFolder(), server, `launcher-${key}`);
  const build = async (temporary: string): Promise<void> => {
    report({ phase: 'compile', message: `Compiling the launcher of ${server}` });
    const classes = join(temporary, 'classes');
    const classPath = join(jars.folder, '*');
    const sources = files.map((file) => javaSources(file));
    const options = ['-nowarn', '--release', '17', '-d', classes, '-cp', classPath];
    await runCompiler('javac', [...options, ...sources], jars, signal);
    await runCompiler('jar', ['--create', '--file', launcherIn(temporary), '-C', classes, '.'], jars, signal);
    await rm(classes, { recursive: true });
  };
  return launcherIn(await buildOnce(folder, build, { signal }));
};

const launcherIn = (folder: string): string => join(folder, 'launcher.jar');

const runCompiler = async (
  tool: 'javac' | 'jar',
  args: readonly string[],
  jars: MavenJars,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const result = await runTool(tool, args, { signal });
  if (result.exitCode === 0) return;
  const incomplete = (await readdir(jars.folder)).length === 0;
  throw new RealServerError(
    'launcher-not-compiled',
    `${tool} failed (exit code ${result.exitCode ?? 'none'}):\n${result.output.trim()}\n` +
      `${incomplete ? 'The folder of jars is empty' : 'The jars may be damaged'}: delete ${jars.folder} and start again.`,
    { details: { tool, exitCode: result.exitCode } },
  );
};
