/** The metrics of one job over all its runs: what the engine itself registers, and where functions register theirs. */
import type { OperatorCheckpoint } from '../checkpoint/checkpoint-data.js';
import type { CheckpointStatistics } from '../runtime/job-result.js';
import type { Logger } from '../runtime/logger.js';
import type { Clock } from '../time/clock.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { addCheckpointMetrics } from './checkpoint-metrics.js';
import { MeterClock } from './meter-clock.js';
import { JobMetricRegistry } from './metric-registry.js';
import type { OperatorMetrics } from './operator-metrics.js';
import { ScopedMetricGroup, type MetricScope } from './scoped-metric-group.js';
import { TaskTimes } from './task-times.js';

const BUSY = 'Milliseconds in which the task had the thread.';
const IDLE = 'Milliseconds in which the task had nothing to do.';
const BACK_PRESSURED = 'Milliseconds in which the task could not go on because of its output or its sink.';

/** Whose metrics they are. */
export interface OperatorScope {
  readonly name: string;
  readonly uid: string;
  readonly subtaskIndex: number;
}

/** Whose metrics they are: a chain of operators. */
export interface TaskScope {
  readonly id: number;
  readonly name: string;
}

/** What an operator's own metrics are read from. */
export interface OperatorReadings {
  readonly metrics: OperatorMetrics;
  readonly operator: {
    readonly lateRecordsDropped?: number;
    /** Of a source: the timestamp of its last record. */
    readonly lastEventTime?: number;
  };
  readonly rows: { readonly keyedSize: number | undefined };
}

/** What the metrics of a job are read from. */
export interface JobReadings {
  readonly numRestarts: number;
  readonly checkpoints: CheckpointStatistics;
}

interface StateSize {
  readonly bytes: number;
  readonly rows: number;
}

export class JobMetrics {
  readonly registry: JobMetricRegistry;
  /** Time for all of them; a job reads it once a turn. */
  readonly meterClock: MeterClock;
  /** Of the job, over all its runs. */
  readonly job: ScopedMetricGroup;
  readonly #clock: Clock;
  readonly #scope: MetricScope;
  readonly #variables: { readonly job_name: string };
  #ofRun: ScopedMetricGroup[] = [];
  #restoredAt: number | undefined;
  /** By operator uid. */
  readonly #stateSizes = new Map<string, StateSize>();

  constructor(jobName: string, clock: Clock, logger: Logger) {
    this.registry = new JobMetricRegistry(logger);
    this.meterClock = new MeterClock(clock);
    this.#clock = clock;
    this.#scope = { registry: this.registry, clock: this.meterClock };
    this.#variables = { job_name: jobName };
    this.job = new ScopedMetricGroup(this.#scope, 'job', this.#variables);
  }

  /** Registers what the engine counts of the job anyway; `read` gives it as it stands. */
  addJob(read: () => JobReadings): void {
    const { job } = this;
    job.counted('numRestarts', () => read().numRestarts, 'Restarts of the job.');
    addCheckpointMetrics(job, () => read().checkpoints);
    job.gauge('lastCheckpointRestoreTimestamp', () => this.#restoredAt, {
      description: 'When a checkpoint was restored for the last time, in epoch milliseconds.',
    });
  }

  /** A checkpoint is being restored. */
  restored(): void {
    this.#restoredAt = this.#clock.now();
  }

  /** What every operator holds in a checkpoint that has been completed. */
  checkpointed(operators: readonly OperatorCheckpoint[]): void {
    for (const operator of operators) {
      const isNew = !this.#stateSizes.has(operator.uid);
      this.#stateSizes.set(operator.uid, sizeOf(operator));
      if (isNew) this.#addStateSize(operator);
    }
  }

