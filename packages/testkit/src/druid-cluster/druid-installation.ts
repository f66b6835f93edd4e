/** What a Druid is started from: jars, a launcher, and the classes of an earlier start, fetched or made where they are missing. */
import { compileLauncher } from '../java-runtime/compiled-launcher.js';
import { openDataFolder } from '../java-runtime/data-folder.js';
import { resolveJars } from '../java-runtime/maven-jars.js';
import { printedJavaVersion, recordClasses } from '../java-runtime/recorded-classes.js';
import type { ReportProgress } from '../java-runtime/start-progress.js';
import { jarsOfFlavour, type DruidFlavour } from './druid-flavour.js';
import { launchDruid } from './druid-launch.js';
import type { DruidInstallation } from './druid-process.js';

/** Enough for a start. */
const RECORDING_HEAP_MB = 1024;

/** @throws RealServerError `jars-not-fetched`, `launcher-not-compiled`, `aborted` */
export const installDruid = async (
  flavour: DruidFlavour,
  report: ReportProgress,
  signal: AbortSignal | undefined,
): Promise<DruidInstallation> => {
  const name = `druid-${flavour.version}`;
  const jars = await resolveJars(name, report, signal);
  const launcher = await compileLauncher(name, jars, launcherSources, report, signal);
  const classPath = [launcher, ...jarsOfFlavour(jars.jars, flavour)];
  const classes = await recordClasses({
    server: name,
    classPath,
    java: await printedJavaVersion(signal),
    report,
    signal,
    start: async (jvmArguments) => {
      const { server } = await launchDruid({
        installation: { flavour, classes: { classPath, archive: undefined } },
        folder: await openDataFolder(undefined, 'millrace-druid-'),
        heapMb: RECORDING_HEAP_MB,
        workerCapacity: 1,
        extra: {},
        jvmArguments,
        timeoutMs: undefined,
        report: () => undefined,
        signal,
      });
      return server;
    },
  });
  return { flavour, classes };
};

const launcherSources = [
  'launcher/ParentWatch.java',
  'launcher/DruidRole.java',
  'launcher/DruidLauncher.java',
];
