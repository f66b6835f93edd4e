import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partitionOfKey } from '../../src/protocol/murmur2.js';
import { readBatches, RecordCursor } from '../../src/protocol/record-batch.js';
import { TopicBuffer } from '../../src/sink/topic-buffer.js';

interface Sent {
  readonly key: string | null;
  readonly partition: number | undefined;
}

describe('TopicBuffer', () => {
  it('keeps the order of a partition, and puts keys where Java puts them', () => {
    const sent = fc.record({
      key: fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e')),
      partition: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined, freq: 5 }),
    });
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 60 }), fc.nat(60), (records: Sent[], routedAt) => {
        const buffer = new TopicBuffer('t', 150);
        const expected = new Map<number, number[]>();
        let count = 0;
        records.forEach(({ key, partition }, index) => {
          if (index === routedAt) buffer.route(3);
          const keyBytes = key === null ? null : Buffer.from(key);
          buffer.add({
            key: keyBytes,
            value: Buffer.from(String(index)),
            headers: [],
            timestamp: 0,
            partition,
          });
          const target = partition ?? (keyBytes === null ? undefined : partitionOfKey(keyBytes, 3));
          if (target === undefined) count++;
          else expected.set(target, [...(expected.get(target) ?? []), index]);
        });
        if (!buffer.isRouted) buffer.route(3);
        for (const partition of [...buffer.waiting()]) {
          const values: number[] = [];
          while ([...buffer.waiting()].includes(partition)) {
            const batch = buffer.take(partition).build({
              producerId: 1,
              producerEpoch: 0,
              baseSequence: 0,
              isTransactional: false,
              compression: 'none',
            });
            const cursor = new RecordCursor(readBatches(batch)[0]!);
            while (cursor.next()) values.push(Number(cursor.value));
          }
          expect(values).toEqual(values.toSorted((a, b) => a - b));
          const keyed = new Set(expected.get(partition));
          expect(values.filter((value) => keyed.has(value))).toEqual(expected.get(partition) ?? []);
          count -= values.filter((value) => !keyed.has(value)).length;
        }
        expect(count).toBe(0);
        expect(buffer.isEmpty).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses a partition that is not there', () => {
    const buffer = new TopicBuffer('t', 150);
    buffer.route(2);
    const record = { key: null, value: null, headers: [], timestamp: 0, partition: 2 };
    expect(() => buffer.add(record)).toThrow(/partition 2 of 't', which has 0 to 1/);
  });

  it('has copied what waits for its partitions: serializers may use their bytes again', () => {
    const buffer = new TopicBuffer('t', 150);
    const bytes = Buffer.from('a');
    for (const text of ['a', 'b']) {
      bytes.write(text);
      buffer.add({ key: bytes, value: bytes, headers: [], timestamp: 0, partition: 0 });
    }
    buffer.route(1);
    const batch = buffer.take(0).build({
      producerId: 1,
      producerEpoch: 0,
      baseSequence: 0,
      isTransactional: false,
      compression: 'none',
    });
    const cursor = new RecordCursor(readBatches(batch)[0]!);
    const values: string[] = [];
    while (cursor.next()) values.push(`${String(cursor.key)}${String(cursor.value)}`);
    expect(values).toEqual(['aa', 'bb']);
  });
});
