import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AbortedTransactions } from '../../src/protocol/aborted-transactions.js';
import type { RecordBatch } from '../../src/protocol/record-batch.js';
import { WireWriter } from '../../src/protocol/wire-writer.js';

/** What happens in a log, in order. */
type Step =
  | { readonly kind: 'write'; readonly producer: number; readonly records: number }
  | { readonly kind: 'plain'; readonly records: number }
  | { readonly kind: 'end'; readonly producer: number; readonly isCommit: boolean };

interface LoggedBatch extends RecordBatch {
  /** By the oracle: whether a reader with read_committed sees it. */
  isVisible: boolean;
}

interface Log {
  readonly batches: LoggedBatch[];
  readonly aborted: { producerId: number; firstOffset: number; lastOffset: number }[];
}

function marker(isCommit: boolean): Buffer {
  const key = new WireWriter().int16(0).int16(isCommit ? 1 : 0).bytes;
  const record = new WireWriter()
    .int8(0)
    .varint(0)
    .varint(0)
    .varintBytes(key)
    .varintBytes(null)
    .varint(0).bytes;
  return Buffer.from(new WireWriter().varint(record.length).raw(record).bytes);
}

/** The oracle: a transaction is seen as a whole, looking at it from its end. */
function logOf(steps: readonly Step[]): Log {
  const batches: LoggedBatch[] = [];
  const aborted: Log['aborted'] = [];
  const open = new Map<number, LoggedBatch[]>();
  let offset = 0;
  const append = (count: number, fields: Partial<LoggedBatch>): LoggedBatch => {
    const batch: LoggedBatch = {
      baseOffset: offset,
      lastOffset: offset + count - 1,
      baseTimestamp: 0,
      appendTimestamp: undefined,
      producerId: -1,
      isTransactional: false,
      isControl: false,
      recordCount: count,
      compressionBits: 0,
      packedRecords: Buffer.alloc(0),
      isVisible: true,
      ...fields,
    };
    offset += count;
    batches.push(batch);
    return batch;
  };
  for (const step of steps) {
    if (step.kind === 'plain') append(step.records, {});
    else if (step.kind === 'write') {
      const written = append(step.records, { producerId: step.producer, isTransactional: true });
      open.set(step.producer, [...(open.get(step.producer) ?? []), written]);
    } else {
      const transaction = open.get(step.producer);
      if (transaction === undefined) continue;
      open.delete(step.producer);
      const { lastOffset } = append(1, {
        producerId: step.producer,
        isTransactional: true,
        isControl: true,
        isVisible: false,
        packedRecords: marker(step.isCommit),
      });
      if (step.isCommit) continue;
      for (const batch of transaction) batch.isVisible = false;
      aborted.push({ producerId: step.producer, firstOffset: transaction[0]!.baseOffset, lastOffset });
    }
  }
  // A broker serves no further than the first open transaction.
  const firstOpen = Math.min(offset, ...Array.from(open.values(), ([first]) => first!.baseOffset));
  return { batches: batches.filter(({ baseOffset }) => baseOffset < firstOpen), aborted };
}

const producer = fc.integer({ min: 1, max: 4 });
const records = fc.integer({ min: 1, max: 3 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), producer, records }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('plain' as const), records }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('end' as const), producer, isCommit: fc.boolean() }),
  },
);

describe('AbortedTransactions', () => {
  it('leaves out what a look at whole transactions leaves out, from wherever a fetch begins', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(40), fc.nat(10), (steps, from, length) => {
        const log = logOf(steps);
        const fetched = log.batches.slice(from, from + length + 1);
        if (fetched.length === 0) return;
        // As the broker says it: those that overlap with what it sends.
        const aborted = log.aborted.filter(
          ({ firstOffset, lastOffset }) =>
            lastOffset >= fetched[0]!.baseOffset && firstOffset <= fetched.at(-1)!.lastOffset,
        );
        const filter = new AbortedTransactions(aborted.toReversed());
        const seen = fetched.filter((batch) => !filter.covers(batch) && !batch.isControl);
        expect(seen).toEqual(fetched.filter(({ isVisible }) => isVisible));
      }),
      { numRuns: 300 },
    );
  });

  it('ends an aborted transaction at its abort marker and at no other, as Java does', () => {
    const { batches } = logOf([
      { kind: 'write', producer: 1, records: 1 },
      { kind: 'end', producer: 1, isCommit: true },
      { kind: 'write', producer: 1, records: 1 },
      { kind: 'end', producer: 1, isCommit: false },
      { kind: 'write', producer: 1, records: 1 },
      { kind: 'end', producer: 1, isCommit: true },
    ]);
    const filter = new AbortedTransactions([{ producerId: 1, firstOffset: 0 }]);
    expect(batches.map((batch) => filter.covers(batch))).toEqual([true, false, true, false, false, false]);
  });
});
