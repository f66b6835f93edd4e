import type { DataStream } from '../api/data-stream.js';
import { StreamExecutionEnvironment } from '../api/stream-execution-environment.js';
import { DataGeneratorSource } from '../connectors/data-generator-source.js';
import type { OutputTag } from '../functions/functions.js';
import type { StreamNode } from '../graph/stream-graph.js';
import { JobMetrics } from '../metrics/job-metrics.js';
import type { MetricRegistry } from '../metrics/metric-registry.js';
import { silentLogger } from '../runtime/logger.js';
import { DEFAULT_MAX_PARALLELISM } from '../state/key-groups.js';
import { MAX_WATERMARK, MIN_TIMESTAMP, WatermarkStrategy } from '../time/watermark-strategy.js';
import { CollectingSink } from './collecting-sink.js';
import { DirectPipeline, type HarnessSnapshot } from './direct-pipeline.js';
import { HarnessOutput, type HarnessElement, type HarnessRecord } from './harness-output.js';
import { ManualClock } from './manual-clock.js';

/** What surrounds the program under test. */
export interface HarnessOptions {
  /** Subtasks per operator; a record goes to the one that owns its key. 1 unless told. */
  readonly parallelism?: number;
  /** Number of key groups; 128 unless told. */
  readonly maxParallelism?: number;
  /** `batch`: push the records of one key after the other, each key's in the order of time, and `endKey()` after each. */
  readonly runtimeMode?: 'streaming' | 'batch';
  /** Processing time; a clock that begins at 0 unless told. */
  readonly clock?: ManualClock;
  /** What `snapshot()` of another harness of the same program gave, at whatever parallelism. */
  readonly restored?: HarnessSnapshot;
}

/**
 * Drives the operators of a program by hand, without a job: what a record, a watermark or a timer causes has happened when
 * the call returns. What an operator or a function throws comes out of that call as it is.
 *
 * Watermarks and idleness of several subtasks come out merged, as the next operator would see them. A side output that
 * the program itself reads does not come out.
 *
 * @example
 * const harness = await OperatorHarness.of((words: DataStream<string>) => words.keyBy((word) => word).process(count));
 * harness.push('a', 1);
 * harness.watermark(10);
 * harness.records(); // [{ value: 'a: 1', timestamp: 1 }]
 */
export abstract class OperatorHarness<R> {
  /** Processing time. */
  readonly clock: ManualClock;
  /** What functions have registered and counted; the engine's own metrics belong to a job. */
  readonly metrics: MetricRegistry;
  protected readonly pipeline: DirectPipeline;
  readonly #inputs: readonly StreamNode[];
  readonly #output = new HarnessOutput<R>();

  /** For the package's own use: `OperatorHarness.of` and `OperatorHarness.ofTwo` make harnesses. */
  protected constructor(inputs: readonly StreamNode[], result: DataStream<R>, options: HarnessOptions) {
    this.clock = options.clock ?? new ManualClock();
    this.#inputs = inputs;
    result.sinkTo(new CollectingSink<R>());
    const metrics = new JobMetrics('harness', this.clock, silentLogger);
    this.metrics = metrics.registry;
    const { graph } = result.scope;
    this.pipeline = new DirectPipeline(graph, {
      inputs,
      end: graph.nodes.at(-1)!,
      parallelism: options.parallelism ?? 1,
      maxParallelism: options.maxParallelism ?? DEFAULT_MAX_PARALLELISM,
      isBatch: options.runtimeMode === 'batch',
      clock: this.clock,
      metrics,
      restored: options.restored,
      output: this.#output as HarnessOutput<unknown>,
    });
  }

  /**
   * A harness of what `build` makes of one input; opened.
   * @throws StreamConfigError `MILLRACE_CONFIG` for a program with sources or sinks of its own
   */
  static async of<T, R>(
    build: (input: DataStream<T>) => DataStream<R>,
    options: HarnessOptions = {},
  ): Promise<OneInputHarness<T, R>> {
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    const input = createInput<T>(env, 'Input');
    const harness = new OneInputHarness<T, R>(input.scope.graph.nodes.slice(), build(input), options);
    await harness.pipeline.open();
    return harness;
  }

  /**
   * The same for a program of two inputs: connected streams, joins, broadcast state.
   * @throws StreamConfigError `MILLRACE_CONFIG` for a program with sources or sinks of its own
   */
  static async ofTwo<A, B, R>(
    build: (left: DataStream<A>, right: DataStream<B>) => DataStream<R>,
    options: HarnessOptions = {},
  ): Promise<TwoInputHarness<A, B, R>> {
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    const left = createInput<A>(env, 'Left');
    const right = createInput<B>(env, 'Right');
    const harness = new TwoInputHarness<A, B, R>(left.scope.graph.nodes.slice(), build(left, right), options);
    await harness.pipeline.open();
    return harness;
  }

