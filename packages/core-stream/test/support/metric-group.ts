import type { Clock, MetricGroup } from '../../src/index.js';
import { JobMetrics } from '../../src/metrics/job-metrics.js';
import { silentLogger } from '../../src/runtime/logger.js';

/** What a function, source or sink gets, outside of a job. */
export function metricGroup(clock: Clock): MetricGroup {
  const job = new JobMetrics('test', clock, silentLogger);
  return job.operatorGroup({ name: 'Test', uid: 'test', subtaskIndex: 0 });
}
