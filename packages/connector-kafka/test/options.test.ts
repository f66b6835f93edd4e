import { describe, expect, it } from 'vitest';
import {
  KafkaError,
  KafkaSink,
  KafkaSource,
  textDeserializer,
  type KafkaSourceOptions,
} from '../src/index.js';
import { bootstrapAddresses } from '../src/protocol/connection-options.js';
import { ownerOf } from '../src/source/kafka-split.js';

const bootstrapServers = 'localhost:9092';

describe('options of KafkaSource', () => {
  const source = (options: Partial<KafkaSourceOptions<string>>) => () =>
    new KafkaSource({ bootstrapServers, topics: 't', deserializer: textDeserializer(), ...options });

  it.each<[Partial<KafkaSourceOptions<string>>, RegExp]>([
    [{ bootstrapServers: '' }, /'bootstrapServers' is empty/],
    [{ bootstrapServers: 'localhost' }, /'localhost'; it must be 'host:port'/],
    [{ topics: [] }, /'topics' is \[\]/],
    [{ topics: 'a b' }, /'topics' is \["a b"\]/],
    [{ startingOffsets: { timestamp: NaN } }, /'startingOffsets' has the timestamp NaN/],
    [{ startingOffsets: { offsets: { orders: 3 } } }, /names 'orders'; it must be 'topic-partition'/],
    [{ stoppingOffsets: { offsets: { 'orders-1': -3 } } }, /'stoppingOffsets' has -3 for 'orders-1'/],
    [{ stoppingOffsets: 'earliest' as 'latest' }, /'stoppingOffsets' is 'earliest'/],
    [{ isolationLevel: 'dirty' as 'read_committed' }, /'isolationLevel' is 'dirty'; it must be one of/],
    [{ partitionDiscoveryIntervalMs: 0 }, /'partitionDiscoveryIntervalMs' is 0/],
    [{ fetchMaxWaitMs: 5_000, requestTimeoutMs: 5_000 }, /'fetchMaxWaitMs' is 5000, but after 5000 ms/],
    [{ maxBufferedBytes: 1.5 }, /'maxBufferedBytes' is 1.5/],
  ])('refuse %j', (options, message) => {
    expect(source(options)).toThrow(message);
    expect(source(options)).toThrow(expect.objectContaining({ code: 'KAFKA_CONFIG', retryable: false }));
  });

  it('make a source bounded where it is told to stop', () => {
    expect(source({})().boundedness).toBe('unbounded');
    expect(source({ stoppingOffsets: 'latest' })().boundedness).toBe('bounded');
  });
});

describe('options of KafkaSink', () => {
  const serializer = (value: string) => ({ topic: 't', value });

  it.each([
    [{ deliveryGuarantee: 'exactly-once' }, /'transactionalIdPrefix' is undefined; 'exactly-once' needs one/],
    [{ deliveryGuarantee: 'exactly-once', transactionalIdPrefix: 'a b' }, /'transactionalIdPrefix' is "a b"/],
    [{ deliveryGuarantee: 'at-most-once' }, /'deliveryGuarantee' is 'at-most-once'/],
    [{ compression: 'zip' }, /'compression' is 'zip'; it must be one of none, gzip/],
    [{ transactionTimeoutMs: 0 }, /'transactionTimeoutMs' is 0/],
  ] as const)('refuse %j', (options, message) => {
    expect(() => new KafkaSink({ bootstrapServers, serializer, ...(options as object) })).toThrow(message);
  });

  it('give a committer to exactly once only', () => {
    expect(new KafkaSink({ bootstrapServers, serializer }).createCommitter).toBeUndefined();
    const exactlyOnce = { deliveryGuarantee: 'exactly-once', transactionalIdPrefix: 'p' } as const;
    expect(new KafkaSink({ bootstrapServers, serializer, ...exactlyOnce }).createCommitter).toBeDefined();
  });
});

describe('addresses and owners', () => {
  it('take lists, commas and IPv6', () => {
    expect(bootstrapAddresses('a:1, b:2')).toEqual([
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ]);
    expect(bootstrapAddresses(['[::1]:9092'])).toEqual([{ host: '::1', port: 9092 }]);
  });

  it('spread the partitions of a topic evenly', () => {
    const owners = Array.from({ length: 12 }, (_, partition) => ownerOf({ topic: 'orders', partition }, 4));
    for (let reader = 0; reader < 4; reader++) {
      expect(owners.filter((owner) => owner === reader)).toHaveLength(3);
    }
  });
});

describe('KafkaError', () => {
  it('is recognised by its brand', () => {
    expect(KafkaError.is(new Error('other'))).toBe(false);
    try {
      new KafkaSink({ bootstrapServers: '', serializer: () => ({ topic: 't', value: null }) });
    } catch (error) {
      expect(KafkaError.is(error)).toBe(true);
    }
  });
});