  #addStateSize({ name, uid }: OperatorCheckpoint): void {
    const group = this.#group('operator', { operator_name: name, operator_uid: uid });
    group.gauge('lastCheckpointStateSize', () => this.#stateSizes.get(uid)?.bytes, {
      description: 'Bytes that the last checkpoint holds of the operator, all subtasks together.',
    });
    group.gauge('lastCheckpointStateRows', () => this.#stateSizes.get(uid)?.rows, {
      description:
        'Rows that the last checkpoint holds of it, those included that were replaced or removed since they were written.',
    });
  }

  /** Takes away what an earlier run has left: its last values could be read until now. */
  startRun(): void {
    for (const group of this.#ofRun.splice(0)) group.close();
    this.#stateSizes.clear();
  }

  /** Where an operator's function, source or sink registers its own. */
  operatorGroup({ name, uid, subtaskIndex }: OperatorScope): ScopedMetricGroup {
    return this.#group('operator', {
      operator_name: name,
      operator_uid: uid,
      subtask_index: String(subtaskIndex),
    });
  }

  /** Where a source's enumerator and a sink's committer register their own: they are of the operator, not of a subtask. */
  coordinatorGroup({ name, uid }: Omit<OperatorScope, 'subtaskIndex'>): ScopedMetricGroup {
    return this.#group('operator', { operator_name: name, operator_uid: uid });
  }

  /** Registers what the engine counts of an operator anyway. */
  addOperator(group: ScopedMetricGroup, { metrics, operator, rows }: OperatorReadings): void {
    const recordsIn = () => metrics.in.value;
    const recordsOut = () => metrics.out.value;
    group.counted('numRecordsIn', recordsIn, 'Records that the operator has taken in.');
    group.rated('numRecordsInPerSecond', recordsIn, 'Records that the operator takes in per second.');
    group.counted('numRecordsOut', recordsOut, 'Records that the operator has emitted to its main output.');
    group.rated('numRecordsOutPerSecond', recordsOut, 'Records that the operator emits per second.');
    if ('lateRecordsDropped' in operator) {
      const dropped = () => operator.lateRecordsDropped ?? 0;
      group.counted('numLateRecordsDropped', dropped, 'Records that came too late for every window.');
    }
    group.gauge('currentInputWatermark', () => known(metrics.inputWatermark), {
      description: 'The last watermark that the operator was given, in epoch milliseconds.',
    });
    group.gauge('currentOutputWatermark', () => known(metrics.watermark), {
      description: 'The last watermark that the operator has passed on, in epoch milliseconds.',
    });
    group.gauge('watermarkLag', () => this.#lag(metrics.watermark), {
      description: 'By how many milliseconds that watermark is behind the clock.',
    });
    group.gauge('keyedStateRows', () => rows.keyedSize, {
      description: 'Keys with keyed state, each counted once per kind of row that it has.',
    });
    if ('lastEventTime' in operator) {
      group.gauge('currentEmitEventTimeLag', () => this.#lag(operator.lastEventTime ?? MIN_TIMESTAMP), {
        description: 'By how many milliseconds the last emitted record is behind the clock.',
      });
    }
  }

  /** Registers what the engine measures of a task. Returns where the task measures it. */
  addTask({ id, name }: TaskScope, subtaskIndex: number): TaskTimes {
    const group = this.#group('task', {
      task_name: name,
      task_id: String(id),
      subtask_index: String(subtaskIndex),
    });
    const times = new TaskTimes(this.meterClock);
    const idle = (at: number) => times.idleMsAt(at);
    const backPressured = (at: number) => times.backPressuredMsAt(at);
    group.counted('accumulateBusyTimeMs', () => times.busyMs, BUSY);
    group.rated('busyTimeMsPerSecond', () => times.busyMs, BUSY);
    group.counted('accumulateIdleTimeMs', idle, IDLE);
    group.rated('idleTimeMsPerSecond', idle, IDLE);
    group.counted('accumulateBackPressuredTimeMs', backPressured, BACK_PRESSURED);
    group.rated('backPressuredTimeMsPerSecond', backPressured, BACK_PRESSURED);
    return times;
  }

  #lag(eventTime: number): number | undefined {
    return Number.isFinite(eventTime) ? this.#clock.now() - eventTime : undefined;
  }

  #group(scope: 'task' | 'operator', variables: Readonly<Record<string, string>>): ScopedMetricGroup {
    const group = new ScopedMetricGroup(this.#scope, scope, { ...this.#variables, ...variables });
    this.#ofRun.push(group);
    return group;
  }
}

function sizeOf({ subtasks, segments }: OperatorCheckpoint): StateSize {
  const bytes = [...subtasks.map((subtask) => subtask.length), ...segments.map((segment) => segment.bytes)];
  return {
    bytes: bytes.reduce((sum, size) => sum + size, 0),
    rows: segments.reduce((sum, segment) => sum + segment.rows, 0),
  };
}

function known(watermark: number): number | undefined {
  return watermark === MIN_TIMESTAMP ? undefined : watermark;
}
