/**
 * How fast a job writes records of 100 bytes to a real Kafka broker by `KafkaSink`, at least once and exactly once, and reads
 * them by `KafkaSource`: one subtask, four partitions. The broker runs on the same machine, so seconds of CPU tell more than
 * seconds. Every record that was written must be read. Beside it Kafka's own producer, on the same broker in the same run.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KafkaSink, KafkaSource, type KafkaSinkOptions } from '@millrace/connector-kafka';
import {
  FileCheckpointStorage,
  NumberSequenceSource,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type Sink,
} from '@millrace/core-stream';
import { KafkaBroker } from '@millrace/testkit';
import { JavaProducer } from './kafka/java-producer.js';
import { benchOptions, median } from './options.js';

const RECORD_BYTES = 100;
const CHECKPOINT_MS = 1_000;

interface Measured {
  readonly recordsPerSecond: number;
  readonly recordsPerCpuSecond: number;
}

const { json, size, runs } = benchOptions({ size: 1_000_000, runs: 3 });
const kafka = await KafkaBroker.start({ properties: { 'num.partitions': '4' } });
const { bootstrapServers } = kafka;
const javaProducer = await JavaProducer.prepare(kafka);
const directory = await mkdtemp(join(tmpdir(), 'millrace-kafka-bench-'));
try {
  const atLeastOnce: Measured[] = [];
  const exactlyOnce: Measured[] = [];
  const source: Measured[] = [];
  const java: number[] = [];
  const javaInTransactions: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const written = [
      await measured(() => write(`once-more-${run}`, { deliveryGuarantee: 'at-least-once' })),
      await measured(() =>
        write(`once-${run}`, { deliveryGuarantee: 'exactly-once', transactionalIdPrefix: `bench-${run}` }),
      ),
      await measured(() => read(`once-${run}`)),
    ] as const;
    if (run === 0) continue; // warming up
    const perfTest = { records: size, payload: RECORD_BYTES };
    java.push(await javaProducer.recordsPerSecond({ ...perfTest, topic: `java-${run}` }));
    javaInTransactions.push(
      await javaProducer.recordsPerSecond({
        ...perfTest,
        topic: `java-tx-${run}`,
        transactionMs: CHECKPOINT_MS,
      }),
    );
    atLeastOnce.push(written[0]);
    exactlyOnce.push(written[1]);
    source.push(written[2]);
  }
  const report = {
    records: size,
    recordBytes: RECORD_BYTES,
    runs,
    checkpointIntervalMs: CHECKPOINT_MS,
    sinkAtLeastOnce: middle(atLeastOnce),
    sinkExactlyOnce: middle(exactlyOnce),
    sourceReadCommitted: middle(source),
    javaProducerRecordsPerSecond: median(java),
    javaProducerInTransactionsRecordsPerSecond: median(javaInTransactions),
  };
  if (json) console.log(JSON.stringify(report));
  else {
    const { sinkAtLeastOnce, sinkExactlyOnce, sourceReadCommitted } = report;
    console.table({
      sinkAtLeastOnce,
      sinkExactlyOnce,
      sourceReadCommitted,
      javaProducer: { recordsPerSecond: report.javaProducerRecordsPerSecond },
      javaProducerInTransactions: { recordsPerSecond: report.javaProducerInTransactionsRecordsPerSecond },
    });
  }
} finally {
  await javaProducer.close();
  await kafka.stop();
  await rm(directory, { recursive: true, force: true });
}

async function write(
  topic: string,
  options: Pick<KafkaSinkOptions<number>, 'deliveryGuarantee' | 'transactionalIdPrefix'>,
): Promise<void> {
  const value = Buffer.alloc(RECORD_BYTES, 'x');
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 });
  const storage = new FileCheckpointStorage(join(directory, topic));
  env.enableCheckpointing({ intervalMs: CHECKPOINT_MS, storage });
  env
    .fromSource(new NumberSequenceSource(1, size), WatermarkStrategy.noWatermarks<number>(), 'numbers')
    .sinkTo(new KafkaSink<number>({ bootstrapServers, serializer: () => ({ topic, value }), ...options }));
  await env.execute('write');
}

async function read(topic: string): Promise<void> {
  let count = 0;
  const counting: Sink<number> = {
    createWriter: () => ({
      write: (bytes) => void (count += bytes === RECORD_BYTES ? 1 : 0),
      flush: () => undefined,
      close: () => undefined,
    }),
  };
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 });
  const from = new KafkaSource<number>({
    bootstrapServers,
    topics: topic,
    deserializer: ({ value }) => value?.length ?? 0,
    stoppingOffsets: 'latest',
  });
  env.fromSource(from, WatermarkStrategy.noWatermarks<number>(), 'records').sinkTo(counting);
  await env.execute('read');
  if (count !== size) throw new Error(`${size} records were written, and ${count} were read`);
}

async function measured(work: () => Promise<void>): Promise<Measured> {
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    recordsPerSecond: Math.round(size / seconds),
    recordsPerCpuSecond: Math.round(size / ((user + system) / 1e6)),
  };
}

function middle(all: readonly Measured[]): Measured {
  return {
    recordsPerSecond: median(all.map(({ recordsPerSecond }) => recordsPerSecond)),
    recordsPerCpuSecond: median(all.map(({ recordsPerCpuSecond }) => recordsPerCpuSecond)),
  };
}
