import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KafkaCompression } from '../../src/protocol/compression.js';
import { readBatches, RecordBatchBuilder, RecordCursor } from '../../src/protocol/record-batch.js';

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)));
const record = fc.record({
  key: bytes,
  value: bytes,
  timestamp: fc.integer({ min: -1, max: 2 ** 45 }),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: bytes }), { maxLength: 3 }),
});
type Written = Parameters<RecordBatchBuilder['append']>[0];

function batchOf(records: readonly Written[], compression: KafkaCompression = 'none'): Buffer {
  const builder = new RecordBatchBuilder();
  for (const one of records) builder.append(one);
  return builder.build({
    producerId: 7,
    producerEpoch: 1,
    baseSequence: 3,
    isTransactional: true,
    compression,
  });
}

function recordsOf(log: Buffer): unknown[] {
  return readBatches(log).flatMap((batch) => {
    const cursor = new RecordCursor(batch);
    const records: unknown[] = [];
    while (cursor.next()) {
      const { offset, key, value, timestamp, headers } = cursor;
      records.push({ offset, key, value, timestamp, headers });
    }
    return records;
  });
}

describe('record batches', () => {
  it('give back what was written, absent keys and values as absent', () => {
    const batches = fc.array(fc.array(record, { minLength: 1, maxLength: 20 }), { maxLength: 4 });
    const compression = fc.constantFrom<KafkaCompression>('none', 'gzip', 'snappy', 'lz4');
    fc.assert(
      fc.property(batches, compression, (written, algorithm) => {
        const log = Buffer.concat(written.map((records) => batchOf(records, algorithm)));
        const expected = written.flatMap((records) => records.map((one, offset) => ({ offset, ...one })));
        expect(recordsOf(log)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('leave out the last batch where it is cut off', () => {
    const one = { key: null, value: Buffer.from('x'), timestamp: 5, headers: [] };
    const log = Buffer.concat([batchOf([one]), batchOf([one, one])]);
    for (let cut = 1; cut < 70; cut++) expect(recordsOf(log.subarray(0, log.length - cut))).toHaveLength(1);
  });

  it('are refused where a byte has changed', () => {
    const batch = batchOf([{ key: null, value: Buffer.from('hello'), timestamp: 5, headers: [] }]);
    for (let at = 21; at < batch.length; at++) {
      const damaged = Buffer.from(batch);
      damaged[at]! ^= 1;
      expect(() => readBatches(damaged)).toThrow(/checksum/);
    }
  });

  it('are refused in the formats before Kafka 0.11', () => {
    const batch = batchOf([{ key: null, value: null, timestamp: 5, headers: [] }]);
    batch[16] = 1;
    expect(() => readBatches(batch)).toThrow(/message format 1/);
  });

  it('reads blocks of snappy as Java frames them', async () => {
    const { compressionsAlgorithms } = await import('@platformatic/kafka');
    const { decompress } = await import('../../src/protocol/compression.js');
    const block = (text: string) => {
      const packed = compressionsAlgorithms.snappy.compressSync(Buffer.from(text));
      const length = Buffer.alloc(4);
      length.writeInt32BE(packed.length);
      return Buffer.concat([length, packed]);
    };
    const header = Buffer.from('82534e4150505900' + '00000001' + '00000001', 'hex');
    expect(decompress(2, Buffer.concat([header, block('hello '), block('world')])).toString()).toBe(
      'hello world',
    );
  });
});
