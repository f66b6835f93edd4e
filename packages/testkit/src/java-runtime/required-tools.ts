import { spawnSync } from 'node:child_process';

import { RealServerError } from './real-server-error.js';

/** The answer of {@link isRealServerAvailable}. */
export type RealServerAvailability =
  { readonly available: true } | { readonly available: false; readonly reason: string };

/** Runs `command --version`-like calls; null when the command is not there. Replaceable for tests. */
export type ToolProbe = (command: string, args: readonly string[]) => string | null;

const probeTool: ToolProbe = (command, args) => {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 30_000 });
  return result.error || result.status !== 0 ? null : `${result.stdout}\n${result.stderr}`;
};

const MINIMUM_JAVA = 17;

/** Reads the major version from what `javac -version` or `java -version` prints; undefined when there is none. */
export const javaMajorVersion = (printed: string): number | undefined => {
  const found = /(?:javac|version)\s+"?(\d+)(?:\.(\d+))?/.exec(printed);
  if (!found) return undefined;
  const major = Number(found[1]);
  return major === 1 && found[2] !== undefined ? Number(found[2]) : major;
};

let known: RealServerAvailability | undefined;
let knownJava: RealServerAvailability | undefined;

/**
 * Tells whether this machine can run {@link DruidCluster} and {@link KafkaBroker}: a JDK 17 or newer (`java` and
 * `javac`) and Maven (`mvn`) on the PATH. Whether the jars can be fetched is not tried. The answer is remembered.
 */
export const isRealServerAvailable = (probe?: ToolProbe): RealServerAvailability => {
  if (probe) return inspectTools(probe);
  return (known ??= inspectTools(probeTool));
};

const inspectTools = (probe: ToolProbe): RealServerAvailability => {
  for (const tool of ['java', 'javac'] as const) {
    const answer = inspectJava(tool, probe);
    if (!answer.available) return answer;
  }
  if (probe('mvn', ['-v']) === null) {
    return unavailable('`mvn` (Apache Maven, which fetches the jars) is not on the PATH; install it');
  }
  return { available: true };
};

const inspectJava = (tool: 'java' | 'javac', probe: ToolProbe): RealServerAvailability => {
  const printed = probe(tool, ['-version']);
  if (printed === null) {
    return unavailable(`\`${tool}\` is not on the PATH; install a JDK, version ${MINIMUM_JAVA} or newer`);
  }
  const major = javaMajorVersion(printed);
  if (major === undefined || major < MINIMUM_JAVA) {
    return unavailable(
      `\`${tool}\` is version ${major ?? 'unknown'}; version ${MINIMUM_JAVA} or newer is needed`,
    );
  }
  return { available: true };
};

const unavailable = (reason: string): RealServerAvailability => ({ available: false, reason });

/**
 * Checks what every start needs. The other tools are needed only while the cache is empty, and are missed then.
 *
 * @throws RealServerError `tool-missing` with what to install.
 */
export const assertJavaPresent = (): void => {
  const answer = (knownJava ??= inspectJava('java', probeTool));
  if (answer.available) return;
  throw new RealServerError('tool-missing', `Cannot run a real server on this machine: ${answer.reason}.`);
};

/**
 * Decides for a test suite whether its tests against real servers run, and makes sure that nobody overlooks it when
 * they do not: it reports why, and where `CI` is set it throws instead of skipping.
 *
 * @example
 * describe.skipIf(!requireRealServers())('against a real Druid', () => { … });
 *
 * @param options.report Where the reason goes; a warning of the process by default.
 * @throws RealServerError `tool-missing` in CI when something is missing.
 */
export const requireRealServers = (
  options: { report?: (reason: string) => void; env?: NodeJS.ProcessEnv; probe?: ToolProbe } = {},
): boolean => {
  const answer = isRealServerAvailable(options.probe);
  if (answer.available) return true;
  const ci = (options.env ?? process.env)['CI'];
  if (ci !== undefined && ci !== '' && ci !== 'false' && ci !== '0') {
    throw new RealServerError(
      'tool-missing',
      `CI must run the tests against real servers, but cannot: ${answer.reason}. Install it in the CI image.`,
    );
  }
  const report = options.report ?? ((reason: string) => process.emitWarning(reason, 'RealServersSkipped'));
  report(`SKIPPED: tests against real servers do not run here: ${answer.reason}.`);
  return false;
};
