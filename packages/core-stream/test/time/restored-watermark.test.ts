import { describe, expect, it } from 'vitest';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../../src/index.js';
import { lowestWatermark, restoredWatermark } from '../../src/time/restored-watermark.js';

const active = (watermark: number) => ({ watermark, isIdle: false });
const idle = (watermark: number) => ({ watermark, isIdle: true });
const ended = active(MAX_WATERMARK);

describe('restored watermark', () => {
  it('is the subtask’s own where it is given the same records', () => {
    expect(restoredWatermark([active(5), idle(3), ended], 1, 3)).toBe(3);
    expect(restoredWatermark([active(5), idle(3), ended], 2, 3)).toBe(MAX_WATERMARK);
  });

  it('is that of nobody at the first start', () => {
    expect(restoredWatermark([], 0, 1)).toBe(MIN_TIMESTAMP);
  });

  it.each([
    ['the lowest', [active(5), active(3)], 3],
    ['not that of an idle subtask, which lags behind', [active(5), idle(MIN_TIMESTAMP)], 5],
    ['the lowest of all where all are idle', [idle(5), idle(3)], 3],
    ['that of the idle one where the others have ended', [idle(5), ended], 5],
    ['+∞ where all have ended', [ended, ended], MAX_WATERMARK],
  ])('is %s after a change of parallelism', (_name, reached, expected) => {
    for (let subtask = 0; subtask < 3; subtask++)
      expect(restoredWatermark(reached, subtask, 3)).toBe(expected);
    expect(lowestWatermark(reached)).toBe(expected);
  });
});