  /** Everything that has come out since the start or the last `clear()`, in order. */
  get elements(): readonly HarnessElement<R>[] {
    return this.#output.elements;
  }

  /** The records that have come out; with `tag` those of a side output. */
  records(): HarnessRecord<R>[];
  records<S>(tag: OutputTag<S>): HarnessRecord<S>[];
  records<S>(tag?: OutputTag<S>): HarnessRecord<R>[] | HarnessRecord<S>[] {
    return tag === undefined ? this.#output.records() : this.#output.sideOutputs(tag);
  }

  /** The same without timestamps. */
  values(): R[];
  values<S>(tag: OutputTag<S>): S[];
  values<S>(tag?: OutputTag<S>): R[] | S[] {
    return tag === undefined
      ? this.records().map(({ value }) => value)
      : this.records(tag).map(({ value }) => value);
  }

  /** The watermarks that have come out. */
  watermarks(): number[] {
    return this.#output.watermarks();
  }

  /** Forgets what has come out so far. */
  clear(): void {
    this.#output.clear();
  }

  /** Gives all inputs this watermark. */
  watermark(timestamp: number): void {
    for (const input of this.#inputs) this.pipeline.watermark(input, timestamp);
  }

  /** Says of all inputs that they are idle, or that they are not any more. */
  idle(isIdle = true): void {
    for (const input of this.#inputs) this.pipeline.idle(input, isIdle);
  }

  /** Moves the clock on by `ms`; what falls due on the way happens at its time. */
  advanceProcessingTime(ms: number): void {
    this.pipeline.advanceProcessingTime(ms);
  }

  /** Batch mode: the key that the last records had has no further one. */
  endKey(): void {
    this.pipeline.finishKey();
  }

  /**
   * The states of all subtasks at this point, as a checkpoint would hold them.
   * @throws StreamRecordError `MILLRACE_RECORD` with the path of what is not plain data
   */
  snapshot(): HarnessSnapshot {
    return this.pipeline.snapshot();
  }

  /** Ends all inputs: the watermark +∞, then operators drain and finish. Resolves when nothing is left. */
  async endInput(): Promise<void> {
    this.watermark(MAX_WATERMARK);
    await this.pipeline.end();
  }

  /** Closes the operators; nothing is called after it. */
  close(): Promise<void> {
    return this.pipeline.close();
  }

  /** Whether an operator would not be given a record now (async I/O at its capacity): `push` then throws. */
  get isFull(): boolean {
    return this.pipeline.isFull;
  }

  /** Records that were late for every window and had no side output to go to. */
  get lateRecordsDropped(): number {
    return this.pipeline.lateRecordsDropped;
  }
}

/** A harness of a program with one input. */
export class OneInputHarness<T, R> extends OperatorHarness<R> {
  readonly #input: StreamNode;

  constructor(inputs: readonly StreamNode[], result: DataStream<R>, options: HarnessOptions) {
    super(inputs, result, options);
    this.#input = inputs[0]!;
  }

  /** Gives the program a record; without `timestamp` one that has no event time. */
  push(value: T, timestamp = MIN_TIMESTAMP): void {
    this.pipeline.push(this.#input, value, timestamp);
  }
}

/** A harness of a program with two inputs. */
export class TwoInputHarness<A, B, R> extends OperatorHarness<R> {
  readonly #left: StreamNode;
  readonly #right: StreamNode;

  constructor(inputs: readonly StreamNode[], result: DataStream<R>, options: HarnessOptions) {
    super(inputs, result, options);
    this.#left = inputs[0]!;
    this.#right = inputs[1]!;
  }

  /** Gives the first input a record; without `timestamp` one that has no event time. */
  pushLeft(value: A, timestamp = MIN_TIMESTAMP): void {
    this.pipeline.push(this.#left, value, timestamp);
  }

  /** Gives the second input a record. */
  pushRight(value: B, timestamp = MIN_TIMESTAMP): void {
    this.pipeline.push(this.#right, value, timestamp);
  }

  /** A watermark of the first input only: the operator has the minimum of both. */
  watermarkLeft(timestamp: number): void {
    this.pipeline.watermark(this.#left, timestamp);
  }

  /** A watermark of the second input only. */
  watermarkRight(timestamp: number): void {
    this.pipeline.watermark(this.#right, timestamp);
  }

  /** Says of the first input whether it is idle: an idle input holds no watermark back. */
  idleLeft(isIdle = true): void {
    this.pipeline.idle(this.#left, isIdle);
  }

  /** Says of the second input whether it is idle. */
  idleRight(isIdle = true): void {
    this.pipeline.idle(this.#right, isIdle);
  }
}

function createInput<T>(env: StreamExecutionEnvironment, name: string): DataStream<T> {
  const nothing = new DataGeneratorSource<T>(() => undefined as T, 0);
  return env.fromSource(nothing, WatermarkStrategy.noWatermarks<T>(), name);
}
