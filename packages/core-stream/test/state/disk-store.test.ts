import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../src/index.js';
import { LONGEST_ID, rowKey, rowsOfTable } from '../../src/state/disk-keys.js';
import { DiskStore, type DiskWriter, type RowWrite } from '../../src/state/disk-store.js';
import { rowId } from '../../src/state/rows.js';
import { temporaryDirectory } from '../support/disk-store.js';

const ALL = { start: 0, end: 8 };

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function write(table: number, key: unknown, text: string | undefined): RowWrite {
  const id = rowId(key, undefined);
  return { key: rowKey(table, 3, id), id, data: text === undefined ? undefined : bytes(text) };
}

/** All rows of a table, as text. */
function rowsOf(store: DiskStore, table: number): Map<string, string> {
  const rows = new Map<string, string>();
  let after: Buffer | undefined;
  for (;;) {
    const part = store.scan(rowsOfTable(table, ALL), { limit: 3, after });
    for (const { id, data } of part) rows.set(Buffer.from(id).toString('hex'), Buffer.from(data).toString());
    after = part.at(-1)?.key;
    if (part.length < 3) return rows;
  }
}

function changesOf(
  store: DiskStore,
  writer: DiskWriter,
  checkpointId: number,
): Map<string, string | undefined> {
  const changes = new Map<string, string | undefined>();
  for (const part of store.changes(writer, checkpointId, 2)) {
    for (const { id, data } of part) {
      changes.set(Buffer.from(id).toString('hex'), data && Buffer.from(data).toString());
    }
  }
  return changes;
}

