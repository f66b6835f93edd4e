import { crc32c } from '@platformatic/kafka';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBatches, RecordBatchBuilder } from '../../src/protocol/record-batch.js';
import { FetchedSplit } from '../../src/source/fetched-split.js';

/** A log of batches with gaps, as compaction leaves them; every record says its offset. */
function logOf(sizes: readonly { readonly records: number; readonly gap: number }[]) {
  const batches: Buffer[] = [];
  const offsets: number[] = [];
  let next = 0;
  for (const { records, gap } of sizes) {
    const builder = new RecordBatchBuilder();
    for (let i = 0; i < records; i++) {
      offsets.push(next + i);
      builder.append({ key: null, value: Buffer.from(String(next + i)), headers: [], timestamp: 0 });
    }
    const batch = builder.build({
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      isTransactional: false,
      compression: 'none',
    });
    batch.writeBigInt64BE(BigInt(next)); // the checksum does not cover it
    batch.writeInt32BE(records + gap - 1, 23); // the last offset, which stays when compaction removes the record
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
    batches.push(batch);
    next += records + gap;
  }
  return { batches, offsets, end: next };
}

const sizes = fc.array(fc.record({ records: fc.integer({ min: 1, max: 5 }), gap: fc.nat(3) }), {
  maxLength: 8,
});
const settings = { topic: 't', partition: 0, splitId: 't-0' };

function fetchedFrom(batches: readonly Buffer[], offset: number, count: number, highWatermark = 0) {
  const from = batches.findIndex((batch) => readBatches(batch)[0]!.lastOffset >= offset);
  const records = from < 0 ? Buffer.alloc(0) : Buffer.concat(batches.slice(from, from + count));
  const answer = { topic: 'a', partition: 0, errorCode: 0, lastStableOffset: -1, aborted: [] };
  return { ...answer, highWatermark, records };
}

describe('FetchedSplit', () => {
  it('emits every record once, wherever it is stopped, restored, paused or given another answer (invariants 1 to 3)', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('fetch' as const),
        count: fc.integer({ min: 0, max: 3 }), // 0: others have taken all of the answer
      }),
      fc.record({ kind: fc.constant('stale' as const), offset: fc.nat(30) }),
      fc.record({ kind: fc.constant('emit' as const), count: fc.nat(6) }),
      fc.record({ kind: fc.constantFrom('restore' as const, 'rewind' as const) }),
    );
    fc.assert(
      fc.property(
        sizes,
        fc.array(step, { maxLength: 30 }),
        fc.option(fc.nat(25)),
        fc.nat(3),
        (shape, steps, stop, tail) => {
          const { batches, offsets, end } = logOf(shape);
          const highWatermark = end + tail; // compaction has left nothing of the last ones
          const stopping = stop === null ? {} : { stoppingOffset: stop };
          let split = new FetchedSplit<string>({ ...settings, offset: 0, ...stopping });
          const emitted: number[] = [];
          const emit = (count: number) => {
            for (let i = 0; i < count; i++) {
              const cursor = split.next();
              if (cursor === undefined) return;
              expect(cursor.value?.toString()).toBe(String(cursor.offset));
              emitted.push(cursor.offset);
            }
          };
          const whole = { kind: 'fetch' as const, count: 100 };
          for (const action of [...steps, whole, whole]) {
            if (action.kind === 'fetch') {
              const { fetchOffset } = split;
              const fetched = fetchedFrom(batches, fetchOffset, action.count, highWatermark);
              split.receive(fetched, fetchOffset, true);
              const isNothing = action.count > 0 && fetched.records.length === 0;
              if (isNothing && split.isMissing(fetchOffset)) split.skipTo(stop!);
            } else if (action.kind === 'stale') {
              if (action.offset !== split.fetchOffset)
                split.receive(fetchedFrom(batches, action.offset, 3), action.offset, true);
            } else if (action.kind === 'emit') emit(action.count);
            else if (action.kind === 'rewind') split.rewind();
            else split = new FetchedSplit<string>(split.snapshot());
          }
          emit(1_000);
          const limit = stop ?? Infinity;
          expect(emitted).toEqual(offsets.filter((offset) => offset < limit));
          // Also over what holds no record: otherwise a bounded job would wait for its end for ever.
          if (stop === null) expect(split.position).toBe(end);
          else expect(split.isFinished).toBe(stop <= highWatermark);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([2, 3, 4])('holds nothing any more when it is finished, at offset %i', (stoppingOffset) => {
    const { batches } = logOf([
      { records: 3, gap: 0 },
      { records: 3, gap: 0 },
    ]);
    const split = new FetchedSplit<string>({ ...settings, offset: 0, stoppingOffset });
    split.receive(fetchedFrom(batches, 0, 2), 0, true);
    while (split.next() !== undefined);
    expect(split).toMatchObject({ isFinished: true, hasBuffered: false, bufferedBytes: 0 });
  });

  it('emits what it has of a topic before it goes on in the one made anew (invariant 4)', () => {
    const old = logOf([{ records: 3, gap: 0 }]);
    const anew = logOf([{ records: 2, gap: 0 }]);
    const split = new FetchedSplit<string>({ ...settings, offset: 1, topicId: 'a' });
    split.receive(fetchedFrom(old.batches, 1, 1), 1, true);
    split.moveTo('b', 0);
    expect(split.fetchTopicId).toBe('b');
    split.receive(fetchedFrom(anew.batches, 0, 1), 0, true);
    for (const [topicId, offset] of [
      ['a', 1],
      ['a', 2],
      ['b', 0],
      ['b', 1],
    ] as const) {
      expect(split.next()?.offset).toBe(offset);
      expect(split.snapshot()).toEqual({ ...settings, topicId, offset: offset + 1 });
    }
    split.moveTo('c', 0);
    split.rewind();
    expect(split.fetchTopicId).toBe('b'); // so that it is looked up again
  });

  it('emits what it has before it goes on where the log does', () => {
    const { batches } = logOf([{ records: 3, gap: 0 }]);
    const split = new FetchedSplit<string>({ ...settings, offset: 0, stoppingOffset: 90 });
    split.receive(fetchedFrom(batches, 0, 1), 0, true);
    split.skipTo(90);
    expect(split.fetchOffset).toBe(90);
    for (const offset of [0, 1, 2]) {
      expect(split.next()?.offset).toBe(offset);
      expect(split.snapshot().offset).toBe(offset + 1);
    }
    expect(split.next()).toBeUndefined();
    expect([split.position, split.isFinished]).toEqual([90, true]);
    split.skipTo(5);
    expect([split.position, split.fetchOffset]).toEqual([5, 5]); // the log was cut off
  });
});
