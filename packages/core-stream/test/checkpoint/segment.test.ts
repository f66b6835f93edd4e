import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SegmentRef } from '../../src/checkpoint/checkpoint-data.js';
import type { Chunks } from '../../src/checkpoint/checkpoint-storage.js';
import { mergeSegments } from '../../src/checkpoint/segment-merge.js';
import { readSegmentIndex } from '../../src/checkpoint/segment-reader.js';
import { readRows, SegmentBuilder } from '../../src/checkpoint/segment.js';
import { CheckpointError } from '../../src/errors.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { keyGroupOf } from '../../src/state/key-groups.js';
import { rowId } from '../../src/state/rows.js';
import { failureOf } from '../support/conditions.js';

const KEY_GROUPS = 8;

/** Segments by id, and what was asked for. */
class Segments {
  readonly location = 'here';
  readonly stored = new Map<string, Buffer>();
  readonly reads: [id: string, offset: number, length: number][] = [];

  async putSegment(id: string, chunks: Chunks): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const chunk of chunks) pieces.push(chunk);
    this.stored.set(id, Buffer.concat(pieces));
  }

  readSegment(id: string, { offset, length }: { offset: number; length: number }): Promise<Uint8Array> {
    this.reads.push([id, offset, length]);
    return Promise.resolve(this.stored.get(id)!.subarray(offset, offset + length));
  }
}

/** `data` is `undefined` where the row is removed. */
interface Change {
  readonly table: string;
  readonly key: unknown;
  readonly namespace: unknown;
  readonly data: unknown;
}

const change: fc.Arbitrary<Change> = fc.record({
  table: fc.constantFrom('counts', 'timers'),
  key: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constantFrom('a', 'é', 'long '.repeat(60))),
  namespace: fc.constantFrom(undefined, 1, { start: 0, end: 10 }),
  data: fc.oneof(
    fc.constant(undefined),
    fc.integer(),
    fc.constantFrom(null, 'text '.repeat(100), { of: [1, 2n] }),
  ),
});
const history = fc.array(fc.array(change, { maxLength: 40 }), { minLength: 1, maxLength: 6 });

/** Each list of changes as one segment; lists without any make none. */
async function store(segments: Segments, changes: readonly (readonly Change[])[]): Promise<SegmentRef[]> {
  const refs: SegmentRef[] = [];
  for (const [i, list] of changes.entries()) {
    const builder = new SegmentBuilder(KEY_GROUPS);
    for (const { table, key, namespace, data } of list)
      builder.add(
        table,
        key,
        rowId(key, namespace),
        data === undefined ? undefined : Buffer.from(encodeState(data)),
      );
    const content = builder.build();
    expect(content === undefined).toBe(list.length === 0);
    if (content === undefined) continue;
    const { chunks, ...described } = content;
    await segments.putSegment(`s${i}`, chunks);
    refs.push({ id: `s${i}`, ...described });
  }
  return refs;
}

type Rows = Map<string, readonly [table: string, key: unknown, namespace: unknown, data: unknown]>;

/** The naive oracle: a map to which all changes are applied. */
function expected(changes: readonly (readonly Change[])[], start: number, end: number): Rows {
  const rows: Rows = new Map();
  for (const { table, key, namespace, data } of changes.flat()) {
    const keyGroup = keyGroupOf(key, KEY_GROUPS);
    if (keyGroup < start || keyGroup >= end) continue;
    const name = `${table} ${rowId(key, namespace).toString()}`;
    if (data === undefined) rows.delete(name);
    else rows.set(name, [table, key, namespace, data]);
  }
  return rows;
}

async function found(segments: Segments, refs: readonly SegmentRef[], start: number, end: number) {
  const restored = await readRows(segments, refs, { start, end });
  const rows: Rows = new Map();
  for (const table of restored.tables()) {
    for (const { key, namespace, data } of restored.rows(table)) {
      const name = `${table} ${rowId(key, namespace).toString()}`;
      expect(rows.has(name)).toBe(false);
      rows.set(name, [table, key, namespace, data]);
    }
  }
  return rows;
}

const range = fc
  .tuple(fc.nat(KEY_GROUPS), fc.nat(KEY_GROUPS))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);

