import { describe, expect, it } from 'vitest';
import { isTransactionOf, TransactionalIds } from '../../src/sink/transactional-ids.js';

const KEPT = 20;

describe('TransactionalIds', () => {
  it('uses committed ids again, the oldest first, and not before so many others (invariants 1 and 2)', () => {
    const ids = new TransactionalIds(KEPT);
    const { next } = ids.open('p', 2);
    const open = Array.from({ length: KEPT + 5 }, next);
    expect(new Set(open).size).toBe(KEPT + 5);
    expect(open.every((id) => isTransactionOf('p', id))).toBe(true);
    for (const id of open.slice(0, KEPT - 1)) ids.committed(id);
    ids.committed(open[0]!); // said again
    expect(open).not.toContain(next());
    ids.committed(open[KEPT - 1]!);
    expect(next()).toBe(open[0]);
    expect(open).not.toContain(next());
    for (const id of open.slice(KEPT)) ids.committed(id);
    expect([next(), next()]).toEqual([open[1], open[2]]);
  });

  it('remembers as many ids as it keeps, and those that are open, however long a job runs', () => {
    const ids = new TransactionalIds(KEPT);
    const { next } = ids.open('p', 0);
    const used = new Set<string>();
    for (let checkpoint = 0; checkpoint < 5 * KEPT; checkpoint++) {
      const id = next();
      used.add(id);
      ids.committed(id);
    }
    expect(used.size).toBe(KEPT);
  });

  it('gives a writer its own ids alone (invariant 3)', () => {
    const ids = new TransactionalIds(KEPT);
    const [one, two] = [ids.open('p', 0), ids.open('p', 0)];
    const ofOne = Array.from({ length: KEPT }, one.next);
    for (const id of ofOne) ids.committed(id);
    expect(ofOne).not.toContain(two.next());
    one.close();
    ids.committed(ofOne[0]!); // a commit that comes later is no harm
  });
});

describe('isTransactionOf', () => {
  it('tells prefixes apart that begin alike', () => {
    const id = new TransactionalIds().open('orders-1', 0).next();
    expect(isTransactionOf('orders-1', id)).toBe(true);
    expect(isTransactionOf('orders', id)).toBe(false);
    expect(isTransactionOf('orders', new TransactionalIds().open('orders-eu', 0).next())).toBe(false);
    expect(isTransactionOf('orders', 'orders-0')).toBe(false);
  });
});
