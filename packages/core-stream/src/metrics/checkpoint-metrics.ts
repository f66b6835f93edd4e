import type { CheckpointStatistics } from '../runtime/job-result.js';
import type { ScopedMetricGroup } from './scoped-metric-group.js';

/** Of the newest checkpoint that is complete, unless told: Flink's name where it has one, what it is, where it is found. */
const GAUGES: readonly (readonly [
  name: string,
  description: string,
  of: (statistics: CheckpointStatistics) => number | undefined,
])[] = [
  ['lastCompletedCheckpointId', 'The newest checkpoint of this run.', ({ lastId }) => lastId],
  [
    'lastCheckpointDuration',
    'Milliseconds from its trigger until it was durable.',
    ({ lastDurationMs }) => lastDurationMs,
  ],
  [
    'lastCheckpointAlignmentTime',
    'Milliseconds from its trigger until the last task had given its part.',
    ({ lastAlignmentMs }) => lastAlignmentMs,
  ],
  ['lastCheckpointSize', 'Bytes that were written for it.', ({ lastSizeBytes }) => lastSizeBytes],
  ['lastCheckpointFullSize', 'Bytes that a restart from it reads.', ({ lastStateBytes }) => lastStateBytes],
  [
    'pendingCommits',
    'Checkpoints that are durable and not committed by all sinks.',
    ({ pendingCommits }) => pendingCommits,
  ],
];

/** Registers what is known of the checkpoints of a run; `read` gives it as it stands. */
export function addCheckpointMetrics(group: ScopedMetricGroup, read: () => CheckpointStatistics): void {
  group.counted(
    'numberOfCompletedCheckpoints',
    () => read().completed,
    'Checkpoints that this run has completed.',
  );
  group.counted('numberOfFailedCheckpoints', () => read().failed, 'Checkpoints that this run has given up.');
  for (const [name, description, of] of GAUGES) group.gauge(name, () => of(read()), { description });
}
