import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRows } from '../../src/checkpoint/segment-reader.js';
import { requireRoom, SegmentCatalog } from '../../src/checkpoint/segment-catalog.js';
import { SegmentBuilder, type SegmentContent } from '../../src/checkpoint/segment.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { rowId } from '../../src/state/rows.js';
import { MemoryCheckpointStorage } from '../../src/testing/memory-checkpoint-storage.js';
import { createGate, failureOf, quiet } from '../support/conditions.js';

const ALL = { start: 0, end: 8 };

/** `undefined` removes a row. */
type Changes = Readonly<Record<string, number | undefined>>;

function segmentOf(changes: Changes): SegmentContent {
  const builder = new SegmentBuilder(ALL.end);
  for (const [key, value] of Object.entries(changes)) {
    builder.add('values', key, rowId(key, undefined), value === undefined ? undefined : encodeState(value));
  }
  const segment = builder.build();
  if (segment === undefined) throw new Error('a segment without rows');
  return segment;
}

async function createCatalog() {
  const storage = new MemoryCheckpointStorage();
  await storage.claim({ jobName: 'test', jobId: 'test' });
  const end = new AbortController();
  const catalog = new SegmentCatalog(storage, 'attempt', end.signal);
  const rows = async (uid = 'counts') => {
    const restored = await readRows(storage, catalog.list(uid), ALL);
    return Object.fromEntries([...restored.rows('values')].map(({ key, data }) => [key, data]));
  };
  return { storage, catalog, end, rows };
}

