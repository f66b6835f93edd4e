import { JobMetrics } from '../metrics/job-metrics.js';
import type { MetricGroup } from '../metrics/metric-group.js';
import type { MetricRegistry } from '../metrics/metric-registry.js';
import { silentLogger } from '../runtime/logger.js';
import type { Clock } from '../time/clock.js';
import { ManualClock } from './manual-clock.js';

/**
 * Metrics outside of a job, for the context of a function, source or sink that a test calls itself.
 *
 * @example
 * const metrics = new TestMetrics();
 * const reader = source.createReader({ ...context, metrics: metrics.group });
 * metrics.registry.value('operator_numBytesIn'); // what it has counted
 */
export class TestMetrics {
  /** An operator's subtask. */
  readonly group: MetricGroup;
  readonly registry: MetricRegistry;

  /** `clock` is what rates are measured by; it stands still unless told. */
  constructor(clock: Clock = new ManualClock()) {
    const job = new JobMetrics('test', clock, silentLogger);
    this.registry = job.registry;
    this.group = job.operatorGroup({ name: 'Test', uid: 'test', subtaskIndex: 0 });
  }
}
