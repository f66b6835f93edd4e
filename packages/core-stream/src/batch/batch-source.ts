import type { SourceSpec } from '../graph/stream-graph.js';
import { WatermarkStrategy } from '../time/watermark-strategy.js';

/** A source as batch mode reads it. */
export function batchSource(spec: SourceSpec): SourceSpec {
  return { ...spec, watermarks: timestampsOnly(spec.watermarks) };
}

/**
 * What batch mode leaves of a strategy: its timestamps. Event time does not advance before the end of the input, so there
 * are no watermarks, nothing is idle and nothing is to be aligned.
 */
export function timestampsOnly<T>({ timestampAssigner }: WatermarkStrategy<T>): WatermarkStrategy<T> {
  const none = WatermarkStrategy.noWatermarks<T>();
  return timestampAssigner === undefined ? none : none.withTimestampAssigner(timestampAssigner);
}
