import {
  NumberSequenceSource,
  silentLogger,
  StreamExecutionEnvironment,
  systemClock,
  WatermarkStrategy,
  type SinkWriterContext,
  type Source,
} from '@millrace/core-stream';
import { CollectingSink, TestMetrics } from '@millrace/core-stream/testing';
import { Admin, Connection, createPartitionsV3 } from '@platformatic/kafka';
import { KafkaClient } from '../../src/protocol/kafka-client.js';
import { KafkaConnectionError, KafkaSink, type KafkaConnectionOptions } from '../../src/index.js';

/** What writers, committers and readers are given outside of a job. */
export function contextOf(subtaskIndex = 0): SinkWriterContext {
  return {
    jobName: 'test',
    jobId: 'test',
    operatorUid: 'test',
    parallelism: 1,
    subtaskIndex,
    clock: systemClock,
    logger: silentLogger,
    describer: { describe: (value: unknown) => String(value) } as never,
    signal: new AbortController().signal,
    metrics: new TestMetrics().group,
    ownsKey: () => true,
  };
}

export async function createTopic(bootstrapServers: string, topic: string, partitions = 1): Promise<void> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [bootstrapServers] });
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
  await admin.close();
  await untilLed(bootstrapServers, topic, partitions);
}

export async function deleteTopic(bootstrapServers: string, topic: string): Promise<void> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [bootstrapServers] });
  await admin.deleteTopics({ topics: [topic] });
  await admin.close();
}

export async function addPartitions(bootstrapServers: string, topic: string, count: number): Promise<void> {
  const [host, port] = bootstrapServers.split(':') as [string, string];
  const connection = new Connection('test');
  await connection.connect(host, Number(port));
  await createPartitionsV3.api.async(
    connection,
    [{ name: topic, count, assignments: null as never }],
    30_000,
    false,
  );
  await connection.close();
  await untilLed(bootstrapServers, topic, count);
}

async function untilLed(bootstrapServers: string, topic: string, count: number): Promise<void> {
  const client = new KafkaClient({ bootstrapServers }, contextOf());
  try {
    await client.retrying('waiting for the topic', async () => {
      const { topics } = await client.metadata([topic]);
      const led = topics[0]?.partitions.filter(({ leaderId }) => leaderId >= 0).length;
      if (led !== count) throw new KafkaConnectionError('not yet');
    });
  } finally {
    client.close();
  }
}

/** Runs a bounded source to its end. */
export async function readAll<T>(source: Source<T, never, never>, parallelism = 1): Promise<T[]> {
  const sink = new CollectingSink<T>();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism });
  env.fromSource(source as never, WatermarkStrategy.noWatermarks<T>(), 'kafka').sinkTo(sink);
  await env.execute('read');
  return sink.values;
}

/** Writes 0 to `count - 1` as texts, key `k{n % keys}`, in many small batches. */
export async function sendNumbers(
  bootstrapServers: string,
  topic: string,
  count: number,
  keys: number,
  connection: Omit<KafkaConnectionOptions, 'bootstrapServers'> = {},
): Promise<void> {
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 });
  env
    .fromSource(new NumberSequenceSource(0, count - 1), WatermarkStrategy.noWatermarks<number>(), 'numbers')
    .sinkTo(
      new KafkaSink<number>({
        ...connection,
        bootstrapServers,
        maxBatchBytes: 200,
        serializer: (n) => ({ topic, key: `k${n % keys}`, value: String(n) }),
      }),
    );
  await env.execute('send');
}
