/**
 * Role: a real Apache Kafka, one node in KRaft mode, for tests and for trying things out.
 * Boundary: it starts and stops the server; producing and consuming is the client's business.
 *
 * 1. `start` settles only when the broker serves requests, or when nothing of it is left.
 * 2. Nothing listens on any address but 127.0.0.1.
 * 3. No process is left behind, however this process ends (java-process.ts, invariant 1).
 * 4. A `dataDir` that the caller named keeps topics, offsets and transactions; ports may change between runs.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { compileLauncher } from '../java-runtime/compiled-launcher.js';
import { openDataFolder } from '../java-runtime/data-folder.js';
import { JavaProcess } from '../java-runtime/java-process.js';
import { commonJvmArguments } from '../java-runtime/jvm-arguments.js';
import { resolveJars } from '../java-runtime/maven-jars.js';
import { formatProperties } from '../java-runtime/properties-file.js';
import { throwIfAborted } from '../java-runtime/real-server-error.js';
import { assertJavaPresent } from '../java-runtime/required-tools.js';
import { launchServer, type LaunchedServer } from '../java-runtime/server-launch.js';
import { progressReporter, type OnStartProgress } from '../java-runtime/start-progress.js';
import { kafkaPropertiesOf } from './kafka-properties.js';
import { untilKafkaIsReady } from './kafka-readiness.js';
import { checkUsers, prepareKeystore, scramArguments, secureProperties } from './kafka-security.js';

const DEFAULT_HEAP_MB = 512;
const DEFAULT_START_TIMEOUT_MS = 120_000;
/** Any 16 bytes in URL-safe base64; fixed, so that a data folder fits every later start. */
const CLUSTER_ID = Buffer.from('millrace-testkit').toString('base64url');

export interface KafkaBrokerOptions {
  /** The only version so far. */
  readonly version?: '4.3.1';
  /** A folder that outlives the broker; without it a temporary one is used and removed by `stop`. */
  readonly dataDir?: string;
  /** Java heap in MiB, 512 by default. */
  readonly heapMb?: number;
  /** More broker properties; they win over this package's. Topics are created at first use unless told otherwise. */
  readonly properties?: Readonly<Record<string, string>>;
  /**
   * Opens a second listener, with TLS, for users with these passwords: SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN. With a
   * `dataDir`, the passwords of the first start stay for SCRAM.
   */
  readonly users?: Readonly<Record<string, string>>;
  readonly onProgress?: OnStartProgress;
  /** Aborts the start; it has no effect afterwards. */
  readonly signal?: AbortSignal;
  /** For the server, from the launch of its JVM; fetching jars is not counted. 120,000 by default. */
  readonly startTimeoutMs?: number;
}

export interface SecureListener {
  readonly bootstrapServers: string;
  /** PEM, for 127.0.0.1, signed by itself. */
  readonly certificate: string;
}

/**
 * A running Kafka broker.
 *
 * @example
 * const kafka = await KafkaBroker.start();
 * const producer = new Producer({ clientId: 'test', bootstrapBrokers: [kafka.bootstrapServers] });
 * await kafka.stop();
 */
export class KafkaBroker {
  /** "host:port", as clients and Druid's supervisors want it. */
  readonly bootstrapServers: string;
  readonly port: number;
  /** Where those of `users` come in, and whose `ca` they need. */
  readonly secure: SecureListener | undefined;
  /** Of the JVM. */
  readonly pid: number;
  readonly dataDir: string;
  /** What the broker logs, at level WARN. */
  readonly logFile: string;
  readonly #server: LaunchedServer;

  /**
   * Fetches what is missing, starts a broker and waits until it serves requests.
   *
   * @throws RealServerError `invalid-options`, `tool-missing`, `jars-not-fetched`, `launcher-not-compiled`, `data-dir-in-use`,
   *   `server-died`, `start-timeout` or `aborted`; nothing is left running then.
   */
  static async start(options: KafkaBrokerOptions = {}): Promise<KafkaBroker> {
    const report = progressReporter(options.onProgress);
    const version = options.version ?? '4.3.1';
    const { users } = options;
    if (users !== undefined) checkUsers(users);
    assertJavaPresent();
    throwIfAborted(options.signal, 'Starting Kafka');
    const jars = await resolveJars(`kafka-${version}`, report, options.signal);
    const launcher = await compileLauncher(`kafka-${version}`, jars, launcherSources, report, options.signal);
    const folder = await openDataFolder(options.dataDir, 'millrace-kafka-');
    let certificate: string | undefined;
    const server = await launchServer({
      ports: users === undefined ? 2 : 3,
      folder,
      report,
      timeoutMs: options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
      signal: options.signal,
      nextStep:
        'If a property is wrong, mend `properties`; if the folder is from another version, use a new one.',
      spawn: async ([brokerPort = 0, controllerPort = 0, securePort]) => {
        if (users !== undefined) certificate = await prepareKeystore(folder.path, options.signal);
        const ports = { brokerPort, controllerPort, ...(securePort !== undefined && { securePort }) };
        return spawnKafka(options, `Kafka ${version}`, [launcher, ...jars.jars], folder.path, ports);
      },
      untilReady: ([port = 0], onMissing, signal) => untilKafkaIsReady(port, onMissing, signal),
    });
    const broker = new KafkaBroker(server, folder.path, certificate);
    report({ phase: 'ready', message: `Kafka ${version} is ready at ${broker.bootstrapServers}` });
    return broker;
  }

  private constructor(server: LaunchedServer, dataDir: string, certificate: string | undefined) {
    this.#server = server;
    this.port = server.ports[0] ?? 0;
    this.bootstrapServers = `127.0.0.1:${this.port}`;
    this.secure =
      certificate === undefined
        ? undefined
        : { bootstrapServers: `127.0.0.1:${server.ports[2] ?? 0}`, certificate };
    this.pid = server.process.pid;
    this.logFile = server.process.logFile;
    this.dataDir = dataDir;
  }

  /**
   * Ends the broker and waits until it is gone; removes a temporary data folder, with the log in it. May be called
   * again, and after `kill`.
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

const launcherSources = ['launcher/ParentWatch.java', 'launcher/KafkaLauncher.java'];

const spawnKafka = async (
  options: KafkaBrokerOptions,
  name: string,
  classPath: readonly string[],
  dataDir: string,
  ports: { brokerPort: number; controllerPort: number; securePort?: number },
): Promise<JavaProcess> => {
  const logsDir = join(dataDir, 'topics');
  const file = join(dataDir, 'server.properties');
  await mkdir(dataDir, { recursive: true });
  const { users, properties } = options;
  const extra = { ...(users !== undefined && secureProperties(users, dataDir)), ...properties };
  await writeFile(file, formatProperties(kafkaPropertiesOf({ ...ports, logsDir, extra })));
  return JavaProcess.spawn({
    name,
    cwd: dataDir,
    logFile: join(dataDir, 'logs', 'kafka.log'),
    args: [
      ...commonJvmArguments(options.heapMb ?? DEFAULT_HEAP_MB, dataDir),
      '-cp',
      classPath.join(delimiter),
      'dev.millrace.testkit.KafkaLauncher',
      file,
      logsDir,
      '-t',
      CLUSTER_ID,
      ...scramArguments(users ?? {}),
    ],
  });
};
