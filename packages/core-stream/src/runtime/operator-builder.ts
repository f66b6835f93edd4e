import { batchOperator } from '../batch/batch-input-operator.js';
import type { SinkContext, SinkWriter } from '../connectors/sink.js';
import type { SourceReader, SourceSplit } from '../connectors/source.js';
import type { AnySink, SourceSpec } from '../graph/stream-graph.js';
import type { ScopedMetricGroup } from '../metrics/scoped-metric-group.js';
import { addMetrics, OperatorMetrics } from '../metrics/operator-metrics.js';
import type { OperatorContext, StreamOperator } from '../operators/operator.js';
import { typeOf, type PlanNode } from '../plan/execution-plan.js';
import { decodeState } from '../state/canonical-decoding.js';
import { keyGroupOf, keyGroupRangeOf, type KeyGroupRange } from '../state/key-groups.js';
import { shareOf } from '../state/redistribution.js';
import { SubtaskRows } from '../state/subtask-rows.js';
import { lowestWatermark, restoredWatermark } from '../time/restored-watermark.js';
import { WatermarkTracker } from '../time/watermark-tracker.js';
import { ChainOutput } from './chain-output.js';
import type { JobOptions } from './job-options.js';
import type { JobState } from './job-state.js';
import { scopedLogger, type Logger } from './logger.js';
import { operatorError, type FailingOperator } from './operator-error.js';
import type { PendingCalls } from './pending-calls.js';
import type { RestoredState } from './restored-state.js';
import { SinkOperator } from './sink-operator.js';
import { SourceOperator, type SourceSubtaskState } from './source-task.js';
import type { StartComparison } from './start-comparison.js';
import type { SubtaskState, TaskOperator } from './task.js';

/** What an attempt gives its operators. */
export interface OperatorBuilderOptions {
  readonly job: JobOptions;
  readonly restored: RestoredState;
  readonly state: JobState;
  /** Is told what is asked for, and what does not fit. */
  readonly comparison: StartComparison;
  readonly pending: PendingCalls;
  readonly signal: AbortSignal;
  requestSplit(uid: string, subtaskIndex: number): void;
  sinkContext(node: PlanNode): SinkContext;
}

/** What every subtask of an operator has of its own. */
interface OperatorScope {
  readonly metrics: ScopedMetricGroup;
  readonly logger: Logger;
}

/** What a restored checkpoint has of an operator. */
interface RestoredOperator {
  /** By subtask that there was; `undefined` where nothing is restored. */
  readonly states: readonly unknown[] | undefined;
  readonly watermark: number;
}

export interface BuiltOperator {
  readonly node: PlanNode;
  readonly chained: TaskOperator;
  /** What it emits to; nothing is linked yet. */
  readonly output: ChainOutput;
  readonly restoredWatermark: number;
}

/** Makes one subtask of an operator, with its context and what is restored of it. No sink or source is called yet. */
export class OperatorBuilder {
  readonly #options: OperatorBuilderOptions;
  readonly #node: PlanNode;
  readonly #subtaskIndex: number;
  readonly #post: (mail: () => void) => void;
  readonly #scope: OperatorScope;

