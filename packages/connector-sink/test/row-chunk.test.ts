import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkPool, RowChunk } from '../src/spool/row-chunk.js';

describe('RowChunk', () => {
  it('gives back the bytes of every row in order, whatever their sizes', () => {
    const row = fc.oneof(fc.nat(40), fc.nat(900)).map((length) => 'aé日😀'.repeat(length / 4));
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
        const pool = new ChunkPool(500);
        const chunk = new RowChunk(pool);
        const found: Buffer[] = [];
        const take = () => {
          const { data, chunk: whole } = chunk.take();
          found.push(Buffer.from(data));
          data.fill(0xff); // it is used again
          pool.free(whole);
        };
        for (const text of rows) {
          chunk.text += text;
          if (chunk.text.length >= pool.blockSize) chunk.encode();
          if (chunk.isFull) take();
        }
        if (!chunk.isEmpty) take();
        expect(Buffer.concat(found).toString('utf8')).toBe(Buffer.from(rows.join('')).toString('utf8'));
        expect(chunk.isEmpty).toBe(true);
        expect(pool.lentBytes).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
