/**
 * Role: a Historical in a process of its own, which can be killed while the rest of its cluster goes on.
 * Boundary: its process and its address; which segments it gets is for the Coordinator's load rules to say.
 *
 * 1. Its address and its folder stay the same for life: after `kill` and `start` it is the same server, with its segments.
 * 2. `start` settles only when it serves what it had and the Broker sees it, or when nothing of it is left.
 * 3. It ends with its cluster, and with the process that started it.
 */
import { join } from 'node:path';

import { openDataFolder } from '../java-runtime/data-folder.js';
import { reservePorts, type PortReservation } from '../java-runtime/port-reservation.js';
import { RealServerError } from '../java-runtime/real-server-error.js';
import { launchServer, type LaunchedServer } from '../java-runtime/server-launch.js';
import type { ReportProgress } from '../java-runtime/start-progress.js';
import { spawnDruidProcess, type DruidInstallation } from './druid-process.js';
import { extraHistoricalProperties, type ClusterLayout } from './druid-properties.js';
import { untilHistoricalServes, type StartingDruid } from './druid-readiness.js';

const DEFAULT_HEAP_MB = 512;
const DEFAULT_START_TIMEOUT_MS = 120_000;

export interface DruidHistoricalOptions {
  /** For load rules; `_default_tier` by default, where the cluster's own Historical is. */
  readonly tier?: string;
  /** Java heap in MiB, 512 by default. */
  readonly heapMb?: number;
  /** More Druid properties; they win over the cluster's. */
  readonly properties?: Readonly<Record<string, string>>;
  /** 120,000 by default. */
  readonly startTimeoutMs?: number;
}

/** What a Historical needs of its cluster. */
export interface HistoricalCluster {
  readonly installation: DruidInstallation;
  readonly layout: ClusterLayout;
  readonly druid: StartingDruid;
  readonly report: ReportProgress;
}

/** A Historical beside the cluster's own; made by `DruidCluster.addHistorical`. */
export class DruidHistorical {
  /** `historical-1`, `historical-2`, … */
  readonly name: string;
  readonly url: string;
  readonly port: number;
  /** What it logs, at level WARN. */
  readonly logFile: string;
  readonly #cluster: HistoricalCluster;
  readonly #options: DruidHistoricalOptions;
  readonly #reservation: PortReservation;
  readonly #folder: string;
  #server: Promise<LaunchedServer> | undefined;
  #abortStart = new AbortController();
  #isStopped = false;
  #pid: number | undefined;

  /** The number is part of its name and of its folder. */
  static async create(
    cluster: HistoricalCluster,
    number: number,
    options: DruidHistoricalOptions,
  ): Promise<DruidHistorical> {
    return new DruidHistorical(cluster, number, options, await reservePorts(1));
  }

  private constructor(
    cluster: HistoricalCluster,
    number: number,
    options: DruidHistoricalOptions,
    reservation: PortReservation,
  ) {
    this.name = `historical-${number}`;
    this.#cluster = cluster;
    this.#options = options;
    this.#reservation = reservation;
    this.#folder = join(cluster.layout.dataDir, this.name);
    this.port = reservation.ports[0] as number;
    this.url = `http://127.0.0.1:${this.port}`;
    this.logFile = join(this.#folder, 'logs', 'druid.log');
  }

  /** Of its JVM; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /**
   * Starts it, again at the same address after `kill`; settles at once if it runs.
   *
   * @throws RealServerError `server-died`, `start-timeout`; `aborted` by `kill` or `stop`, and after `stop`
   */
  async start(): Promise<void> {
    if (this.#isStopped) {
      throw new RealServerError(
        'aborted',
        `${this.name} was stopped, and its address given back; add another Historical.`,
      );
    }
    this.#server ??= this.#launch();
    await this.#server;
  }

  /**
   * SIGKILL; resolves when the process is gone. The cluster does not know of it until ZooKeeper's session ends, about 10 s
   * later: until then the Broker sends queries to it.
   */
  async kill(): Promise<void> {
    const server = await this.#launched();
    await server?.kill();
  }

  /** Ends it in order, so that the cluster knows at once; it cannot be started again. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const server = await this.#launched();
    await server?.stop();
    this.#reservation.release();
  }

  /** A start that goes on is not worth waiting for. */
  #launched(): Promise<LaunchedServer | undefined> {
    this.#abortStart.abort();
    return this.#server?.catch(() => undefined) ?? Promise.resolve(undefined);
  }

  async #launch(): Promise<LaunchedServer> {
    this.#abortStart = new AbortController();
    try {
      const server = await this.#launchServer(this.#abortStart.signal);
      this.#pid = server.process.pid;
      void server.process.exited.then(() => this.#forget());
      return server;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  #forget(): void {
    this.#pid = undefined;
    this.#server = undefined;
  }

  async #launchServer(signal: AbortSignal): Promise<LaunchedServer> {
    const { installation, layout, druid, report } = this.#cluster;
    const { heapMb = DEFAULT_HEAP_MB, tier, properties = {}, startTimeoutMs } = this.#options;
    return launchServer({
      ports: this.#reservation.ports, // invariant 1
      folder: await openDataFolder(this.#folder, ''),
      report,
      timeoutMs: startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
      signal,
      nextStep: 'If it is short of time or memory, raise startTimeoutMs or heapMb; else mend `properties`.',
      spawn: () =>
        spawnDruidProcess({
          installation,
          folder: this.#folder,
          properties: {
            historical: extraHistoricalProperties(layout, {
              port: this.port,
              folder: this.#folder,
              tier,
              extra: properties,
            }),
          },
          heapMb,
          jvmArguments: [],
          report,
        }),
      untilReady: (_, onMissing, ended) => untilHistoricalServes(druid, this.url, onMissing, ended), // invariant 2
    });
  }
}
