import { describe, expect, it } from 'vitest';
import { ProducerSession } from '../../src/sink/producer-session.js';
import type { Transactions } from '../../src/sink/transactions.js';

const fake = (ids: (string | null)[], remembered: Set<string | null>) =>
  ({
    init: (id: string | null) => {
      ids.push(id);
      remembered.add(id);
      return Promise.resolve({ producerId: ids.length, producerEpoch: 0 });
    },
    addPartitions: () => Promise.resolve(),
    forget: (id: string) => remembered.delete(id),
  }) as unknown as Transactions;

const sessionWith = (ids: (string | null)[], prefix?: string, remembered = new Set<string | null>()) => {
  let count = 0;
  return new ProducerSession({
    transactions: fake(ids, remembered),
    nextId: prefix === undefined ? undefined : () => `${prefix}-${++count}`,
    transactionTimeoutMs: 1_000,
  });
};

describe('ProducerSession', () => {
  it('takes an id for every transaction, and none where nothing is written (invariants 1 and 2)', async () => {
    const ids: (string | null)[] = [];
    const session = sessionWith(ids, 'p');
    expect(session.endTransaction()).toBeUndefined();
    for (let i = 0; i < 3; i++) {
      await session.begin();
      await session.begin();
      expect(session.endTransaction()).toMatchObject({ transactionalId: ids[i], producerId: i + 1 });
    }
    expect(ids).toEqual(['p-1', 'p-2', 'p-3']);
  });

  it('counts sequences by partition and transaction, and goes on after the largest as Java does', async () => {
    const session = sessionWith([], 'p');
    await session.begin();
    expect([session.nextSequence('a-0', 2), session.nextSequence('a-0', 3)]).toEqual([0, 2]);
    expect(session.nextSequence('a-1', 2 ** 31 - 1)).toBe(0);
    expect([session.nextSequence('a-1', 2), session.nextSequence('a-1', 1)]).toEqual([2 ** 31 - 1, 1]);
    session.endTransaction();
    await session.begin();
    expect(session.nextSequence('a-0', 1)).toBe(0);
  });

  it('remembers nothing of transactions that are over', async () => {
    const remembered = new Set<string | null>();
    const session = sessionWith([], 'p', remembered);
    for (let i = 0; i < 3; i++) {
      await session.begin();
      session.endTransaction();
    }
    expect(remembered.size).toBe(0);
  });

  it('has one producer id and no transaction where delivery is at least once', async () => {
    const ids: (string | null)[] = [];
    const session = sessionWith(ids);
    await session.begin();
    expect(session.endTransaction()).toBeUndefined();
    await session.begin();
    expect(ids).toEqual([null]);
  });
});
