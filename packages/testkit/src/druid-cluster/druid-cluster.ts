/**
 * Role: a real Apache Druid, all roles in one JVM, and more Historicals beside it, for tests and for trying things out.
 * Boundary: it starts and stops the server; talking to it is the client's business.
 *
 * 1. `start` settles only when the cluster takes queries and tasks, or when nothing of it is left.
 * 2. Nothing listens on any address but 127.0.0.1.
 * 3. No process is left behind, however this process ends (java-process.ts, invariant 1).
 * 4. A `dataDir` that the caller named holds everything that a later start needs; ports and ZooKeeper's state do not
 *    survive and are not needed.
 */
import { openDataFolder } from '../java-runtime/data-folder.js';
import { throwIfAborted } from '../java-runtime/real-server-error.js';
import { assertJavaPresent } from '../java-runtime/required-tools.js';
import type { LaunchedServer } from '../java-runtime/server-launch.js';
import { progressReporter, type OnStartProgress } from '../java-runtime/start-progress.js';
import {
  flavourOf,
  type BasicSecurityOptions,
  type DruidCredentials,
  type DruidVersion,
} from './druid-flavour.js';
import { DruidHistorical, type DruidHistoricalOptions, type HistoricalCluster } from './druid-historical.js';
import { installDruid } from './druid-installation.js';
import { launchDruid, urlsOf } from './druid-launch.js';
import { druidRoles, type DruidProperties, type DruidRole } from './druid-properties.js';

const DEFAULT_HEAP_MB = 2048;
const DEFAULT_WORKER_CAPACITY = 8;

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
  readonly #shared: HistoricalCluster;
  readonly #historicals: DruidHistorical[] = [];
  #historicalCount = 0;
  #isEnding = false;

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
    const installation = await installDruid(flavour, report, options.signal);
    const folder = await openDataFolder(options.dataDir, 'millrace-druid-');
    const launched = await launchDruid({
      installation,
      folder,
      heapMb: options.heapMb ?? DEFAULT_HEAP_MB,
      workerCapacity: options.workerCapacity ?? DEFAULT_WORKER_CAPACITY,
      extra: extraProperties(options.properties),
      jvmArguments: options.jvmArguments ?? [],
      timeoutMs: options.startTimeoutMs,
      report,
      signal: options.signal,
    });
    const { server, layout } = launched;
    const druid = { url: urlsOf(layout.ports).router, credentials };
    const cluster = new DruidCluster(server, { installation, layout, druid, report });
    report({ phase: 'ready', message: `Druid ${version} is ready at ${cluster.url}` });
    return cluster;
  }

  private constructor(server: LaunchedServer, shared: HistoricalCluster) {
    this.#server = server;
    this.#shared = shared;
    const { ports, dataDir, flavour } = shared.layout;
    this.ports = Object.fromEntries(druidRoles.map((role) => [role, ports[role]])) as Record<
      DruidRole,
      number
    >;
    this.urls = urlsOf(ports);
    this.url = this.urls.router;
    this.pid = server.process.pid;
    this.logFile = server.process.logFile;
    this.dataDir = dataDir;
    this.credentials = flavour.credentials;
  }

  /**
   * Starts one more Historical, in a JVM of its own (about 0.4 GB), and waits until the Broker sees it. The n-th one of
   * a cluster finds the segments that the n-th one had in the same `dataDir` before.
   *
   * @example
   * const historical = await druid.addHistorical({ tier: 'hot' });
   * await historical.kill();
   * await historical.start(); // at the same address
   * @throws RealServerError `server-died`, `start-timeout`, or `aborted` by the end of the cluster; nothing of it is left
   *   running then.
   */
  async addHistorical(options: DruidHistoricalOptions = {}): Promise<DruidHistorical> {
    const historical = await DruidHistorical.create(this.#shared, ++this.#historicalCount, options);
    this.#historicals.push(historical);
    if (this.#isEnding) await historical.stop();
    await historical.start();
    return historical;
  }

  /**
   * Ends the cluster and waits until it is gone; removes a temporary data folder, with the log in it. Running tasks
   * are not waited for. May be called again, and after `kill`.
   */
  async stop(): Promise<void> {
    await this.#endHistoricals();
    await this.#server.stop();
  }

  /** Kills all JVMs at once, for tests of what survives a crash; resolves when they are gone. The data folder stays. */
  async kill(): Promise<void> {
    await Promise.all([this.#server.kill(), this.#endHistoricals()]);
  }

  /** They have nothing to save. */
  async #endHistoricals(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(
      this.#historicals.map(async (historical) => {
        await historical.kill();
        await historical.stop();
      }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** A flat record counts for all roles. */
const extraProperties = (given: DruidClusterOptions['properties']): DruidProperties => {
  if (given === undefined) return {};
  const flat = Object.values(given).some((value) => typeof value === 'string');
  return flat ? { all: given as Readonly<Record<string, string>> } : (given as DruidProperties);
};
