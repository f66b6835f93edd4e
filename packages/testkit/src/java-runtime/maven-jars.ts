import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { buildOnce } from './build-once.js';
import { cacheFolder, contentKey, javaSources } from './cache-folder.js';
import { RealServerError } from './real-server-error.js';
import { runTool, type ToolResult } from './run-tool.js';
import type { ReportProgress } from './start-progress.js';

const ERROR_LINES = 15;

export interface MavenJars {
  /** The folder with the jars; never changes once it exists. */
  readonly folder: string;
  /** Absolute paths, sorted. */
  readonly jars: readonly string[];
}

/**
 * Resolves a server's jars with the `mvn` on the PATH into the cache; the user's Maven settings apply, mirrors and
 * proxies with them. A second call, in any process, only lists the folder.
 *
 * @param server Names the folder under `java/` with the `pom.xml`, such as `druid-33.0.0`.
 * @throws RealServerError `jars-not-fetched` with the last lines that Maven printed.
 */
export const resolveJars = async (
  server: string,
  report: ReportProgress,
  signal: AbortSignal | undefined,
): Promise<MavenJars> => {
  const pom = javaSources(server, 'pom.xml');
  const folder = join(cacheFolder(), server, `jars-${contentKey(await readFile(pom, 'utf8'))}`);
  await buildOnce(folder, (temporary) => fetchJars(server, pom, temporary, report, signal), {
    signal,
    onWait: (holder) =>
      report({
        phase: 'jars',
        message: `Process ${holder?.pid ?? 'unknown'} is fetching the jars of ${server}; waiting for it`,
      }),
  });
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jar')).sort();
  return { folder, jars: names.map((name) => join(folder, name)) };
};

const fetchJars = async (
  server: string,
  pom: string,
  target: string,
  report: ReportProgress,
  signal: AbortSignal | undefined,
): Promise<void> => {
  let jars = 0;
  report({ phase: 'jars', message: `Fetching the jars of ${server} with Maven (once for this user)`, jars });
  const result = await runTool(
    'mvn',
    [
      '-B',
      '-f',
      pom,
      'dependency:copy-dependencies',
      `-DoutputDirectory=${target}`,
      '-DincludeScope=runtime',
    ],
    {
      signal,
      onLine: (line) => {
        const jar = downloadedJar(line);
        if (jar === undefined) return;
        jars += 1;
        report({ phase: 'jars', message: `Fetched ${jar}`, jars });
      },
    },
  );
  if (result.exitCode !== 0) throw fetchFailed(server, result);
  report({ phase: 'jars', message: `The jars of ${server} are in the cache`, jars });
};

/** The file name of the jar whose download a line of Maven's output announces as done. */
export const downloadedJar = (line: string): string | undefined =>
  /Downloaded\b.*?\/([^/\s]+\.jar)(?:\s|$)/.exec(line)?.[1];

/** Quotes Maven and names the next step; exported for its test. */
export const fetchFailed = (server: string, result: ToolResult): RealServerError => {
  const lines = result.output
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^Download(?:ing|ed)\b/.test(line));
  const offline = /Unknown host|Connection refused|timed out|Network is unreachable|No route to host/i.test(
    result.output,
  );
  const nextStep = offline
    ? 'Maven could not reach its repository. Check the network, or set a mirror or proxy in ~/.m2/settings.xml.'
    : 'Run the same with `mvn -X` to see more, or clear the artifact named above from ~/.m2/repository and try again.';
  return new RealServerError(
    'jars-not-fetched',
    `Maven could not fetch the jars of ${server} (exit code ${result.exitCode ?? 'none'}). Its last lines:\n` +
      `${lines.slice(-ERROR_LINES).join('\n')}\n${nextStep}`,
    { details: { tool: 'mvn', exitCode: result.exitCode } },
  );
};
