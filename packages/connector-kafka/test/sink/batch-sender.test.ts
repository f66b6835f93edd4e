import { silentLogger } from '@millrace/core-stream';
import { ManualClock, TestMetrics, turn, until } from '@millrace/core-stream/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { KafkaConnectionError } from '../../src/index.js';
import type { KafkaClient } from '../../src/protocol/kafka-client.js';
import { readBatches, RecordCursor } from '../../src/protocol/record-batch.js';
import type { ProduceRequest } from '../../src/protocol/write-apis.js';
import { BatchSender } from '../../src/sink/batch-sender.js';
import { ProducerSession } from '../../src/sink/producer-session.js';
import { createSinkMetrics } from '../../src/sink/sink-metrics.js';
import type { Transactions } from '../../src/sink/transactions.js';

const NOT_LEADER = 6;
const DUPLICATE_SEQUENCE = 46;
const TOO_LARGE = 10;
const OUT_OF_ORDER_SEQUENCE = 45;

/** What a broker does with a request: an error code for each batch, or no answer. */
type Behaviour = (request: ProduceRequest) => number | 'silence';

describe('BatchSender', () => {
  let clock: ManualClock;
  let behaviour: Behaviour;
  let partitionCount: number;
  let requests: ProduceRequest[];
  let added: string[];
  let sender: BatchSender;
  let session: ProducerSession;
  /** Of the log of every partition, which begins at 100. */
  let nextOffset: number;

  beforeEach(() => {
    clock = new ManualClock();
    behaviour = () => 0;
    partitionCount = 2;
    requests = [];
    added = [];
    nextOffset = 100;
    const client = {
      unavailableTimeoutMs: 10_000,
      context: { clock, logger: silentLogger, signal: new AbortController().signal },
      metadata: (topics: readonly string[]) =>
        Promise.resolve({
          brokers: [{ nodeId: 1, host: 'a', port: 1 }],
          topics: topics.map((name) => ({
            name,
            errorCode: 0,
            topicId: 'a',
            isInternal: false,
            partitions: Array.from({ length: partitionCount }, (_, partition) => ({
              errorCode: 0,
              partition,
              leaderId: 1,
            })),
          })),
        }),
      request: (_broker: unknown, _api: unknown, request: ProduceRequest) => {
        requests.push(request);
        const code = behaviour(request);
        if (code === 'silence') return Promise.reject(new KafkaConnectionError('the answer was lost'));
        return Promise.resolve(
          request.batches.map(({ topic, partition, records }) => {
            const baseOffset = code === 0 ? nextOffset : -1;
            if (code === 0) nextOffset += valuesOf(records).length;
            return { topic, partition, baseOffset, errorCode: code, errorMessage: null };
          }),
        );
      },
    } as unknown as KafkaClient;
    const transactions = {
      init: () => Promise.resolve({ producerId: 5, producerEpoch: 0 }),
      addPartitions: (_: unknown, partitions: readonly { topic: string; partition: number }[]) => {
        added.push(...partitions.map(({ topic, partition }) => `${topic}-${partition}`));
        return Promise.resolve();
      },
      forget: () => undefined,
    } as unknown as Transactions;
    session = new ProducerSession({
      transactions,
      nextId: () => 'p',
      transactionTimeoutMs: 1_000,
    });
    sender = new BatchSender({
      client,
      session,
      metrics: createSinkMetrics(new TestMetrics().group),
      compression: 'none',
      maxBatchBytes: 200,
      maxRequestBytes: 1_000_000,
      maxBufferedBytes: 1_000,
      requestTimeoutMs: 1_000,
    });
  });

  const add = (value: string, partition?: number) =>
    sender.add('t', { key: null, value: Buffer.from(value), headers: [], timestamp: 0, partition });
  const flushed = async () => {
    let isOver = false;
    const flushing = sender.flush().finally(() => (isOver = true));
    flushing.catch(() => undefined);
    await until(
      () => isOver,
      () => clock.advance(50),
    );
    await flushing;
  };
  const valuesOf = (records: Uint8Array) => {
    const cursor = new RecordCursor(readBatches(Buffer.from(records))[0]!);
    const values: string[] = [];
    while (cursor.next()) values.push(String(cursor.value));
    return values;
  };

  it('knows where each partition of the transaction ends', async () => {
    for (const value of ['a', 'b', 'c']) add(value, 1);
    await flushed();
    add('d', 1);
    await flushed();
    expect(session.endTransaction()).toMatchObject({ endOffsets: { 't-1': 104 } });
    add('e', 0);
    await flushed();
    expect(session.endTransaction()).toMatchObject({ endOffsets: { 't-0': 105 } });
  });

  it('repeats a batch with the same bytes until it is acknowledged (invariant 1)', async () => {
    const answers = ['silence', NOT_LEADER, 'silence', DUPLICATE_SEQUENCE] as const;
    behaviour = () => answers[requests.length - 1]!;
    add('a', 0);
    await flushed();
    expect(requests).toHaveLength(4);
    for (const { batches } of requests) expect(batches).toEqual(requests[0]!.batches);
  });

  it('has one batch of a partition under way at a time, in order (invariant 2)', async () => {
    behaviour = () => (requests.length % 3 === 0 ? 'silence' : 0);
    for (let n = 0; n < 100; n++) add(`value-${n}`, n % 2);
    await flushed();
    const acknowledged: string[] = [];
    requests.forEach(({ batches }, index) => {
      const partitions = batches.map(({ partition }) => partition);
      expect(new Set(partitions).size).toBe(partitions.length);
      if ((index + 1) % 3 === 0) return;
      for (const { partition, records } of batches)
        if (partition === 0) acknowledged.push(...valuesOf(records));
    });
    expect(acknowledged).toEqual(Array.from({ length: 50 }, (_, n) => `value-${n * 2}`));
  });

  it('adds partitions to the transaction before anything goes there, each once (invariant 3)', async () => {
    behaviour = ({ batches }) => {
      expect(batches.every(({ topic, partition }) => added.includes(`${topic}-${partition}`))).toBe(true);
      return 0;
    };
    add('a', 1);
    await flushed();
    add('b', 1);
    add('c', 0);
    await flushed();
    expect(added).toEqual(['t-1', 't-0']);
  });

  it('stops the input while too much is held, until there is room (invariant 4)', async () => {
    behaviour = () => 'silence';
    add('a', 0);
    expect(sender.push()).toBeUndefined();
    for (let n = 0; n < 50; n++) add(`value-${n}`, 0);
    let hasRoom = false;
    const waiting = sender.push()!.then(() => (hasRoom = true));
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(hasRoom).toBe(false);
    behaviour = () => 0;
    await until(
      () => hasRoom,
      () => clock.advance(50),
    );
    await waiting;
  });

  it('fails when nothing can be sent for too long, and stays failed', async () => {
    behaviour = () => 'silence';
    add('a', 0);
    await expect(flushed()).rejects.toThrow(
      /Writing to Kafka has not succeeded for \d+ ms, last because: the answer/,
    );
    await expect(sender.push()).rejects.toMatchObject({ code: 'KAFKA_CONNECTION' });
    await expect(sender.flush()).rejects.toMatchObject({ code: 'KAFKA_CONNECTION' });
  });

  it('does not repeat what a broker refuses for good', async () => {
    behaviour = () => TOO_LARGE;
    add('a', 0);
    await expect(flushed()).rejects.toMatchObject({
      code: 'KAFKA_RECORD',
      details: { topic: 't', partition: 0 },
    });
    expect(requests).toHaveLength(1);
  });

  it('leaves it to a restart of the job where brokers have lost what they had acknowledged', async () => {
    behaviour = () => OUT_OF_ORDER_SEQUENCE;
    add('a', 0);
    await expect(flushed()).rejects.toMatchObject({
      kafkaError: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
      retryable: true,
    });
    expect(requests).toHaveLength(1);
  });

  it('finds partitions that were added', async () => {
    add('a');
    await flushed();
    partitionCount = 5;
    clock.advance(300_000);
    add('b');
    await flushed();
    add('c', 4);
    await flushed();
    expect(requests.at(-1)!.batches.map(({ partition }) => partition)).toEqual([4]);
  });
});
