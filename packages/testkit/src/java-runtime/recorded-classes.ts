/**
 * Role: the classes that a server loads, as the JVM lays them out in memory (class-data sharing), in the cache: a start
 * that finds them there takes half of the processor time.
 * Boundary: an archive speeds a start up and is never needed: a JVM that cannot use it says so in its log and goes on.
 */
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { buildOnce } from './build-once.js';
import { cacheFolder, contentKey } from './cache-folder.js';
import type { JavaProcess } from './java-process.js';
import { throwIfAborted } from './real-server-error.js';
import { runTool } from './run-tool.js';
import type { ReportProgress } from './start-progress.js';

/** Writing the archive takes seconds, more on a busy machine. */
const RECORD_GRACE_MS = 120_000;

/** Where classes come from, and the archive of them, if there is one. */
export interface ClassSource {
  /** Jars only: the JVM does not record the classes of folders. */
  readonly classPath: readonly string[];
  readonly archive: string | undefined;
}

export interface ClassRecording {
  /** Names the folder in the cache, such as `druid-33.0.0`. */
  readonly server: string;
  readonly classPath: readonly string[];
  /** What `java -version` prints: an archive is for one JVM only. */
  readonly java: string;
  /** Starts a server with these arguments of the JVM, and resolves when it has loaded what a start loads. */
  start(jvmArguments: readonly string[]): Promise<RecordedServer>;
  readonly report: ReportProgress;
  readonly signal: AbortSignal | undefined;
}

interface RecordedServer {
  readonly process: JavaProcess;
  /** Removes its folder. */
  stop(): Promise<void>;
}

/**
 * Starts a server for its classes alone, once for each class path and JVM, and ends it.
 *
 * @throws RealServerError `aborted`
 */
export const recordClasses = async (recording: ClassRecording): Promise<ClassSource> => {
  const { server, classPath, java, report, signal } = recording;
  const folder = join(cacheFolder(), server, `classes-${contentKey(java, ...classPath)}`);
  const build = async (temporary: string): Promise<void> => {
    report({ phase: 'compile', message: `Recording the classes of ${server} (once for this user)` });
    await record(recording, archiveIn(temporary));
  };
  try {
    return { classPath, archive: archiveIn(await buildOnce(folder, build, { signal })) };
  } catch (error) {
    throwIfAborted(signal, 'The start');
    report({ phase: 'compile', message: `Going on without recorded classes: ${String(error)}` });
    return { classPath, archive: undefined };
  }
};

/** @throws RealServerError `tool-missing`, `aborted` */
export const printedJavaVersion = async (signal: AbortSignal | undefined): Promise<string> =>
  (await runTool('java', ['-version'], { signal })).output;

const archiveIn = (folder: string): string => join(folder, 'classes.jsa');

const record = async ({ start }: ClassRecording, archive: string): Promise<void> => {
  const server = await start([
    `-XX:ArchiveClassesAtExit=${archive}`,
    `-Dmillrace.stopGraceMs=${RECORD_GRACE_MS}`,
  ]);
  try {
    await server.process.stop(RECORD_GRACE_MS);
    await access(archive);
  } finally {
    await server.stop();
  }
};

/** The JVM's arguments for a class source. */
export const classArguments = ({ classPath, archive }: ClassSource): string[] => [
  ...(archive === undefined ? [] : [`-XX:SharedArchiveFile=${archive}`]),
  '-cp',
  classPath.join(delimiter),
];
