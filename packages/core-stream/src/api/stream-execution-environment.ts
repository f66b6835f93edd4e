import { randomUUID } from 'node:crypto';
import { batchOptions } from '../batch/batch-options.js';
import { StreamConfigError } from '../errors.js';
import { ClassicSource } from '../connectors/classic-source.js';
import type { SourceFunction } from '../connectors/classic.js';
import { DataGeneratorSource } from '../connectors/data-generator-source.js';
import {
  asyncIterableSource,
  readableSource,
  type AsyncIterableInput,
  type AsyncIterableOptions,
  type FeedOptions,
  type ReadableInput,
} from '../connectors/feed-options.js';
import { NumberSequenceSource } from '../connectors/number-sequence-source.js';
import type { PrintTarget } from '../connectors/print-sink.js';
import type { Source, SourceSplit } from '../connectors/source.js';
import { StreamGraph, type AnySource } from '../graph/stream-graph.js';
import {
  describePlan,
  explainPlan,
  type ExecutionPlan,
  type PlanDescription,
} from '../plan/execution-plan.js';
import { createExecutionPlan, type RuntimeMode } from '../plan/planner.js';
import { requireValid, type CheckpointConfig } from '../runtime/job-options.js';
import type { JobExecutionResult } from '../runtime/job-result.js';
import { createDescriber } from '../runtime/describe-value.js';
import { silentLogger, type Logger } from '../runtime/logger.js';
import { RestartStrategies, type RestartStrategy } from '../runtime/restart-strategy.js';
import { DEFAULT_MAX_PARALLELISM } from '../state/key-groups.js';
import { heapStateBackend, type StateBackend } from '../state/state-backend.js';
import { systemClock, type Clock } from '../time/clock.js';
import { WatermarkStrategy } from '../time/watermark-strategy.js';
import { checkDuration } from '../windows/durations.js';
import { SingleOutputStreamOperator } from './data-stream.js';
import type { JobClient } from './job-client.js';
import { startJob } from './start-job.js';
import type { StreamScope } from './stream-scope.js';

/** Flink's default. */
const DEFAULT_WATERMARK_INTERVAL_MS = 200;

/** Flink's is 180 s, for a cluster. */
const DEFAULT_CANCELLATION_TIMEOUT_MS = 30_000;

/** Settings of a program: each has a default. */
export interface EnvironmentOptions {
  /** Subtasks per operator, unless an operator sets its own; 1 unless told. */
  readonly parallelism?: number;
  /** Number of key groups; 128 unless told. Cannot change once a job has state. */
  readonly maxParallelism?: number;
  /** Time between periodic watermarks in milliseconds; 200 unless told. */
  readonly autoWatermarkIntervalMs?: number;
  /** `streaming` unless told; see `RuntimeMode`. */
  readonly runtimeMode?: RuntimeMode;
  /**
   * Batch mode: how many records a subtask of a keyed operator sorts in memory; 250,000 unless told. What comes beyond them
   * is written to temporary files, and has to be plain data then.
   */
  readonly batchSortBufferRecords?: number;
  /** Batch mode: where those files go; the system's directory for temporary files unless told. */
  readonly batchSpillDirectory?: string;
  /** Whether one-to-one neighbours run in one task; `false` gives every operator its own. True unless told. */
  readonly operatorChaining?: boolean;
  /**
   * Whether chains are compiled to generated code: `auto` where the process allows it, which is the default; `off` runs
   * them as closures, slower and with the same results.
   */
  readonly codeGeneration?: 'auto' | 'off';
  /** Processing time, and all waiting; the machine's clock unless told. */
  readonly clock?: Clock;
  /** Where the engine and functions report to; nowhere unless told. */
  readonly logger?: Logger;
  /** Where `print()` writes to; standard output unless told. */
  readonly printTarget?: PrintTarget;
  /** Makes the identity of a job's lineage, at its first start; a random UUID unless told. */
  readonly createJobId?: () => string;
  /**
   * How a record, or a key, appears in errors, logs and failure reports; JSON, cut to 200 characters, unless told. Here
   * personal data is left out.
   *
   * @example
   * describeRecord: (record) => `order ${(record as Order).id}`
   */
  readonly describeRecord?: (record: unknown) => string;
  /**
   * What errors, logs and failure reports say of an error that a function, a source or a sink has thrown; its message
   * unless told. A message may quote its record, as those of `JSON.parse` do. The error itself stays the `cause`.
   */
  readonly describeError?: (error: unknown) => string;
  /**
   * How long a job that ends waits for promises of sinks, sources, functions and its storage before it gives them up, in
   * milliseconds; 30,000 unless told.
   */
  readonly cancellationTimeoutMs?: number;
  /** Chance, from 0 (included) to 1 (excluded): for the jitter of restarts; `Math.random` unless told. */
  readonly random?: () => number;
}

/** What a restart may do. */
export interface RestartOptions {
  /**
   * Whether a job without checkpoints may be restarted. It begins at the beginning then, and its sinks get again what they
   * have been given: at-least-once.
   */
  readonly fromTheBeginning?: boolean;
}

