import { describe, expect, it } from 'vitest';
import { measureState } from '../../src/state/measure.js';
import { BACKENDS, STATE_TYPES } from '../../src/state/report.js';

describe('the benchmark of state', () => {
  it.each(STATE_TYPES)('measures %s state on both backends, and finds the same state', async (type) => {
    const [heap, disk] = await Promise.all(
      BACKENDS.map((backend) =>
        measureState({ type, backend, keys: 500, records: 1000, cacheBytes: 10_000 }),
      ),
    );
    expect(disk?.hash).toBe(heap?.hash);
    expect(heap?.restores.map(({ from }) => from)).toEqual(['segments']);
    expect(disk?.restores.map(({ from }) => from)).toEqual(['local', 'segments']);
    expect(disk!.fullCheckpoint.bytes).toBeGreaterThan(disk!.smallCheckpoint.bytes);
  });
});