const long = 'x'.repeat(3000);
const operation = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('write' as const),
      writer: fc.nat(1),
      writes: fc.array(
        fc.record({
          key: fc.constantFrom('a', 'b', 'c', 'd', `${long}1`, `${long}2`),
          text: fc.option(fc.constantFrom('', 'v', 'w', long), { nil: undefined }),
        }),
        { maxLength: 6 },
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('checkpoint' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('rollback' as const), back: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('forget' as const), back: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reopen' as const) }) },
);

describe('a state store', () => {
  it('invariants 1, 2: can be taken back to each checkpoint that is kept, like a copy that was made there', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), async (operations) => {
        const directory = temporaryDirectory();
        let store = new DiskStore(directory);
        let writers: DiskWriter[] = [];
        let tables: number[] = [];
        let last = 0;
        const open = (from: number) => {
          last = from;
          tables = ['one', 'two'].map((name) => store.table('uid', name));
          writers = tables.map(() => store.writer(from));
        };
        open(0);
        /** Per table its rows. */
        let now: Map<string, string>[] = [new Map(), new Map()];
        const copies = new Map<number, Map<string, string>[]>([[0, [new Map(), new Map()]]]);
        const rollBack = (to: number) => {
          store.rollBackTo(to);
          now = copies.get(to)!.map((rows) => new Map(rows));
          for (const id of [...copies.keys()]) if (id > to) copies.delete(id);
          open(to);
        };
        for (const step of operations) {
          const kept = [...copies.keys()];
          switch (step.type) {
            case 'write': {
              const rows = now[step.writer]!;
              const writes = step.writes.map(({ key, text }) => write(tables[step.writer]!, key, text));
              store.write(writers[step.writer], writes);
              for (const { key, text } of step.writes) {
                const id = Buffer.from(rowId(key, undefined)).toString('hex');
                if (text === undefined) rows.delete(id);
                else rows.set(id, text);
              }
              break;
            }
            case 'checkpoint': {
              const before = copies.get(last)!;
              last++;
              writers.forEach((writer, index) => {
                const changes = changesOf(store, writer, last);
                const replayed = new Map(before[index]);
                for (const [id, text] of changes) {
                  if (text === undefined) {
                    expect(replayed.delete(id)).toBe(true); // what came and went is not told
                  } else replayed.set(id, text);
                }
                expect(new Set(replayed)).toEqual(new Set(now[index]));
              });
              copies.set(
                last,
                now.map((rows) => new Map(rows)),
              );
              break;
            }
            case 'rollback':
              rollBack(kept.at(-1 - step.back) ?? kept[0]!);
              break;
            case 'forget': {
              const oldest = kept.at(-1 - step.back) ?? kept[0]!;
              while (store.forget(oldest, 2));
              for (const id of kept) if (id < oldest) copies.delete(id);
              break;
            }
            case 'reopen':
              await store.close();
              store = new DiskStore(directory);
              rollBack(last);
              break;
          }
          now.forEach((rows, index) => expect(new Set(rowsOf(store, tables[index]!))).toEqual(new Set(rows)));
        }
        await store.close();
      }),
      { numRuns: 100 },
    );
  });

  it('invariant 2: takes back more than one transaction does', async () => {
    const directory = temporaryDirectory();
    const store = new DiskStore(directory);
    const table = store.table('uid', 't');
    store.write(
      undefined,
      Array.from({ length: 10_000 }, (_, key) => write(table, key, 'old')),
    );
    const writer = store.writer(1);
    store.write(
      writer,
      Array.from({ length: 10_000 }, (_, key) => write(table, key, 'new')),
    );
    store.rollBackTo(1);
    expect(new Set(rowsOf(store, table).values())).toEqual(new Set(['old']));
    expect(rowsOf(store, table).size).toBe(10_000);
    await store.close();
  });

  it('invariant 3: changes do not see what is written after they were taken', async () => {
    const store = new DiskStore(temporaryDirectory());
    const table = store.table('uid', 't');
    const writer = store.writer(0);
    store.write(writer, [write(table, 'a', '1'), write(table, 'b', '1'), write(table, 'c', '1')]);
    const changes = store.changes(writer, 1, 1);
    store.write(writer, [write(table, 'a', '2'), write(table, 'b', undefined), write(table, 'd', '2')]);
    const seen = [...changes].flat().map(({ data }) => Buffer.from(data!).toString());
    expect(seen).toEqual(['1', '1', '1']);
    expect([...changesOf(store, writer, 2).values()]).toEqual(['2', undefined, '2']);
    await store.close();
  });

  it('invariant 4: a write that fails has written nothing', async () => {
    const store = new DiskStore(temporaryDirectory());
    const table = store.table('uid', 't');
    const writer = store.writer(0);
    const broken = { key: Buffer.alloc(5000, 1), id: undefined, data: bytes('x') };
    expect(() => store.write(writer, [write(table, 'a', '1'), broken])).toThrow(CheckpointError);
    expect(rowsOf(store, table).size).toBe(0);
    store.write(writer, [write(table, 'a', '2')]);
    expect([...changesOf(store, writer, 1).values()]).toEqual(['2']);
    await store.close();
  });

  it('writes nothing where a row is as it was', async () => {
    const store = new DiskStore(temporaryDirectory());
    const table = store.table('uid', 't');
    const writer = store.writer(0);
    store.write(writer, [write(table, 'a', '1')]);
    changesOf(store, writer, 1);
    store.write(writer, [write(table, 'a', '1'), write(table, 'gone', undefined)]);
    expect(changesOf(store, writer, 2).size).toBe(0);
    await store.close();
  });

  it('takes ids up to the longest one as they are, and hashes longer ones', async () => {
    const store = new DiskStore(temporaryDirectory());
    const table = store.table('uid', 't');
    const ids = [-1, 0, 1, 5000].map((more) =>
      Buffer.from(rowId('x'.repeat(LONGEST_ID - 10 + more), undefined)),
    );
    expect(ids[1]).toHaveLength(LONGEST_ID);
    const writes = ids.map((id, i) => ({ key: rowKey(table, 3, id), id, data: bytes(String(i)) }));
    store.write(undefined, writes);
    for (const [i, { key }] of writes.entries()) expect(store.get(key)?.toString()).toBe(String(i));
    const stored = new Map([...rowsOf(store, table)].map(([id, text]) => [text, id]));
    for (const [i, id] of ids.entries()) expect(stored.get(String(i))).toBe(id.toString('hex'));
    await store.close();
  });

  it('finds its tables again, and does not use the number of one that was dropped', async () => {
    const directory = temporaryDirectory();
    let store = new DiskStore(directory);
    const first = store.table('uid', 'first');
    const second = store.table('uid', 'second');
    store.write(undefined, [write(first, 'a', '1'), write(second, 'a', '2')]);
    store.drop('uid', 'second');
    await store.close();
    store = new DiskStore(directory);
    expect(store.tablesOf('uid')).toEqual(['first']);
    expect(store.tablesOf('ui')).toEqual([]);
    expect(store.table('uid', 'first')).toBe(first);
    expect([...rowsOf(store, first).values()]).toEqual(['1']);
    expect(rowsOf(store, second).size).toBe(0);
    expect([first, second]).not.toContain(store.table('uid', 'third'));
    await store.close();
  });
});
