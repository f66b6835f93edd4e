/** From an installation and a folder to a cluster that is ready. */
import type { DataFolder } from '../java-runtime/data-folder.js';
import { launchServer, type LaunchedServer } from '../java-runtime/server-launch.js';
import type { ReportProgress } from '../java-runtime/start-progress.js';
import { spawnDruidProcess, type DruidInstallation } from './druid-process.js';
import {
  druidPropertiesOf,
  druidRoles,
  type ClusterLayout,
  type DruidProperties,
  type DruidRole,
} from './druid-properties.js';
import { untilDruidIsReady } from './druid-readiness.js';
import { removeUnfinishedMetadata } from './unfinished-metadata.js';

const DEFAULT_START_TIMEOUT_MS = 180_000;

export interface DruidLaunch {
  readonly installation: DruidInstallation;
  readonly folder: DataFolder;
  readonly heapMb: number;
  readonly workerCapacity: number;
  readonly extra: DruidProperties;
  readonly jvmArguments: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly report: ReportProgress;
  readonly signal: AbortSignal | undefined;
}

/** @throws RealServerError `server-died`, `start-timeout` or `aborted`; nothing is left running then. */
export const launchDruid = async (
  launch: DruidLaunch,
): Promise<{ readonly server: LaunchedServer; readonly layout: ClusterLayout }> => {
  const { installation, folder, heapMb, workerCapacity, extra, report } = launch;
  const { flavour } = installation;
  const layoutAt = (ports: readonly number[]): ClusterLayout => ({
    flavour,
    dataDir: folder.path,
    ports: clusterPorts(ports),
    heapMb,
    workerCapacity,
    extra,
  });
  const server = await launchServer({
    ports: druidRoles.length + 2,
    folder,
    report,
    timeoutMs: launch.timeoutMs ?? DEFAULT_START_TIMEOUT_MS,
    signal: launch.signal,
    nextStep: NEXT_STEP,
    spawn: async (ports) => {
      await removeUnfinishedMetadata(folder.path);
      const layout = layoutAt(ports);
      return spawnDruidProcess({
        installation,
        folder: folder.path,
        properties: druidPropertiesOf(layout),
        zookeeperPort: layout.ports.zookeeper,
        heapMb,
        jvmArguments: launch.jvmArguments,
        report,
      });
    },
    untilReady: (ports, onMissing, signal) => {
      const url = urlsOf(clusterPorts(ports)).router;
      return untilDruidIsReady({ url, credentials: flavour.credentials }, onMissing, signal);
    },
  });
  return { server, layout: layoutAt(server.ports) };
};

export const urlsOf = (ports: Readonly<Record<DruidRole, number>>): Record<DruidRole, string> =>
  Object.fromEntries(druidRoles.map((role) => [role, `http://127.0.0.1:${ports[role]}`])) as Record<
    DruidRole,
    string
  >;

/** In the order in which ports are handed out. */
const clusterPorts = (ports: readonly number[]): ClusterLayout['ports'] =>
  Object.fromEntries(
    [...druidRoles, 'zookeeper', 'derby'].map((name, index) => [name, ports[index]]),
  ) as ClusterLayout['ports'];

const NEXT_STEP =
  'If it is short of time or memory, raise startTimeoutMs or heapMb or stop other programs; if a property is wrong, ' +
  'mend `properties`; if the data folder is from another version, use a new one.';
