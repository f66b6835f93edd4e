import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KafkaBroker } from '@millrace/testkit';

export interface JavaProducerRun {
  readonly topic: string;
  readonly records: number;
  /** Bytes of a record, or a file with one in each line, of which they are taken by chance. */
  readonly payload: number | { readonly file: string };
  /** Milliseconds; without it there are no transactions. */
  readonly transactionMs?: number;
}

/** Kafka's own `kafka-producer-perf-test`, against a broker of the test kit. */
export class JavaProducer {
  readonly #kafka: KafkaBroker;
  readonly #classPath: string;
  readonly #folder: string;

  /** Fetches the tool with Maven. */
  static async prepare(kafka: KafkaBroker): Promise<JavaProducer> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-java-producer-'));
    const [classPath] = await Promise.all([
      classPathOf(kafka.pid),
      promisify(execFile)('mvn', [
        ...['-B', '-q', 'dependency:copy', '-Dartifact=org.apache.kafka:kafka-tools:4.3.1'],
        `-DoutputDirectory=${folder}`,
      ]),
    ]);
    return new JavaProducer(kafka, `${join(folder, '*')}:${classPath}`, folder);
  }

  private constructor(kafka: KafkaBroker, classPath: string, folder: string) {
    this.#kafka = kafka;
    this.#classPath = classPath;
    this.#folder = folder;
  }

  /** Records per second, when as many again were written to warm up, acknowledged by all replicas. */
  async recordsPerSecond({ topic, records, payload, transactionMs }: JavaProducerRun): Promise<number> {
    const { stdout } = await promisify(execFile)('java', [
      ...['-Xmx512m', '-cp', this.#classPath, 'org.apache.kafka.tools.ProducerPerformance'],
      ...['--bootstrap-server', this.#kafka.bootstrapServers, '--topic', topic, '--throughput', '-1'],
      ...['--num-records', String(2 * records), '--warmup-records', String(records)],
      ...(typeof payload === 'number'
        ? ['--record-size', String(payload)]
        : ['--payload-file', payload.file]),
      // As large as ours; the tool's own batches of 16 KiB are slower.
      ...['--command-property', 'acks=all', 'batch.size=524288', 'max.request.size=4194304'],
      ...(transactionMs === undefined ? [] : ['--transaction-duration-ms', String(transactionMs)]),
    ]);
    const last = stdout.trim().split('\n').at(-1) ?? '';
    const found = /([\d.]+) records\/sec/.exec(last);
    if (found === null) throw new Error(`kafka-producer-perf-test said: ${stdout}`);
    return Math.round(Number(found[1]));
  }

  close(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}

async function classPathOf(pid: number): Promise<string> {
  const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  return args[args.indexOf('-cp') + 1] ?? '';
}
