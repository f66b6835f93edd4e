import type { Sink, Source } from '@millrace/core-stream';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  jsonDeserializer,
  jsonSerializer,
  KafkaSink,
  KafkaSource,
  rawDeserializer,
  type KafkaCommittable,
  type KafkaEnumeratorState,
  type KafkaRecord,
  type KafkaSplit,
} from '../src/index.js';

const bootstrapServers = 'localhost:9092';

describe('types', () => {
  it('a source emits what its deserializer gives', () => {
    const order = z.object({ id: z.string(), at: z.coerce.date() });
    const orders = new KafkaSource({
      bootstrapServers,
      topics: 'orders',
      deserializer: jsonDeserializer(order),
    });
    expectTypeOf(orders).toExtend<Source<{ id: string; at: Date }, KafkaSplit, KafkaEnumeratorState>>();
    const raw = new KafkaSource({ bootstrapServers, topics: /^o/, deserializer: rawDeserializer() });
    expectTypeOf(raw).toEqualTypeOf<KafkaSource<KafkaRecord>>();
    const own = new KafkaSource({
      bootstrapServers,
      topics: ['a', 'b'],
      deserializer: { prepare: () => Promise.resolve(({ offset }: KafkaRecord) => offset) },
    });
    expectTypeOf(own).toEqualTypeOf<KafkaSource<number>>();
  });

  it('a sink takes what its serializer takes', () => {
    interface Order {
      readonly id: string;
    }
    const sink = new KafkaSink({
      bootstrapServers,
      serializer: jsonSerializer<Order>({ topic: 'orders', key: (order) => order.id }),
    });
    expectTypeOf(sink).toExtend<Sink<Order, KafkaCommittable, never>>();
    // @ts-expect-error a topic is needed
    void new KafkaSink<Order>({ bootstrapServers, serializer: (order) => ({ value: order.id }) });
  });

  it('what goes on instead of an invalid record is a record', () => {
    const options = { bootstrapServers, topics: 't', deserializer: ({ offset }: KafkaRecord) => offset };
    void new KafkaSource<number>({ ...options, onInvalidRecord: ({ record }) => record.offset });
    // @ts-expect-error the stream has numbers
    void new KafkaSource<number>({ ...options, onInvalidRecord: () => 'text' });
  });
});