describe('segment catalog', () => {
  it('segment catalog invariants 1 and 2: lists segments of an operator as they came', async () => {
    const { catalog, rows } = await createCatalog();
    catalog.add('counts', segmentOf({ a: 1, b: 1 }));
    catalog.add('others', segmentOf({ a: 5 }));
    catalog.add('counts', segmentOf({ b: 2 }));
    await catalog.store();
    catalog.add('counts', segmentOf({ a: undefined, c: 3 }));
    await catalog.store();
    expect(catalog.list('counts')).toHaveLength(3);
    expect(await rows()).toEqual({ b: 2, c: 3 });
    expect(await rows('others')).toEqual({ a: 5 });
  });

  it('segment catalog invariants 2 and 5: rows that are still being read keep their place, and storing waits for them', async () => {
    const { catalog, rows } = await createCatalog();
    const gate = createGate();
    catalog.add(
      'counts',
      gate.opened.then(() => segmentOf({ a: 1, b: 1 })),
    );
    catalog.add('counts', segmentOf({ b: 2 }));
    catalog.add('counts', Promise.resolve(undefined));
    let isStored = false;
    const storing = catalog.store().then(() => (isStored = true));
    await quiet();
    expect(isStored).toBe(false);
    gate.open();
    await storing;
    expect(await rows()).toEqual({ a: 1, b: 2 });
  });

  it('segment catalog invariant 5: nothing is stored any more once rows could not be read', async () => {
    const { catalog } = await createCatalog();
    catalog.add('counts', Promise.reject(new Error('cannot be read')));
    catalog.add('counts', segmentOf({ b: 2 }));
    expect((await failureOf(catalog.store())).message).toBe('cannot be read');
    expect((await failureOf(catalog.store())).message).toBe('cannot be read');
    expect(catalog.list('counts')).toEqual([]);
  });

  it('segment catalog invariant 3: what could not be stored is stored the next time, and nothing twice', async () => {
    const { catalog, storage, rows } = await createCatalog();
    const put = storage.putSegment.bind(storage);
    const stored: string[] = [];
    let isFull = false;
    storage.putSegment = async (id, chunks) => {
      if (isFull) throw new Error('the disk is full');
      stored.push(id);
      await put(id, chunks);
    };
    catalog.add('counts', segmentOf({ a: 1 }));
    const bytes = await catalog.store();
    expect(bytes).toBe(catalog.list('counts')[0]?.bytes);
    isFull = true;
    catalog.add('counts', segmentOf({ a: 2, b: 2 }));
    expect((await failureOf(catalog.store())).message).toBe('the disk is full');
    expect(catalog.unstoredBytes).toBeGreaterThan(0);
    expect(() => requireRoom(catalog, 1, new Error('the disk is full'))).toThrow('could not be written');
    isFull = false;
    catalog.add('counts', segmentOf({ c: 3 }));
    await catalog.store();
    expect(catalog.unstoredBytes).toBe(0);
    requireRoom(catalog, 1, undefined);
    expect(await rows()).toEqual({ a: 2, b: 2, c: 3 });
    expect(stored).toEqual([...new Set(stored)]);
    expect(stored).toHaveLength(3);
  });

  it('segment catalog invariant 3: also where it was stored and the answer was lost', async () => {
    const { catalog, storage, rows } = await createCatalog();
    const put = storage.putSegment.bind(storage);
    storage.putSegment = async (id, chunks) => {
      await put(id, chunks);
      storage.putSegment = put;
      throw new Error('the answer is lost');
    };
    catalog.add('counts', segmentOf({ a: 1 }));
    expect((await failureOf(catalog.store())).message).toBe('the answer is lost');
    await catalog.store();
    expect(catalog.list('counts')).toHaveLength(1);
    expect(await rows()).toEqual({ a: 1 });
  });

  it('segment catalog invariant 4: stores and merges nothing after the job has ended', async () => {
    const { catalog, storage, end } = await createCatalog();
    for (let i = 0; i < 3; i++) catalog.add('counts', segmentOf({ a: i }));
    await catalog.store();
    catalog.add('counts', segmentOf({ a: 9 }));
    end.abort(new Error('ended'));
    storage.putSegment = () => Promise.reject(new Error('written after the end'));
    expect((await failureOf(catalog.store())).message).toBe('ended');
    await catalog.compact();
    expect(catalog.list('counts')).toHaveLength(4);
  });

  it('keeps rows removed that an older segment has, which is not merged', async () => {
    const { catalog, rows } = await createCatalog();
    const large = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`key ${n}`, n]));
    catalog.add('counts', segmentOf(large));
    catalog.add('counts', segmentOf({ 'key 7': undefined }));
    for (let n = 0; n < 4; n++) catalog.add('counts', segmentOf({ a: n }));
    await catalog.store();
    await catalog.compact();
    expect(catalog.list('counts')).toHaveLength(2);
    const { 'key 7': removed, a, ...rest } = await rows();
    expect(removed).toBeUndefined();
    expect(a).toBe(3);
    expect(Object.keys(rest)).toHaveLength(19_999);
  });

  it('starts from what a checkpoint lists', async () => {
    const first = await createCatalog();
    first.catalog.add('counts', segmentOf({ a: 1, b: 1 }));
    await first.catalog.store();
    const catalog = new SegmentCatalog(first.storage, 'second', first.end.signal);
    catalog.restore('counts', first.catalog.list('counts'));
    catalog.add('counts', segmentOf({ b: 2 }));
    await catalog.store();
    const restored = await readRows(first.storage, catalog.list('counts'), ALL);
    expect([...restored.rows('values')].map(({ data }) => data).sort()).toEqual([1, 2]);
  });

  it('holds the same rows whatever is merged when, in a list that stays short', async () => {
    const changes = fc.dictionary(
      fc.constantFrom(...'abcdefgh'),
      fc.option(fc.integer({ min: 0, max: 99 }), { nil: undefined }),
      { minKeys: 1 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(changes, fc.boolean()), { maxLength: 25 }), async (checkpoints) => {
        const { catalog, rows } = await createCatalog();
        const expected = new Map<string, number>();
        for (const [changed, isCompacted] of checkpoints) {
          catalog.add('counts', segmentOf(changed));
          for (const [key, value] of Object.entries(changed)) {
            if (value === undefined) expected.delete(key);
            else expected.set(key, value);
          }
          await catalog.store();
          if (isCompacted) await catalog.compact();
          expect(await rows()).toEqual(Object.fromEntries(expected));
        }
        await catalog.compact();
        expect(catalog.list('counts').length).toBeLessThan(4);
        expect(await rows()).toEqual(Object.fromEntries(expected));
      }),
      { numRuns: 60 },
    );
  });
});