  /** `post` gives mail to the task that the operator will be in. */
  constructor(
    options: OperatorBuilderOptions,
    node: PlanNode,
    subtaskIndex: number,
    post: (mail: () => void) => void,
  ) {
    const { metrics, logger } = options.job;
    const { name, uid } = node;
    this.#options = options;
    this.#node = node;
    this.#subtaskIndex = subtaskIndex;
    this.#post = post;
    this.#scope = {
      metrics: metrics.operatorGroup({ name, uid, subtaskIndex }),
      logger: scopedLogger(logger, { operator: name, subtask: subtaskIndex }),
    };
  }

  async build(): Promise<BuiltOperator> {
    const { job, restored, comparison } = this.#options;
    const node = this.#node;
    const metrics = new OperatorMetrics();
    const output = new ChainOutput(metrics);
    const subtasks = restored.operatorStates(node.uid)?.map((bytes) => decodeState(bytes) as SubtaskState);
    this.#goOnCounting(metrics, subtasks ?? []);
    const watermark = this.#restoredWatermark(subtasks ?? []);
    let rows = await this.#subtaskRows();
    let operator: StreamOperator;
    try {
      operator = this.#create({ states: subtasks?.map(({ state }) => state), watermark }, rows, output);
    } catch (error) {
      if (!comparison.notes(node, error)) throw error;
      rows = this.#withoutRows(); // the job will not start: it is for what else is different
      operator = this.#create({ states: undefined, watermark }, rows, output);
    }
    rows.release();
    job.metrics.addOperator(this.#scope.metrics, { metrics, operator, rows });
    if (operator.fused?.kind === 'map') metrics.out = metrics.in;
    const { uid, maxParallelism } = node;
    const chained = { ...this.#at, uid, type: typeOf(node), maxParallelism, operator, metrics, rows };
    return { node, chained, output, restoredWatermark: watermark };
  }

  /** After a change of parallelism the last subtask takes the totals of subtasks that are no more. */
  #goOnCounting(metrics: OperatorMetrics, subtasks: readonly SubtaskState[]): void {
    const last = this.#node.parallelism - 1;
    for (const [index, subtask] of subtasks.entries()) {
      if (Math.min(index, last) === this.#subtaskIndex) addMetrics(metrics, subtask.metrics);
    }
  }

  #restoredWatermark(subtasks: readonly SubtaskState[]): number {
    const { spec, parallelism } = this.#node;
    if (spec.kind !== 'source') {
      // What it had come to itself, upstream tells it again; as long as it is given the same records.
      return lowestWatermark(subtasks.map(({ watermark }) => ({ watermark, isIdle: false })));
    }
    const reached = subtasks.map(({ watermark, state }) => {
      return { watermark, isIdle: (state as SourceSubtaskState).isIdle };
    });
    return restoredWatermark(reached, this.#subtaskIndex, parallelism);
  }

  async #subtaskRows(): Promise<SubtaskRows> {
    const { pending, state, signal } = this.#options;
    signal.throwIfAborted();
    const call = `the state of '${this.#node.name}' is being restored`;
    return this.#compared(await pending.run(call, () => state.subtask(this.#node, this.#keyGroups)));
  }

  #withoutRows(): SubtaskRows {
    const { maxParallelism } = this.#node;
    return this.#compared(new SubtaskRows({ isEnabled: false, maxParallelism, restored: undefined }));
  }

  #compared(rows: SubtaskRows): SubtaskRows {
    const comparison = this.#options.comparison.of(this.#node);
    if (comparison !== undefined) rows.states.compareWith(comparison);
    return rows;
  }

  #create(restored: RestoredOperator, rows: SubtaskRows, output: ChainOutput): StreamOperator {
    const { spec } = this.#node;
    switch (spec.kind) {
      case 'source':
        return this.#createSource(spec, restored, output);
      case 'operator': {
        const { plan, batch } = this.#options.job;
        const factory = plan.isBatch ? batchOperator(spec, batch) : spec.factory;
        return this.#named('being made', () => factory(this.#context(restored.states, rows), output));
      }
      case 'sink':
        return new SinkOperator(() => this.#createWriter(spec.sink, restored.states ?? []), output);
    }
  }

  #createSource(
    { source, watermarks }: SourceSpec,
    { states, watermark }: RestoredOperator,
    output: ChainOutput,
  ): SourceOperator {
    const { job, signal, requestSplit } = this.#options;
    const { uid, name, parallelism } = this.#node;
    const subtaskIndex = this.#subtaskIndex;
    const context = {
      subtaskIndex,
      parallelism,
      operatorUid: uid,
      clock: job.clock,
      ...this.#scope,
      signal,
      requestSplit: () => requestSplit(uid, subtaskIndex),
    };
    const createReader = () =>
      this.#named('creating its reader', () => source.createReader(context)) as SourceReader<
        unknown,
        SourceSplit
      >;
    const tracker = new WatermarkTracker(watermarks, job.clock, output, name, job.describer);
    // Where the parallelism has changed, the enumerator gets all splits back.
    const own = states?.length === parallelism ? (states[subtaskIndex] as SourceSubtaskState) : undefined;
    return new SourceOperator(createReader, output, tracker, watermark, own?.splits ?? []);
  }

  async #createWriter(sink: AnySink, states: readonly unknown[]): Promise<SinkWriter<unknown>> {
    const { signal, sinkContext } = this.#options;
    const subtaskIndex = this.#subtaskIndex;
    const { parallelism, maxParallelism } = this.#node;
    const writers = states.map((state) => (state as readonly unknown[] | undefined) ?? []);
    const own =
      sink.partitionKey === undefined ? shareOf(writers, { subtaskIndex, parallelism }) : writers.flat();
    const { start, end } = this.#keyGroups;
    const ownsKey = (key: unknown): boolean => {
      const group = keyGroupOf(key, maxParallelism);
      return start <= group && group < end;
    };
    const context = { ...sinkContext(this.#node), subtaskIndex, ...this.#scope, ownsKey };
    const writer = await sink.createWriter(context, own);
    if (signal.aborted) await this.#closeLate(writer);
    signal.throwIfAborted();
    return writer;
  }

  /** The job has ended meanwhile, and may have given this writer up. */
  async #closeLate(writer: SinkWriter<unknown>): Promise<void> {
    try {
      await writer.close();
    } catch (error) {
      const { message } = operatorError(error, this.#at, 'closing');
      this.#options.job.logger.warn('closing failed', { error: message });
    }
  }

  #context(restored: readonly unknown[] | undefined, rows: SubtaskRows): OperatorContext {
    const { job, signal } = this.#options;
    const { clock, describer, watermarkIntervalMs, plan } = job;
    const { name, uid, parallelism, maxParallelism } = this.#node;
    return {
      operatorName: name,
      operatorUid: uid,
      subtaskIndex: this.#subtaskIndex,
      parallelism,
      maxParallelism,
      keyGroups: this.#keyGroups,
      clock,
      ...this.#scope,
      signal,
      describer,
      watermarkIntervalMs,
      isBatch: plan.isBatch,
      restored,
      ...rows.access,
      isRescaled: this.#options.restored.isRescaled,
      post: (callback) => this.#post(() => this.#named('handling a result', callback)),
      schedule: (delayMs, callback) => {
        let isCancelled = false;
        const cancel = clock.schedule(delayMs, () => {
          this.#post(() => {
            if (!isCancelled) this.#named('handling a timer', callback);
          });
        });
        return () => {
          isCancelled = true;
          cancel();
        };
      },
    };
  }

  get #keyGroups(): KeyGroupRange {
    return keyGroupRangeOf(this.#subtaskIndex, this.#node.parallelism, this.#node.maxParallelism);
  }

  get #at(): FailingOperator & Pick<TaskOperator, 'describer'> {
    const { describer } = this.#options.job;
    return { name: this.#node.name, subtaskIndex: this.#subtaskIndex, describer };
  }

  #named<R>(doing: string, work: () => R): R {
    try {
      return work();
    } catch (error) {
      throw operatorError(error, this.#at, doing);
    }
  }
}
