import { MAX_WATERMARK, MIN_TIMESTAMP } from './watermark-strategy.js';

/** What a subtask had reached at a checkpoint. */
export interface ReachedWatermark {
  readonly watermark: number;
  readonly isIdle: boolean;
}

/**
 * Where a subtask goes on. Its own watermark; after a change of parallelism the lowest of those that were not idle, which
 * is the one that downstream had: an idle subtask's lags behind, and would make late records count again. Where all were
 * idle, it is the lowest of all: what was not late before must not become late.
 */
export function restoredWatermark(
  reached: readonly ReachedWatermark[],
  subtaskIndex: number,
  parallelism: number,
): number {
  if (reached.length === 0) return MIN_TIMESTAMP;
  if (reached.length === parallelism) return reached[subtaskIndex]!.watermark;
  // One that has ended holds nothing back, and is not ahead of the idle ones either.
  const active = reached.filter(({ isIdle, watermark }) => !isIdle && watermark !== MAX_WATERMARK);
  return Math.min(...(active.length > 0 ? active : reached).map(({ watermark }) => watermark));
}
