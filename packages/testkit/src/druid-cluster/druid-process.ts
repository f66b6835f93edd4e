/** One JVM that runs roles of Druid: its folder, its files of properties and its command line. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { compileLauncher } from '../java-runtime/compiled-launcher.js';
import { JavaProcess } from '../java-runtime/java-process.js';
import { resolveJars } from '../java-runtime/maven-jars.js';
import { formatProperties } from '../java-runtime/properties-file.js';
import type { ReportProgress } from '../java-runtime/start-progress.js';
import { jarsOfFlavour, type DruidFlavour } from './druid-flavour.js';
import { druidJvmArguments } from './druid-jvm.js';

/** What every process of a cluster is started from. */
export interface DruidInstallation {
  readonly flavour: DruidFlavour;
  readonly jars: readonly string[];
  /** Folder of the compiled launcher. */
  readonly launcher: string;
}

/** Fetches and compiles what is missing. @throws RealServerError `jars-not-fetched`, `launcher-not-compiled`, `aborted` */
export const installDruid = async (
  flavour: DruidFlavour,
  report: ReportProgress,
  signal: AbortSignal | undefined,
): Promise<DruidInstallation> => {
  const name = `druid-${flavour.version}`;
  const jars = await resolveJars(name, report, signal);
  const launcher = await compileLauncher(name, jars, launcherSources, report, signal);
  return { flavour, jars: jarsOfFlavour(jars.jars, flavour), launcher };
};

export interface DruidProcessPlan {
  readonly installation: DruidInstallation;
  /** Of this process alone. */
  readonly folder: string;
  /** Of each role to run, by its name. */
  readonly properties: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Where ZooKeeper listens, if it runs in this process. */
  readonly zookeeperPort?: number;
  readonly heapMb: number;
  readonly jvmArguments: readonly string[];
  readonly report: ReportProgress;
}

export const spawnDruidProcess = async (plan: DruidProcessPlan): Promise<JavaProcess> => {
  const { installation, folder, zookeeperPort, heapMb, report } = plan;
  const configuration = join(folder, 'conf');
  const zookeeperDir = join(folder, 'zookeeper');
  // Of the last run there are only announcements and leases in there.
  for (const path of [zookeeperDir, configuration]) await rm(path, { recursive: true, force: true });
  for (const path of [zookeeperDir, configuration, join(folder, 'tmp')])
    await mkdir(path, { recursive: true });
  for (const [role, properties] of Object.entries(plan.properties)) {
    await writeFile(join(configuration, `${role}.properties`), formatProperties(properties));
  }
  return JavaProcess.spawn({
    name: `Druid ${installation.flavour.version}`,
    cwd: folder,
    logFile: join(folder, 'logs', 'druid.log'),
    args: druidJvmArguments({
      jars: installation.jars,
      launcher: installation.launcher,
      heapMb,
      dataDir: folder,
      configuration,
      zookeeper: zookeeperPort === undefined ? undefined : { dir: zookeeperDir, port: zookeeperPort },
      extra: plan.jvmArguments,
    }),
    onEvent: ({ name, uptimeMs, detail }) =>
      report({ phase: 'start', message: `${detail} ${name} after ${(uptimeMs / 1000).toFixed(1)} s` }),
  });
};

const launcherSources = [
  { output: 'shared', files: ['launcher/ParentWatch.java', 'launcher/DruidLauncher.java'] },
  { output: 'role', files: ['druid-role/DruidRole.java'] },
];
