import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';

/** Counters of one subtask of one operator. They are part of its checkpoints, so that totals hold across restarts. */
export class OperatorMetrics {
  recordsIn = 0;
  /** Records emitted to the main output. */
  recordsOut = 0;
  /** Per side output. */
  readonly sideOutputs = new Map<string, number>();
  /** Counted by earlier runs; this run's are the operator's. */
  lateRecordsDropped = 0;
  watermark = MIN_TIMESTAMP;
}

export interface OperatorMetricsSnapshot {
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly sideOutputs: readonly (readonly [string, number])[];
  readonly lateRecordsDropped: number;
}

export function snapshotMetrics(
  metrics: OperatorMetrics,
  lateRecordsDropped: number,
): OperatorMetricsSnapshot {
  return {
    recordsIn: metrics.recordsIn,
    recordsOut: metrics.recordsOut,
    sideOutputs: [...metrics.sideOutputs],
    lateRecordsDropped: metrics.lateRecordsDropped + lateRecordsDropped,
  };
}

/** Adds what an earlier run has counted. */
export function addMetrics(metrics: OperatorMetrics, earlier: OperatorMetricsSnapshot): void {
  metrics.recordsIn += earlier.recordsIn;
  metrics.recordsOut += earlier.recordsOut;
  metrics.lateRecordsDropped += earlier.lateRecordsDropped;
  for (const [tag, count] of earlier.sideOutputs) {
    metrics.sideOutputs.set(tag, (metrics.sideOutputs.get(tag) ?? 0) + count);
  }
}
