import { MAX_WATERMARK, MIN_TIMESTAMP } from './watermark-strategy.js';

/** What a subtask had reached at a checkpoint. */
export interface ReachedWatermark {
  readonly watermark: number;
  readonly isIdle: boolean;
}

/**
 * Where a subtask goes on that is given the same records as before: its own watermark, or where it was not there before,
 * the lowest.
 */
export function restoredWatermark(
  reached: readonly ReachedWatermark[],
  subtaskIndex: number,
  parallelism: number,
): number {
  return reached.length === parallelism ? reached[subtaskIndex]!.watermark : lowestWatermark(reached);
}

/**
 * Where a subtask goes on that may be given other records than before: the lowest watermark of those that were not idle,
 * which is the one that downstream had: an idle subtask's lags behind, and would make late records count again. Where all
 * were idle, it is the lowest of all: what was not late before must not become late.
 */
export function lowestWatermark(reached: readonly ReachedWatermark[]): number {
  if (reached.length === 0) return MIN_TIMESTAMP;
  // One that has ended holds nothing back, and is not ahead of the idle ones either.
  const active = reached.filter(({ isIdle, watermark }) => !isIdle && watermark !== MAX_WATERMARK);
  return Math.min(...(active.length > 0 ? active : reached).map(({ watermark }) => watermark));
}