/** Settings of one run. */
export interface ExecuteOptions {
  /** Cancels the job when aborted. */
  readonly signal?: AbortSignal;
}

/**
 * Where a program begins: sources, settings, execution.
 *
 * @example
 * const env = StreamExecutionEnvironment.getExecutionEnvironment();
 * env.fromCollection([1, 2, 3]).map((n) => n * 2).print();
 * await env.execute('doubles');
 */
export class StreamExecutionEnvironment {
  readonly #options: EnvironmentOptions;
  readonly #watermarkIntervalMs: number;
  readonly #scope: StreamScope;
  #checkpointing: CheckpointConfig | undefined;
  #stateBackend: StateBackend = heapStateBackend();
  #restartStrategy: RestartStrategy = RestartStrategies.none();
  #restartOptions: RestartOptions = {};
  #runtimeMode: RuntimeMode;

  private constructor(options: EnvironmentOptions) {
    const { autoWatermarkIntervalMs = DEFAULT_WATERMARK_INTERVAL_MS } = options;
    if (!(autoWatermarkIntervalMs > 0 && autoWatermarkIntervalMs < Infinity)) {
      throw new StreamConfigError(
        `autoWatermarkIntervalMs must be more than 0 milliseconds, got ${autoWatermarkIntervalMs}. ` +
          "A strategy whose watermarks leave at once is made by withEmission('on-advance').",
      );
    }
    const { cancellationTimeoutMs } = options;
    if (cancellationTimeoutMs !== undefined) checkDuration('cancellationTimeoutMs', cancellationTimeoutMs);
    this.#options = options;
    this.#watermarkIntervalMs = autoWatermarkIntervalMs;
    this.#runtimeMode = options.runtimeMode ?? 'streaming';
    this.#scope = { graph: new StreamGraph(), printTarget: options.printTarget ?? process.stdout };
  }

  /** A new environment: one per program. */
  static getExecutionEnvironment(options: EnvironmentOptions = {}): StreamExecutionEnvironment {
    return new StreamExecutionEnvironment(options);
  }

  /** A stream of what `source` reads, with timestamps and watermarks by `watermarks`. */
  fromSource<T, SplitT extends SourceSplit, EnumStateT>(
    source: Source<T, SplitT, EnumStateT>,
    watermarks: WatermarkStrategy<T>,
    name: string,
  ): SingleOutputStreamOperator<T> {
    return this.#addSource(source, watermarks, name);
  }

  /** The same, also for a function with `collect` (the small contract). Without watermarks unless given. */
  addSource<T>(source: SourceFunction<T>, watermarks?: WatermarkStrategy<T>): SingleOutputStreamOperator<T>;
  addSource<T, SplitT extends SourceSplit, EnumStateT>(
    source: Source<T, SplitT, EnumStateT>,
    watermarks?: WatermarkStrategy<T>,
  ): SingleOutputStreamOperator<T>;
  addSource<T, SplitT extends SourceSplit, EnumStateT>(
    source: Source<T, SplitT, EnumStateT> | SourceFunction<T>,
    watermarks: WatermarkStrategy<T> = WatermarkStrategy.noWatermarks<T>(),
  ): SingleOutputStreamOperator<T> {
    if ('createReader' in source) return this.#addSource(source, watermarks, 'Source');
    return this.#addSource(new ClassicSource(source), watermarks, 'Source', 1);
  }

