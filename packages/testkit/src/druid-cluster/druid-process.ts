/** One JVM that runs roles of Druid: its folder, its files of properties and its command line. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { JavaProcess } from '../java-runtime/java-process.js';
import { formatProperties } from '../java-runtime/properties-file.js';
import type { ClassSource } from '../java-runtime/recorded-classes.js';
import type { ReportProgress } from '../java-runtime/start-progress.js';
import type { DruidFlavour } from './druid-flavour.js';
import { druidJvmArguments } from './druid-jvm.js';

/** What every process of a cluster is started from. */
export interface DruidInstallation {
  readonly flavour: DruidFlavour;
  readonly classes: ClassSource;
}

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
      classes: installation.classes,
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
