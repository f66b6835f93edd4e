/** Sources and sinks on a real broker, without failures. */
import {
  OutputTag,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type JobClient,
  type Source,
} from '@millrace/core-stream';
import { CollectingSink, MemoryCheckpointStorage } from '@millrace/core-stream/testing';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import {
  ensureKafkaTopic,
  jsonDeserializer,
  jsonSerializer,
  KafkaSink,
  KafkaSource,
  rawDeserializer,
  textDeserializer,
  type KafkaOutput,
  type KafkaSinkOptions,
  type KafkaSourceOptions,
  type RejectedKafkaRecord,
} from '../src/index.js';
import { KafkaClient } from '../src/protocol/kafka-client.js';
import { fetchRecords } from '../src/protocol/read-apis.js';
import { isNothingLeft } from '../src/source/compacted-end.js';
import { FetchedSplit } from '../src/source/fetched-split.js';
import { consumeCommitted } from './support/java-consumer.js';
import { addPartitions, contextOf, createTopic, deleteTopic, readAll, sendNumbers } from './support/kafka.js';

describe.skipIf(!requireRealServers())('KafkaSource and KafkaSink', () => {
  let kafka: KafkaBroker;
  let bootstrapServers: string;
  beforeAll(async () => {
    kafka = await KafkaBroker.start();
    ({ bootstrapServers } = kafka);
  });
  afterAll(() => kafka?.stop());

  const send = async (
    outputs: readonly KafkaOutput[],
    options: Partial<KafkaSinkOptions<KafkaOutput>> = {},
  ) => {
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 });
    env
      .fromCollection([...outputs])
      .sinkTo(new KafkaSink<KafkaOutput>({ bootstrapServers, serializer: (output) => output, ...options }));
    await env.execute('send');
  };
  const sourceOf = <T>(options: Omit<KafkaSourceOptions<T>, 'bootstrapServers'>) =>
    new KafkaSource<T>({ bootstrapServers, ...options }) as unknown as Source<T, never, never>;
  const read = <T>(options: Omit<KafkaSourceOptions<T>, 'bootstrapServers'>, parallelism = 1) =>
    readAll(sourceOf<T>({ stoppingOffsets: 'latest', ...options }), parallelism);
  const readTexts = (topics: string, options: Partial<KafkaSourceOptions<string>> = {}) =>
    read<string>({ topics, deserializer: textDeserializer(), ...options });

  const stop = async (client: JobClient) => {
    client.cancel();
    await expect(client.result).rejects.toMatchObject({ name: 'JobCancelledError' });
  };

  it('keep key, value, headers, timestamp and partition, also where they are absent', async () => {
    await createTopic(bootstrapServers, 'shapes', 2);
    const repeated = ['x', 'y', null].map((value) => ({ key: 'a', value }));
    await send([
      { topic: 'shapes', partition: 0, key: 'k', value: 'v', timestamp: 1_234, headers: { a: 'x', b: null } },
      { topic: 'shapes', partition: 0, key: null, value: null, timestamp: 1_235 },
      {
        topic: 'shapes',
        partition: 0,
        key: '',
        value: new Uint8Array(),
        timestamp: 1_236,
        headers: repeated,
      },
    ]);
    const records = await read({ topics: 'shapes', deserializer: rawDeserializer() }, 2);
    const at = { topic: 'shapes', partition: 0 };
    const empty = Buffer.alloc(0);
    const asBytes = (headers: typeof repeated) =>
      headers.map(({ key, value }) => ({ key, value: value === null ? null : Buffer.from(value) }));
    const headers = [
      { key: 'a', value: Buffer.from('x') },
      { key: 'b', value: null },
    ];
    expect(records).toEqual([
      { ...at, offset: 0, timestamp: 1_234, key: Buffer.from('k'), value: Buffer.from('v'), headers },
      { ...at, offset: 1, timestamp: 1_235, key: null, value: null, headers: [] },
      { ...at, offset: 2, timestamp: 1_236, key: empty, value: empty, headers: asBytes(repeated) },
    ]);
    // What was read can be written again.
    await send(records.slice(2).map((record) => ({ ...record, partition: 1 })));
    const copied = await read({ topics: 'shapes', deserializer: rawDeserializer() });
    expect(copied.find(({ partition }) => partition === 1)?.headers).toEqual(asBytes(repeated));
  });

  it('understand Java, and Java them, about compression', async () => {
    const topic = 'compressed';
    await createTopic(bootstrapServers, topic, 3);
    const outputs: KafkaOutput[] = [];
    for (const compression of ['none', 'gzip', 'snappy', 'lz4'] as const) {
      const some = Array.from({ length: 200 }, (_, n) => ({
        topic,
        key: `k${n % 7}`,
        value: `${compression}-${n}`,
      }));
      await send(some, { compression, maxBatchBytes: 2_000 });
      outputs.push(...some);
    }
    const values = outputs.map(({ value }) => value).toSorted();
    const judged = await consumeCommitted(kafka, topic);
    expect(judged.map(({ value }) => value).toSorted()).toEqual(values);
    expect((await readTexts(topic)).toSorted()).toEqual(values);
  });

  it('read and write JSON; what the schema does not take fails, or goes on as told', async () => {
    const order = z.object({ id: z.string(), amount: z.number() });
    const topic = 'json';
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 });
    env
      .fromCollection([{ id: 'a', amount: 1 }, { id: 'b' }, { id: 'c', amount: 3 }])
      .sinkTo(
        new KafkaSink({ bootstrapServers, serializer: jsonSerializer({ topic, key: ({ id }) => id }) }),
      );
    await env.execute('send');
    const deserializer = jsonDeserializer(order);
    await expect(read({ topics: topic, deserializer })).rejects.toThrow(
      /offset 1 of json-0 cannot be deserialized/,
    );
    const rejected: number[] = [];
    const records = await read({
      topics: topic,
      deserializer,
      onInvalidRecord: ({ record }) => {
        rejected.push(record.offset);
        return undefined;
      },
    });
    expect(records).toEqual([
      { id: 'a', amount: 1 },
      { id: 'c', amount: 3 },
    ]);
    expect(rejected).toEqual([1]);
    const tag = new OutputTag<RejectedKafkaRecord>('rejected');
    const env2 = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 });
    const letters = new CollectingSink<RejectedKafkaRecord>();
    const main = new CollectingSink<{ id: string }>();
    const stream = env2.fromSource(
      new KafkaSource({
        bootstrapServers,
        topics: topic,
        deserializer,
        stoppingOffsets: 'latest',
        onInvalidRecord: tag,
      }),
      WatermarkStrategy.noWatermarks(),
      'orders',
    );
    stream.sinkTo(main);
    stream.getSideOutput(tag).sinkTo(letters);
    await env2.execute('dead letters');
    expect(main.values.map(({ id }) => id)).toEqual(['a', 'c']);
    expect(letters.values).toMatchObject([
      { topic, partition: 0, offset: 1, reason: expect.stringMatching(/amount/) },
    ]);
    expect(Buffer.from(letters.values[0]!.value!).toString()).toBe('{"id":"b"}');
  });

  it('begin and end where timestamps, offsets and groups say', async () => {
    const topic = 'bounds';
    await createTopic(bootstrapServers, topic, 1);
    await send(
      Array.from({ length: 10 }, (_, n) => ({ topic, value: String(n), timestamp: 1_000 + n * 10 })),
    );
    const within = { startingOffsets: { timestamp: 1_025 }, stoppingOffsets: { timestamp: new Date(1_060) } };
    expect(await readTexts(topic, within)).toEqual(['3', '4', '5']);
    expect(await readTexts(topic, { startingOffsets: { timestamp: 9_999 } })).toEqual([]);
    const exact = { startingOffsets: { offsets: { 'bounds-0': 8 } } };
    expect(await readTexts(topic, exact)).toEqual(['8', '9']);
    const committed = { startingOffsets: { committedBy: 'nobody' } };
    await expect(readTexts(topic, committed)).rejects.toThrow(/'startingOffsets' has no offset for bounds-0/);
    const beyond = {
      startingOffsets: { offsets: { 'bounds-0': 50 } },
      stoppingOffsets: { offsets: { 'bounds-0': 99 } },
    };
    await expect(readTexts(topic, beyond)).rejects.toThrow(/from offset 50, but holds 0 to 9/);
  });

  it('find partitions and topics that come later, and tell a group how far checkpoints are', async () => {
    await createTopic(bootstrapServers, 'found-a', 1);
    const sink = new CollectingSink<string>();
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 2 });
    env.enableCheckpointing({ intervalMs: 50, storage: new MemoryCheckpointStorage() });
    const source = sourceOf<string>({
      topics: /^found-/g,
      startingOffsets: 'latest',
      deserializer: textDeserializer(),
      partitionDiscoveryIntervalMs: 100,
      groupId: 'watchers',
    });
    env.fromSource(source, WatermarkStrategy.noWatermarks<string>(), 'kafka').sinkTo(sink);
    const client: JobClient = env.executeAsync('discovery');
    const until = (...values: string[]) =>
      vi.waitFor(() => expect(sink.values.toSorted()).toEqual(values), { timeout: 30_000, interval: 50 });
    await vi.waitFor(
      async () => {
        await send([{ topic: 'found-a', value: 'a', partition: 0 }]);
        expect(sink.values.length).toBeGreaterThan(0); // the source has begun, at the end
      },
      { timeout: 30_000, interval: 100 },
    );
    const before = sink.values.length;
    await addPartitions(bootstrapServers, 'found-a', 2);
    await send([{ topic: 'found-a', value: 'b', partition: 1 }]);
    await createTopic(bootstrapServers, 'found-b', 1);
    await send([{ topic: 'found-b', value: 'c' }]);
    await vi.waitFor(() => expect(sink.values.slice(before).toSorted().slice(-2)).toEqual(['b', 'c']), {
      timeout: 30_000,
      interval: 50,
    });
    await until(...sink.values.toSorted());
    const left = () =>
      readTexts('found-a', { startingOffsets: { committedBy: 'watchers', fallback: 'earliest' } });
    await vi.waitFor(async () => expect(await left()).toEqual([]), { timeout: 30_000, interval: 200 });
    await stop(client);
  });

  it('do not go on in a topic that was deleted and made anew while they read it', async () => {
    const topic = 'remade';
    await createTopic(bootstrapServers, topic, 1);
    await send([{ topic, value: 'a' }]);
    const sink = new CollectingSink<string>();
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 });
    const source = sourceOf<string>({ topics: topic, deserializer: textDeserializer() });
    env.fromSource(source, WatermarkStrategy.noWatermarks<string>(), 'kafka').sinkTo(sink);
    const { result } = env.executeAsync('remade');
    const failing = expect(result).rejects.toThrow(
      /remade-0 is to be read from offset 1 of the topic with id/,
    );
    await vi.waitFor(() => expect(sink.values).toEqual(['a']), { timeout: 60_000, interval: 50 });
    await deleteTopic(bootstrapServers, topic);
    await createTopic(bootstrapServers, topic, 1);
    await send(['b', 'c', 'd'].map((value) => ({ topic, value })));
    await failing;
    expect(sink.values).toEqual(['a']);
  });

  it('make a topic that is missing, and leave one that is there as it is', async () => {
    const made = { bootstrapServers, topic: 'made', partitions: 3 };
    expect(await ensureKafkaTopic({ ...made, topicConfig: { 'retention.ms': '1000' } }, contextOf())).toBe(3);
    expect(await ensureKafkaTopic({ ...made, partitions: 5 }, contextOf())).toBe(3);
    const wrong = { bootstrapServers, topic: 'wrong', topicConfig: { 'no.such.setting': '1' } };
    await expect(ensureKafkaTopic(wrong, contextOf())).rejects.toMatchObject({
      message: expect.stringMatching(
        /Creating the topic 'wrong' was refused: INVALID_CONFIG. .*no.such.setting/,
      ) as string,
    });
  });

  it('read topics by name where brokers do not know ids; and tell what is in remote storage alone', async () => {
    await createTopic(bootstrapServers, 'by-name');
    await sendNumbers(bootstrapServers, 'by-name', 3, 1);
    const understands = vi.spyOn(KafkaClient.prototype, 'understands').mockResolvedValue(false);
    expect(await readTexts('by-name')).toEqual(['0', '1', '2']);
    understands.mockRestore();
    const client = new KafkaClient({ bootstrapServers }, contextOf());
    const { brokers } = await client.metadata([]);
    const split = new FetchedSplit<never>({
      splitId: 'by-name-0',
      topic: 'by-name',
      partition: 0,
      offset: 0,
    });
    expect(await isNothingLeft(split, 0, brokers[0]!, client)).toBe(true);
    expect(await isNothingLeft(split, -1, brokers[0]!, client)).toBe(false);
    expect(await client.understands(brokers[0]!, fetchRecords)).toBe(true);
    client.close();
  });

  it('read many partitions in parallel, each once', async () => {
    await createTopic(bootstrapServers, 'many', 13);
    await sendNumbers(bootstrapServers, 'many', 3_000, 100);
    const values = await read({ topics: 'many', deserializer: textDeserializer() }, 4);
    expect(values.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 3_000 }, (_, n) => n));
  });
});