  /** A bounded stream of the elements, in order. */
  fromCollection<T>(elements: readonly T[]): SingleOutputStreamOperator<T> {
    return this.#addSource(
      new DataGeneratorSource((index) => elements[index] as T, elements.length),
      WatermarkStrategy.noWatermarks<T>(),
      'Collection',
      1,
    );
  }

  /** The whole numbers from `from` to `to`, both included: one stretch per subtask, ascending within it. */
  fromSequence(from: number, to: number): SingleOutputStreamOperator<number> {
    const watermarks = WatermarkStrategy.noWatermarks<number>();
    return this.#addSource(new NumberSequenceSource(from, to), watermarks, 'Sequence');
  }

  /**
   * A stream of an async iterable, read ahead by a bounded number of records, with parallelism 1. What an iterable has
   * given is gone: after a restart the stream goes on with what a newly opened one gives, and records that were read but
   * not part of a checkpoint are lost (at-most-once), unless `positionOf` tells where to go on. `return()` is called
   * when the job ends before the iterable.
   *
   * @example
   * env.fromAsyncIterable((after) => readFrom((after ?? -1) + 1), { positionOf: (record) => record.offset })
   */
  fromAsyncIterable<T, P = undefined>(
    iterable: AsyncIterableInput<T, P>,
    options: AsyncIterableOptions<T, P> = {},
  ): SingleOutputStreamOperator<T> {
    const { watermarks = WatermarkStrategy.noWatermarks<T>(), name = 'Async Iterable' } = options;
    return this.#addSource(asyncIterableSource(iterable, options), watermarks, name, 1);
  }

  /**
   * A stream of the chunks of a Node or web stream, as they come, with parallelism 1: at-most-once after a restart, as
   * `fromAsyncIterable` without positions. The stream is destroyed or cancelled when the job ends before it.
   *
   * @example
   * env.fromReadable<string>(() => createReadStream('log.txt', 'utf8'))
   */
  fromReadable<T>(stream: ReadableInput<T>, options: FeedOptions<T> = {}): SingleOutputStreamOperator<T> {
    const { watermarks = WatermarkStrategy.noWatermarks<T>(), name = 'Readable' } = options;
    return this.#addSource(readableSource(stream, options), watermarks, name, 1);
  }

  /**
   * Takes checkpoints, and starts from the newest one where there is one. In batch mode there is one only, at the end: what
   * two-phase sinks commit.
   */
  enableCheckpointing(config: CheckpointConfig): this {
    requireValid(config);
    this.#checkpointing = config;
    return this;
  }

  /**
   * Where keyed state is while the job runs; `heapStateBackend()` unless told. Checkpoints and savepoints are the same
   * wherever it is, so that it may be another one at each start. A batch job has it on the heap.
   *
   * @example
   * env.setStateBackend(diskStateBackend({ directory: '/var/lib/orders/state' })); // from '@millrace/core-stream/disk-state'
   */
  setStateBackend(backend: StateBackend): this {
    this.#stateBackend = backend;
    return this;
  }

  /**
   * Whether a job that has failed is started again, from its newest checkpoint; `RestartStrategies.none()` unless told. A
   * failure that cannot go away by trying again, by its `retryable`, ends the job in any case.
   */
  setRestartStrategy(strategy: RestartStrategy, options: RestartOptions = {}): this {
    this.#restartStrategy = strategy;
    this.#restartOptions = options;
    return this;
  }

  /** Chooses between streaming and batch; `automatic` is batch where all sources are bounded. */
  setRuntimeMode(mode: RuntimeMode): this {
    this.#runtimeMode = mode;
    return this;
  }

  /** The plan as text. */
  explain(): string {
    return explainPlan(this.#plan());
  }

  /** The plan as data, for tools. */
  getExecutionPlan(): PlanDescription {
    return describePlan(this.#plan());
  }

  /**
   * Runs the program to its end.
   *
   * @throws StreamConfigError for a program that cannot run; OperatorError for what a function, source or sink threw;
   *   CheckpointError for checkpoints that cannot be trusted or written; JobCancelledError after `signal`
   */
  async execute(jobName: string, options: ExecuteOptions = {}): Promise<JobExecutionResult> {
    return this.executeAsync(jobName, options).result;
  }

  /** Starts the program, and returns at once. */
  executeAsync(jobName: string, options: ExecuteOptions = {}): JobClient {
    if (this.#restartStrategy.kind !== 'none' && this.#checkpointing === undefined) {
      this.#requireFromTheBeginning();
    }
    return startJob({
      jobName,
      plan: this.#plan(),
      clock: this.#options.clock ?? systemClock,
      logger: this.#options.logger ?? silentLogger,
      describer: createDescriber(this.#options),
      watermarkIntervalMs: this.#watermarkIntervalMs,
      batch: batchOptions(this.#options),
      codeGeneration: this.#options.codeGeneration ?? 'auto',
      checkpointing: this.#checkpointing,
      stateBackend: this.#stateBackend,
      restartStrategy: this.#restartStrategy,
      createJobId: this.#options.createJobId ?? randomUUID,
      cancellationTimeoutMs: this.#options.cancellationTimeoutMs ?? DEFAULT_CANCELLATION_TIMEOUT_MS,
      random: this.#options.random ?? Math.random,
      signal: options.signal,
    });
  }

  #requireFromTheBeginning(): void {
    if (this.#restartOptions.fromTheBeginning === true) return;
    throw new StreamConfigError(
      'A job without checkpoints begins at the beginning when it is restarted, and its sinks get everything again. ' +
        'Call enableCheckpointing, or allow it: setRestartStrategy(strategy, { fromTheBeginning: true }).',
    );
  }

  #plan(): ExecutionPlan {
    return createExecutionPlan(this.#scope.graph, {
      parallelism: this.#options.parallelism ?? 1,
      maxParallelism: this.#options.maxParallelism ?? DEFAULT_MAX_PARALLELISM,
      runtimeMode: this.#runtimeMode,
      isChaining: this.#options.operatorChaining ?? true,
    });
  }

  #addSource<T, SplitT extends SourceSplit, EnumStateT>(
    source: Source<T, SplitT, EnumStateT>,
    watermarks: WatermarkStrategy<T>,
    name: string,
    parallelismLimit?: number,
  ): SingleOutputStreamOperator<T> {
    const node = this.#scope.graph.add({
      name,
      spec: {
        kind: 'source',
        source: source as unknown as AnySource,
        watermarks: watermarks as WatermarkStrategy<unknown>,
      },
      inputs: [],
      ...(parallelismLimit === undefined ? {} : { parallelismLimit }),
    });
    return new SingleOutputStreamOperator<T>(this.#scope, node);
  }
}
