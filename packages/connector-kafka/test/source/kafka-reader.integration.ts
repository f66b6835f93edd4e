/** A reader, polled by hand, on a real broker. */
import type { ReaderOutput, SourceReader } from '@millrace/core-stream';
import { KafkaBroker, requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaSource, textDeserializer, type KafkaSourceOptions, type KafkaSplit } from '../../src/index.js';
import { KafkaClient } from '../../src/protocol/kafka-client.js';
import { OffsetResolver } from '../../src/source/offsets.js';
import { contextOf, createTopic, sendNumbers } from '../support/kafka.js';

const COUNT = 600;

describe.skipIf(!requireRealServers())('KafkaReader', () => {
  let kafka: KafkaBroker;
  beforeAll(async () => {
    kafka = await KafkaBroker.start();
    await createTopic(kafka.bootstrapServers, 'numbers', 3);
    await sendNumbers(kafka.bootstrapServers, 'numbers', COUNT, 40);
  });
  afterAll(() => kafka?.stop());

  const open = (splits: readonly KafkaSplit[], options: Partial<KafkaSourceOptions<string>> = {}) => {
    const source = new KafkaSource({
      bootstrapServers: kafka.bootstrapServers,
      topics: 'numbers',
      deserializer: textDeserializer(),
      maxPartitionFetchBytes: 500,
      fetchMaxWaitMs: 50,
      ...options,
    });
    const reader = source.createReader({ ...contextOf(), requestSplit: () => undefined });
    reader.addSplits(splits);
    reader.start();
    return reader;
  };
  const split = (partition: number, offset = 0): KafkaSplit => ({
    splitId: `numbers-${partition}`,
    topic: 'numbers',
    partition,
    offset,
  });
  const three = [split(0), split(1), split(2)];

  /** What was emitted, by split, and when outputs were made and released. */
  class Emitted implements ReaderOutput<string> {
    readonly bySplit = new Map<string, string[]>();
    readonly events: string[] = [];
    count = 0;

    collect(): void {
      throw new Error('records belong to a split');
    }

    forSplit(splitId: string): ReaderOutput<string> {
      this.events.push(`for ${splitId}`);
      const values = this.bySplit.get(splitId) ?? [];
      this.bySplit.set(splitId, values);
      return {
        collect: (value) => {
          this.events.push('record');
          this.count++;
          values.push(value);
        },
        forSplit: () => this,
        releaseSplit: () => undefined,
        sideOutput: () => undefined,
        advanceTo: () => undefined,
      };
    }

    sideOutput(): void {}

    advanceTo(): void {}

    releaseSplit(splitId: string): void {
      this.events.push(`release ${splitId}`);
    }
  }

  const poll = async (reader: SourceReader<string, KafkaSplit>, output: Emitted, isDone: () => boolean) => {
    while (!isDone()) {
      const status = reader.pollNext(output, 7);
      if (status === 'end') return;
      if (status === 'wait' && !isDone()) await reader.isAvailable();
    }
  };

  it('goes on after the last emitted record, wherever it was (invariant 1)', async () => {
    let splits: readonly KafkaSplit[] = three;
    const output = new Emitted();
    for (let run = 1; output.count < COUNT; run++) {
      const reader = open(splits);
      await poll(reader, output, () => output.count >= Math.min(COUNT, run * 83));
      splits = reader.snapshotState(run);
      await reader.close?.();
    }
    const values = [...output.bySplit.values()].flat().map(Number);
    expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    for (const ofSplit of output.bySplit.values()) {
      expect(ofSplit.map(Number)).toEqual(ofSplit.map(Number).toSorted((a, b) => a - b));
    }
  });

  it('makes the outputs of all partitions before the first record (invariant 3)', async () => {
    const reader = open(three);
    const output = new Emitted();
    await poll(reader, output, () => output.count > 0);
    expect(output.events.slice(0, 4)).toEqual(['for numbers-0', 'for numbers-1', 'for numbers-2', 'record']);
    await reader.close?.();
  });

  it('emits nothing of what is paused, and all of it after it is resumed', async () => {
    const reader = open(three);
    const output = new Emitted();
    await poll(reader, output, () => output.count >= 30);
    reader.pauseOrResumeSplits?.(['numbers-1'], []);
    const before = output.bySplit.get('numbers-1')!.length;
    const others = () => output.count - output.bySplit.get('numbers-1')!.length;
    const inOne = COUNT - (await countOf([0, 2]));
    await poll(reader, output, () => others() === COUNT - inOne);
    expect(output.bySplit.get('numbers-1')!.length).toBe(before);
    reader.pauseOrResumeSplits?.([], ['numbers-1']);
    await poll(reader, output, () => output.count === COUNT);
    expect(new Set([...output.bySplit.values()].flat()).size).toBe(COUNT);
    await reader.close?.();
  });

  const countOf = async (partitions: readonly number[]) => {
    const source = new KafkaSource({
      bootstrapServers: kafka.bootstrapServers,
      topics: 'numbers',
      deserializer: textDeserializer(),
    });
    const reader = source.createReader({ ...contextOf(), requestSplit: () => undefined });
    const output = new Emitted();
    reader.addSplits(
      await Promise.all(partitions.map(async (p) => ({ ...split(p), stoppingOffset: await endOf(p) }))),
    );
    reader.notifyNoMoreSplits();
    reader.start();
    await poll(reader, output, () => false);
    expect(output.events.filter((event) => event.startsWith('release'))).toHaveLength(partitions.length);
    await reader.close?.();
    return output.count;
  };
  const endOf = async (partition: number) => {
    const client = new KafkaClient({ bootstrapServers: kafka.bootstrapServers }, contextOf());
    const { brokers } = await client.metadata(['numbers']);
    const found = await new OffsetResolver(client, true).resolve(
      'startingOffsets',
      [{ topic: 'numbers', partition, leader: brokers[0] }],
      'latest',
    );
    client.close();
    return found.get(`numbers-${partition}`)!;
  };

  it('emits what it has before it says what has failed (invariant 2)', async () => {
    const reader = open([split(0), split(1, 10_000)]);
    const output = new Emitted();
    await expect(poll(reader, output, () => false)).rejects.toMatchObject({ code: 'KAFKA_OFFSET' });
    await reader.close?.();
    const lenient = open([split(1, 10_000)], { onOffsetOutOfRange: 'earliest' });
    await poll(lenient, output, () => output.bySplit.get('numbers-1')!.length > 0);
    await lenient.close?.();
  });

  it('fails when Kafka was away for too long, and says what it has tried', async () => {
    const reader = open(three, { bootstrapServers: '127.0.0.1:1', unavailableTimeoutMs: 200 });
    await expect(poll(reader, new Emitted(), () => false)).rejects.toMatchObject({
      code: 'KAFKA_CONNECTION',
      retryable: true,
      message: expect.stringMatching(
        /^Reading numbers-\d has not succeeded for \d+ ms, last because: Connecting to 127.0.0.1:1 failed: .*ECONNREFUSED/,
      ),
    });
    await reader.close?.();
  });

  it('ends its close at once while the broker cannot be reached', async () => {
    const reader = open(three, { bootstrapServers: '127.0.0.1:1', connectTimeoutMs: 60_000 });
    const waiting = reader.isAvailable();
    await reader.close?.();
    await waiting.catch(() => undefined);
  });
});