describe('segments', () => {
  it('segment reader invariant 2: give for any key groups the newest rows, as a map of them would', async () => {
    await fc.assert(
      fc.asyncProperty(history, range, async (changes, [start = 0, end = 0]) => {
        const segments = new Segments();
        const refs = await store(segments, changes);
        expect(await found(segments, refs, start, end)).toEqual(expected(changes, start, end));
      }),
      { numRuns: 200 },
    );
  });

  it('segment merge invariants 1 and 2: hold the same rows after any merges of neighbours', async () => {
    const merges = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 5 })), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(history, merges, range, async (changes, choices, [start = 0, end = 0]) => {
        const segments = new Segments();
        const refs = await store(segments, changes);
        for (const [i, [from, count]] of choices.entries()) {
          const chosen = refs.slice(from, from + count);
          if (chosen.length === 0) continue;
          const merged = await mergeSegments({
            storage: segments,
            segments: chosen,
            id: `m${i}`,
            dropsRemoved: from === 0,
          });
          refs.splice(from, chosen.length, ...(merged === undefined ? [] : [merged]));
          for (const ref of refs) expect(ref.bytes).toBe(segments.stored.get(ref.id)!.length);
        }
        expect(await found(segments, refs, start, end)).toEqual(expected(changes, start, end));
      }),
      { numRuns: 200 },
    );
  });

  it('merged completely hold each row once, and none that is gone', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (changes) => {
        const segments = new Segments();
        const refs = await store(segments, changes);
        const merged = await mergeSegments({
          storage: segments,
          segments: refs,
          id: 'all',
          dropsRemoved: true,
        });
        const rows = expected(changes, 0, KEY_GROUPS);
        expect(merged?.rows ?? 0).toBe(rows.size);
        expect(segments.stored.has('all')).toBe(rows.size > 0);
        if (merged === undefined) return;
        const groups = [...rows.values()].map(([, key]) => keyGroupOf(key, KEY_GROUPS));
        expect(merged.keyGroups).toEqual({ start: Math.min(...groups), end: Math.max(...groups) + 1 });
      }),
      { numRuns: 100 },
    );
  });

  it('are read in one go for adjacent key groups, and not at all for those that they do not have', async () => {
    const segments = new Segments();
    const changes = Array.from({ length: 100 }, (_, key) => ({
      table: 't',
      key,
      namespace: undefined,
      data: key,
    }));
    const [ref] = await store(segments, [changes]);
    await readRows(segments, [ref!], { start: 2, end: 6 });
    expect(segments.reads).toHaveLength(2); // the index and the slices
    const index = await readSegmentIndex(segments, ref!);
    const wanted = index.filter(({ keyGroup }) => keyGroup >= 2 && keyGroup < 6);
    expect(segments.reads[1]).toEqual([
      's0',
      wanted[0]!.offset,
      wanted.reduce((sum, { length }) => sum + length, 0),
    ]);
    segments.reads.length = 0;
    await readRows(segments, [{ ...ref!, keyGroups: { start: 0, end: 2 } }], { start: 2, end: 6 });
    expect(segments.reads).toEqual([]);
  });

  it('segment reader invariant 1: are refused, by name, where any byte is changed', async () => {
    const segments = new Segments();
    const [ref] = await store(segments, [
      [1, 2, 3].map((key) => ({ table: 't', key, namespace: undefined, data: key })),
    ]);
    const bytes = segments.stored.get('s0')!;
    for (let at = 0; at < bytes.length; at++) {
      bytes[at]! ^= 0xff;
      const error = await failureOf(readRows(segments, [ref!], { start: 0, end: KEY_GROUPS }));
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toMatch(
        /^The segment 's0' in here is damaged: .* Restore the object from a copy/,
      );
      bytes[at]! ^= 0xff;
    }
  });

  it('take no row that is longer than they can count', () => {
    const data = { length: 2 ** 32 - 5 } as Uint8Array; // nobody has that much memory to spare
    const add = () => new SegmentBuilder(KEY_GROUPS).addTo('t', 0, Uint8Array.of(1), data);
    expect(add).toThrow(CheckpointError);
    expect(add).toThrow(
      'A row of keyed state has 4294967303 bytes, more than 4294967295. Make its key finer',
    );
  });

  it('are not merged further once that is not wanted any more', async () => {
    const segments = new Segments();
    const changes = Array.from({ length: 5_000 }, (_, key) => ({
      table: 't',
      key,
      namespace: undefined,
      data: 1,
    }));
    const refs = await store(segments, [changes, changes]);
    const abort = new AbortController();
    const merging = failureOf(
      mergeSegments({ storage: segments, segments: refs, id: 'm', dropsRemoved: true, signal: abort.signal }),
    );
    setImmediate(() => abort.abort(new Error('the job has ended')));
    expect((await merging).message).toBe('the job has ended');
    expect(segments.stored.has('m')).toBe(false);
  });

  it('segment merge invariant 3: are read by a few key groups at a time', async () => {
    const segments = new Segments();
    const data = 'x'.repeat(100_000);
    const changes = Array.from({ length: 200 }, (_, key) => ({
      table: 't',
      key,
      namespace: undefined,
      data,
    }));
    const refs = await store(segments, [changes, changes]);
    await mergeSegments({ storage: segments, segments: refs, id: 'm', dropsRemoved: true });
    const index = await readSegmentIndex(segments, refs[0]!);
    const largest = Math.max(...index.map(({ length }) => length));
    expect(Math.max(...segments.reads.map(([, , length]) => length))).toBeLessThanOrEqual(
      Math.max(largest, 8 << 20),
    );
    expect(segments.reads.length).toBeGreaterThan(6);
  });
});
