import type { JobSnapshot } from '@millrace/core-stream';
import { describe, expect, it } from 'vitest';
import { describeProgress } from '../src/progress.js';

function snapshot(watermark: number, lastId?: number): JobSnapshot {
  const operator = { uid: 'watermarks', watermark } as JobSnapshot['operators'][number];
  return { operators: [operator], checkpoints: { lastId } } as unknown as JobSnapshot;
}

describe('describeProgress', () => {
  it('shows how far, how fast, and how late it is in the stream', () => {
    const line = describeProgress(snapshot(Date.UTC(2001, 0, 6, 21, 14, 59), 2), {
      records: 100_000,
      rows: 200_000,
      perSecond: 61_249.7,
    });
    expect(line).toBe(
      '[############------------] 50 %  100,000 of 200,000 records  61,250/s  watermark 2001-01-06 21:14  checkpoint 2',
    );
  });

  it('has words for the beginning and for the end', () => {
    const begin = describeProgress(snapshot(-Infinity), { records: 0, rows: 10, perSecond: 0 });
    expect(begin).toMatch(/0 %.*0\/s {2}watermark none yet {2}checkpoint none yet/);
    const end = describeProgress(snapshot(Infinity), { records: 10, rows: 10, perSecond: 5 });
    expect(end).toMatch(/100 %.*committing {2}watermark the end/);
  });
});
