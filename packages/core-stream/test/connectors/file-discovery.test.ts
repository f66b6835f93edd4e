import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { discover, nothingDiscovered, type Discovered } from '../../src/connectors/file-discovery.js';

const listed = fc.uniqueArray(
  fc.record({
    path: fc.constantFrom('a', 'b', 'c'),
    size: fc.integer({ min: 1, max: 2 }),
    mtimeMs: fc.constant(0),
  }),
  { selector: ({ path }) => path },
);

describe('discovery of files', () => {
  it('invariants 1 to 3: takes what two looks in a row have seen alike, once, and forgets what is gone', () => {
    fc.assert(
      fc.property(fc.array(listed, { maxLength: 12 }), (looks) => {
        let state: Discovered = nothingDiscovered;
        for (const [index, files] of looks.entries()) {
          const found = discover(state, files);
          state = { taken: found.taken, candidates: found.candidates };
          for (const path of ['a', 'b', 'c']) {
            // The oracle looks back over the stretch of looks that have seen the file, up to now.
            const sizes: number[] = [];
            for (let i = index; i >= 0; i--) {
              const size = looks[i]!.find((file) => file.path === path)?.size;
              if (size === undefined) break;
              sizes.unshift(size);
            }
            const takenAt = sizes.findIndex((size, i) => i > 0 && size === sizes[i - 1]);
            const now = sizes.length - 1;
            const isFresh = found.fresh.some((file) => file.path === path);
            expect(isFresh).toBe(takenAt !== -1 && takenAt === now);
            expect(found.taken.some((file) => file.path === path)).toBe(takenAt !== -1);
            const isChanged = takenAt !== -1 && sizes[now] !== sizes[takenAt];
            expect(found.changed.some((change) => change.now.path === path)).toBe(isChanged);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
