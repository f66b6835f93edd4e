/**
 * Role: a real Apache Druid, all roles in one JVM, for tests and for trying things out.
 * Boundary: it starts and stops the server; talking to it is the client's business.
 *
 * 1. `start` settles only when the cluster takes queries and tasks, or when nothing of it is left.
 * 2. Nothing listens on any address but 127.0.0.1.
 * 3. No process is left behind, however this process ends (java-process.ts, invariant 1).
 * 4. A `dataDir` that the caller named holds everything that a later start needs; ports and ZooKeeper's state do not
 *    survive and are not needed.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { compileLauncher } from '../java-runtime/compiled-launcher.js';
import { openDataFolder } from '../java-runtime/data-folder.js';
import { JavaProcess } from '../java-runtime/java-process.js';
import { resolveJars } from '../java-runtime/maven-jars.js';
import { formatProperties } from '../java-runtime/properties-file.js';
import { throwIfAborted } from '../java-runtime/real-server-error.js';
import { assertJavaPresent } from '../java-runtime/required-tools.js';
import { launchServer, type LaunchedServer } from '../java-runtime/server-launch.js';
import {
  progressReporter,
  type OnStartProgress,
  type ReportProgress,
} from '../java-runtime/start-progress.js';
import {
  flavourOf,
  jarsOfFlavour,
  type BasicSecurityOptions,
  type DruidCredentials,
  type DruidFlavour,
  type DruidVersion,
} from './druid-flavour.js';
import { druidJvmArguments } from './druid-jvm.js';
import { druidPropertiesOf, druidRoles, type DruidProperties, type DruidRole } from './druid-properties.js';
import { untilDruidIsReady } from './druid-readiness.js';
import { removeUnfinishedMetadata } from './unfinished-metadata.js';

const DEFAULT_HEAP_MB = 2048;
const DEFAULT_WORKER_CAPACITY = 8;
const DEFAULT_START_TIMEOUT_MS = 180_000;

export interface DruidClusterOptions {
  /** 33.0.0 by default. Of 27.0.0 there are the extensions below, but neither Kafka supervisors nor sketches. */
  readonly version?: DruidVersion;
  /** Multi-stage queries (MSQ); on by default where the version has them, which is 27.0.0. */
  readonly multiStageQuery?: boolean;
  /** Users and passwords at every role, with `credentials` for the administrator; off by default, only with 27.0.0. */
  readonly basicSecurity?: boolean | BasicSecurityOptions;
  /** A folder that outlives the cluster; without it a temporary one is used and removed by `stop`. */
  readonly dataDir?: string;
  /** Java heap in MiB, 2048 by default; a quarter of it is for rows that tasks have not yet written. */
  readonly heapMb?: number;
  /** How many tasks run at once, 8 by default. */
  readonly workerCapacity?: number;
  /** More Druid properties, for all roles or for some; they win over this package's. */
  readonly properties?: Readonly<Record<string, string>> | DruidProperties;
  /**
   * More arguments for the JVM, after this package's. The compiler is limited to its first tier, which halves the
   * start; for long loads give `-XX:TieredStopAtLevel=4`.
   */
  readonly jvmArguments?: readonly string[];
  readonly onProgress?: OnStartProgress;
  /** Aborts the start; it has no effect afterwards. */
  readonly signal?: AbortSignal;
  /** For the server, from the launch of its JVM; fetching jars is not counted. 180,000 by default. */
  readonly startTimeoutMs?: number;
}

/**
 * A running Druid.
 *
 * @example
 * const druid = await DruidCluster.start();
 * await fetch(`${druid.url}/status/health`);
 * await druid.stop();
 */
export class DruidCluster {
  /** The Router: queries, tasks, supervisors and the Coordinator's and Overlord's APIs, all at one address. */
  readonly url: string;
  readonly ports: Readonly<Record<DruidRole, number>>;
  readonly urls: Readonly<Record<DruidRole, string>>;
  /** Of the JVM. */
  readonly pid: number;
  readonly dataDir: string;
  /** The administrator's login; undefined unless `basicSecurity` was given. */
  readonly credentials: DruidCredentials | undefined;
  /** What all roles log, at level WARN. */
  readonly logFile: string;
  readonly #server: LaunchedServer;

