/** Segments in the storage while checkpoints are taken, merges run and writes fail: only what is needed stays. */
import { describe, expect, it } from 'vitest';
import { BlobCheckpointStorage } from '../../src/checkpoint/blob-checkpoint-storage.js';
import { SegmentCatalog } from '../../src/checkpoint/segment-catalog.js';
import { segmentName } from '../../src/checkpoint/segment-name.js';
import { SegmentBuilder } from '../../src/checkpoint/segment.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { rowId } from '../../src/state/rows.js';
import { MemoryBlobStore } from '../../src/testing/memory-blob-store.js';
import { checkpointOf, lineage, processOn } from '../support/checkpoints.js';
import { createGate, failureOf } from '../support/conditions.js';

/** Of a row: four make a segment of the next tier. */
const BYTES = 20_000;

/** A job that changes a row before each checkpoint. */
async function createJob() {
  const store = new MemoryBlobStore();
  const storage = new BlobCheckpointStorage(store, { environment: processOn('A') });
  await storage.claim(lineage);
  const catalog = new SegmentCatalog(storage, 'attempt', new AbortController().signal);
  let id = 0;
  const change = () => {
    const builder = new SegmentBuilder(8);
    const row = `row ${++id}`;
    builder.add('values', row, rowId(row, undefined), encodeState('x'.repeat(BYTES)));
    catalog.add('count', builder.build());
  };
  const checkpoint = async () => {
    change();
    await catalog.store();
    await storage.write(checkpointOf(id, String(id), catalog.list('count')));
    await catalog.compact();
  };
  const there = () => [...store.objects.keys()].filter((name) => name.startsWith('segments/')).sort();
  const needed = async () => {
    const names = new Set<string>(catalog.list('count').map((ref) => segmentName(ref.id)));
    for (const kept of await storage.list()) {
      const { operators } = await storage.read(kept);
      for (const ref of operators.flatMap(({ segments }) => segments)) names.add(segmentName(ref.id));
    }
    return [...names].sort();
  };
  return { store, storage, catalog, change, checkpoint, there, needed };
}

describe('segments that nothing needs', () => {
  it('blob storage invariant 5: go soon, also those that were merged on before any checkpoint had them', async () => {
    const { checkpoint, there, needed } = await createJob();
    for (let i = 0; i < 70; i++) await checkpoint();
    expect(there()).toEqual(await needed());
  });

  it('blob storage invariant 5: go soon, also where putting them has failed half-way', async () => {
    const { store, checkpoint, change, catalog, there, needed } = await createJob();
    const put = store.put.bind(store);
    for (let i = 0; i < 20; i++) {
      await checkpoint();
      change();
      store.put = async (name, ...rest) => {
        await put(name, ...rest);
        throw new Error('the answer is lost');
      };
      await failureOf(catalog.store());
      store.put = put;
    }
    for (let i = 0; i < 2; i++) await checkpoint();
    expect(there()).toEqual(await needed());
  });

  it('blob storage invariant 5: stay while they are being put, however many checkpoints are taken meanwhile', async () => {
    const { storage, checkpoint } = await createJob();
    const gate = createGate();
    async function* pieces() {
      yield await Promise.resolve(Uint8Array.of(1));
      await gate.opened;
      yield Uint8Array.of(2);
    }
    const putting = storage.putSegment('slow', pieces());
    for (let i = 0; i < 5; i++) await checkpoint();
    gate.open();
    await putting;
    await checkpoint();
    expect([...(await storage.readSegment('slow', { offset: 0, length: 2 }))]).toEqual([1, 2]);
    await checkpoint();
    await failureOf(storage.readSegment('slow', { offset: 0, length: 2 }));
  });

  it('never replace each other: of two of one name at the same time one is refused', async () => {
    const { storage } = await createJob();
    const puts = [1, 2].map((byte) => storage.putSegment('same', [Uint8Array.of(byte)]));
    const settled = await Promise.allSettled(puts);
    const won = settled.findIndex(({ status }) => status === 'fulfilled');
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect([...(await storage.readSegment('same', { offset: 0, length: 1 }))]).toEqual([won + 1]);
  });
});
