import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { Counter } from './counter.js';

/** Counters of one subtask of one operator. They are part of its checkpoints, so that totals hold across restarts. */
export class OperatorMetrics {
  /** This run's. */
  in = new Counter();
  /** This run's, of the main output. */
  out = new Counter();
  /** This run's, per side output. */
  readonly sideOutputs = new Map<string, Counter>();
  /** Counted by earlier runs. */
  earlierIn = 0;
  earlierOut = 0;
  readonly earlierSideOutputs = new Map<string, number>();
  /** Counted by earlier runs; this run's are the operator's. */
  lateRecordsDropped = 0;
  /** The last one that the operator was given; of a source, none. */
  inputWatermark = MIN_TIMESTAMP;
  /** The last one that the operator has passed on. */
  watermark = MIN_TIMESTAMP;

  get recordsIn(): number {
    return this.earlierIn + this.in.value;
  }

  /** Records emitted to the main output. */
  get recordsOut(): number {
    return this.earlierOut + this.out.value;
  }

  /** Records emitted to each side output that has had any. */
  get recordsOfSideOutputs(): ReadonlyMap<string, number> {
    const totals = new Map(this.earlierSideOutputs);
    for (const [tag, { value }] of this.sideOutputs) {
      if (value > 0) totals.set(tag, (totals.get(tag) ?? 0) + value);
    }
    return totals;
  }
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
    sideOutputs: [...metrics.recordsOfSideOutputs],
    lateRecordsDropped: metrics.lateRecordsDropped + lateRecordsDropped,
  };
}

/** Adds what an earlier run has counted. */
export function addMetrics(metrics: OperatorMetrics, earlier: OperatorMetricsSnapshot): void {
  metrics.earlierIn += earlier.recordsIn;
  metrics.earlierOut += earlier.recordsOut;
  metrics.lateRecordsDropped += earlier.lateRecordsDropped;
  for (const [tag, count] of earlier.sideOutputs) {
    metrics.earlierSideOutputs.set(tag, (metrics.earlierSideOutputs.get(tag) ?? 0) + count);
  }
}
