import { lowestWatermark } from '../time/restored-watermark.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { OperatorContext } from './operator.js';

/**
 * The event time that state ages from after a restore, so that what had expired stays so: what the subtask had reached, where
 * it goes on as it was; else the lowest that one had, as with the watermark. A run that goes on from the end of another begins
 * anew: nothing is left that had expired by then. `reached` is by old subtask.
 */
export function restoredEventTime(
  { isRescaled, parallelism, subtaskIndex }: OperatorContext,
  reached: readonly number[],
): number {
  const isSame = !isRescaled && reached.length === parallelism;
  const own = isSame ? [reached[subtaskIndex]!] : reached;
  const time = lowestWatermark(own.map((watermark) => ({ watermark, isIdle: false })));
  return time === MAX_WATERMARK ? MIN_TIMESTAMP : time;
}
