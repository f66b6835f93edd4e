import { join } from 'node:path';

import { commonJvmArguments } from '../java-runtime/jvm-arguments.js';
import { classArguments, type ClassSource } from '../java-runtime/recorded-classes.js';

export interface DruidJvm {
  readonly classes: ClassSource;
  readonly heapMb: number;
  readonly dataDir: string;
  readonly configuration: string;
  /** Undefined in a process that joins the ZooKeeper of another. */
  readonly zookeeper: { readonly dir: string; readonly port: number } | undefined;
  readonly extra: readonly string[];
}

/** The command line, but for `java`, of a JVM that holds all roles, or some. */
export const druidJvmArguments = (jvm: DruidJvm): string[] => [
  ...commonJvmArguments(jvm.heapMb, jvm.dataDir),
  `-XX:MaxDirectMemorySize=${Math.max(1024, jvm.heapMb)}m`,
  '-Duser.timezone=UTC',
  `-Djava.io.tmpdir=${join(jvm.dataDir, 'tmp')}`,
  `-Dderby.stream.error.file=${join(jvm.dataDir, 'logs', 'derby.log')}`,
  '-Djava.util.logging.manager=org.apache.logging.log4j.jul.LogManager', // Jersey would log at INFO
  ...moduleAccess,
  ...jvm.extra,
  ...classArguments(jvm.classes),
  'dev.millrace.testkit.DruidLauncher',
  jvm.configuration,
  ...(jvm.zookeeper ? [jvm.zookeeper.dir, String(jvm.zookeeper.port)] : []),
];

/** What Druid's documentation demands of Java 17. */
const moduleAccess = [
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-opens=java.base/java.io=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED',
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED',
];