  /**
   * Fetches what is missing, starts a cluster and waits until it takes queries and tasks, and until every segment
   * that an earlier run published can be queried again.
   *
   * @throws RealServerError `invalid-options`, `tool-missing`, `jars-not-fetched`, `launcher-not-compiled`, `data-dir-in-use`,
   *   `server-died`, `start-timeout` or `aborted`; nothing is left running then.
   */
  static async start(options: DruidClusterOptions = {}): Promise<DruidCluster> {
    const report = progressReporter(options.onProgress);
    const flavour = flavourOf(options);
    const { version, credentials } = flavour;
    assertJavaPresent();
    throwIfAborted(options.signal, 'Starting Druid');
    const jars = await resolveJars(`druid-${version}`, report, options.signal);
    const launcher = await compileLauncher(`druid-${version}`, jars, launcherSources, report, options.signal);
    const folder = await openDataFolder(options.dataDir, 'millrace-druid-');
    const server = await launchServer({
      portCount: 7,
      folder,
      report,
      timeoutMs: options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
      signal: options.signal,
      nextStep: NEXT_STEP,
      spawn: (ports) =>
        spawnDruid({ options, flavour, jars: jars.jars, launcher, dataDir: folder.path, report }, ports),
      untilReady: (ports, onMissing, signal) =>
        untilDruidIsReady({ url: urlsOf(rolePorts(ports)).router, credentials }, onMissing, signal),
    });
    const cluster = new DruidCluster(server, folder.path, credentials);
    report({ phase: 'ready', message: `Druid ${version} is ready at ${cluster.url}` });
    return cluster;
  }

  private constructor(server: LaunchedServer, dataDir: string, credentials: DruidCredentials | undefined) {
    this.#server = server;
    this.ports = rolePorts(server.ports);
    this.urls = urlsOf(this.ports);
    this.url = this.urls.router;
    this.pid = server.process.pid;
    this.logFile = server.process.logFile;
    this.dataDir = dataDir;
    this.credentials = credentials;
  }

  /**
   * Ends the cluster and waits until it is gone; removes a temporary data folder, with the log in it. Running tasks
   * are not waited for. May be called again, and after `kill`.
   */
  stop(): Promise<void> {
    return this.#server.stop();
  }

  /** Kills the JVM at once, for tests of what survives a crash; resolves when it is gone. The data folder stays. */
  kill(): Promise<void> {
    return this.#server.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

const launcherSources = [
  { output: 'shared', files: ['launcher/ParentWatch.java', 'launcher/DruidLauncher.java'] },
  { output: 'role', files: ['druid-role/DruidRole.java'] },
];

const urlsOf = (ports: Readonly<Record<DruidRole, number>>): Record<DruidRole, string> =>
  Object.fromEntries(druidRoles.map((role) => [role, `http://127.0.0.1:${ports[role]}`])) as Record<
    DruidRole,
    string
  >;

/** In the order in which ports are handed out; ZooKeeper and Derby take the two after them. */
const rolePorts = (ports: readonly number[]): Record<DruidRole, number> =>
  Object.fromEntries(druidRoles.map((role, index) => [role, ports[index]])) as Record<DruidRole, number>;

interface SpawnDruid {
  readonly options: DruidClusterOptions;
  readonly flavour: DruidFlavour;
  readonly jars: readonly string[];
  readonly launcher: string;
  readonly dataDir: string;
  readonly report: ReportProgress;
}

const spawnDruid = async (plan: SpawnDruid, ports: readonly number[]): Promise<JavaProcess> => {
  const { options, flavour, dataDir, jars, launcher } = plan;
  const [zookeeper = 0, derby = 0] = ports.slice(druidRoles.length);
  const heapMb = options.heapMb ?? DEFAULT_HEAP_MB;
  const configuration = join(dataDir, 'conf');
  const zookeeperDir = join(dataDir, 'zookeeper');
  await removeUnfinishedMetadata(dataDir);
  // Only announcements and leases of the last run are in there (invariant 4).
  for (const path of [zookeeperDir, configuration]) await rm(path, { recursive: true, force: true });
  for (const path of [zookeeperDir, configuration, join(dataDir, 'tmp')])
    await mkdir(path, { recursive: true });
  const properties = druidPropertiesOf({
    flavour,
    dataDir,
    ports: { ...rolePorts(ports), zookeeper, derby },
    heapMb,
    workerCapacity: options.workerCapacity ?? DEFAULT_WORKER_CAPACITY,
    extra: extraProperties(options.properties),
  });
  for (const role of druidRoles) {
    await writeFile(join(configuration, `${role}.properties`), formatProperties(properties[role]));
  }
  return JavaProcess.spawn({
    name: `Druid ${flavour.version}`,
    cwd: dataDir,
    logFile: join(dataDir, 'logs', 'druid.log'),
    args: druidJvmArguments({
      jars: jarsOfFlavour(jars, flavour),
      launcher,
      heapMb,
      dataDir,
      configuration,
      zookeeperDir,
      zookeeperPort: zookeeper,
      extra: options.jvmArguments ?? [],
    }),
    onEvent: ({ name, uptimeMs, detail }) =>
      plan.report({ phase: 'start', message: `${detail} ${name} after ${(uptimeMs / 1000).toFixed(1)} s` }),
  });
};

const NEXT_STEP =
  'If it is short of time or memory, raise startTimeoutMs or heapMb or stop other programs; if a property is wrong, ' +
  'mend `properties`; if the data folder is from another version, use a new one.';

/** A flat record counts for all roles. */
const extraProperties = (given: DruidClusterOptions['properties']): DruidProperties => {
  if (given === undefined) return {};
  const flat = Object.values(given).some((value) => typeof value === 'string');
  return flat ? { all: given as Readonly<Record<string, string>> } : (given as DruidProperties);
};
