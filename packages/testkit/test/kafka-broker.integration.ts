import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { sharedDruid } from '../../../tooling/shared-druid.js';
import { KafkaBroker, requireRealServers } from '../src/index.js';
import { isProcessAlive } from '../src/java-runtime/build-once.js';
import { druidHttp } from './druid-http.js';

describe.skipIf(!requireRealServers())('KafkaBroker', () => {
  let dataDir: string;
  let kafka: KafkaBroker;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'kafka-broker-test-'));
    kafka = await KafkaBroker.start({ dataDir });
  });
  afterAll(async () => {
    await kafka?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const send = async (topic: string, values: string[]): Promise<void> => {
    const producer = new Producer({
      clientId: 'test',
      bootstrapBrokers: [kafka.bootstrapServers],
      serializers: stringSerializers,
      autocreateTopics: true,
    });
    await producer.send({ messages: values.map((value) => ({ topic, value })) });
    await producer.close();
  };

  const receive = async (topic: string, count: number): Promise<string[]> => {
    const consumer = new Consumer({
      clientId: 'test',
      groupId: `group-${topic}-${Math.random()}`,
      bootstrapBrokers: [kafka.bootstrapServers],
      deserializers: stringDeserializers,
    });
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'earliest',
      autocommit: false,
      maxWaitTime: 100,
    });
    const values: string[] = [];
    for await (const message of stream) {
      values.push(message.value);
      if (values.length === count) break;
    }
    await consumer.close(true);
    return values;
  };

  it('takes records and gives them back as soon as start settles (invariant 1)', async () => {
    await send('greetings', ['hello', 'world']);
    expect(await receive('greetings', 2)).toEqual(['hello', 'world']);
  });

  it('feeds a Druid supervisor: rows become queryable', async () => {
    const { post, untilRows } = druidHttp((await sharedDruid()).url);
    try {
      await send('kafka_clicks', [
        '{"t":"2024-01-01T00:00:00Z","a":"x"}',
        '{"t":"2024-01-01T00:00:01Z","a":"y"}',
      ]);
      const { status } = await post('/druid/indexer/v1/supervisor', {
        type: 'kafka',
        spec: {
          dataSchema: {
            dataSource: 'kafka_clicks',
            timestampSpec: { column: 't', format: 'iso' },
            dimensionsSpec: { dimensions: ['a'] },
            granularitySpec: { segmentGranularity: 'day', queryGranularity: 'none', rollup: false },
          },
          ioConfig: {
            topic: 'kafka_clicks',
            inputFormat: { type: 'json' },
            useEarliestOffset: true,
            taskCount: 1,
            replicas: 1,
            startDelay: 'PT0S',
            period: 'PT1S',
            consumerProperties: { 'bootstrap.servers': kafka.bootstrapServers },
          },
          tuningConfig: { type: 'kafka' },
        },
      });
      expect(status).toBe(200);
      await untilRows('kafka_clicks', 2);
    } finally {
      await post('/druid/indexer/v1/supervisor/kafka_clicks/terminate', {});
    }
  });

  it('runs side by side with another, each on ports of its own', async () => {
    const other = await KafkaBroker.start();
    expect(other.port).not.toBe(kafka.port);
    expect(isProcessAlive(other.pid)).toBe(true);
    await other.stop();
    expect(isProcessAlive(other.pid)).toBe(false);
  });

  it('keeps its topics through a crash and a restart on the same folder (invariant 4)', async () => {
    await kafka.kill();
    kafka = await KafkaBroker.start({ dataDir });
    await send('greetings', ['again']);
    expect(await receive('greetings', 3)).toEqual(['hello', 'world', 'again']);
  });

  it('says why it did not start', async () => {
    const start = KafkaBroker.start({
      dataDir: join(dataDir, 'broken'),
      properties: { 'process.roles': 'waiter' },
    });
    await expect(start).rejects.toMatchObject({ code: 'server-died' });
    await expect(start).rejects.toThrow(/process\.roles[^]*mend `properties`/);
  });
});
