import { StreamConfigError } from '../errors.js';

/** The watermark before any record, and the timestamp of a record that has none: smaller than every event time. */
export const MIN_TIMESTAMP = Number.NEGATIVE_INFINITY;
/** The watermark after the last record: every window closes and every event-time timer fires. */
export const MAX_WATERMARK = Number.POSITIVE_INFINITY;

/** Returns the event time of a record in epoch milliseconds. `recordTimestamp` is the source's, if it gave one. */
export type TimestampAssigner<T> = (value: T, recordTimestamp: number | undefined) => number;

/** Where a generator puts its watermarks. */
export interface WatermarkOutput {
  /** A watermark that is not above the previous one is ignored. */
  emitWatermark(timestamp: number): void;
}

/** Decides when event time has advanced: one instance per split or subtask. */
export interface WatermarkGenerator<T> {
  onEvent(value: T, timestamp: number, output: WatermarkOutput): void;
  /** Called at the environment's watermark interval (`autoWatermarkIntervalMs`). */
  onPeriodicEmit(output: WatermarkOutput): void;
  /** The source has come as far as `timestamp` without a record (`ReaderOutput.advanceTo`). */
  onProgress?(timestamp: number, output: WatermarkOutput): void;
}

/**
 * When a strategy's watermarks leave: `periodic` at the environment's watermark interval, as in Flink; `on-advance` as
 * soon as event time has advanced, before the next record. The latter makes results depend on the order of the records
 * alone, not on the machine's speed; it suits replays, and streams whose timestamps advance much more rarely than
 * records arrive.
 */
export type WatermarkEmission = 'periodic' | 'on-advance';

/** How far a source may be ahead of others; see `WatermarkStrategy.withWatermarkAlignment`. */
export interface WatermarkAlignment {
  readonly group: string;
  readonly maxDriftMs: number;
  readonly updateIntervalMs: number;
}

interface StrategyOptions<T> {
  readonly createGenerator: (emission: WatermarkEmission) => WatermarkGenerator<T>;
  readonly emitsWatermarks: boolean;
  readonly timestampAssigner?: TimestampAssigner<T>;
  readonly idleTimeoutMs?: number;
  readonly emission?: WatermarkEmission;
  readonly alignment?: WatermarkAlignment;
}

/**
 * How records get timestamps and when event time advances. Immutable: each `with…` returns a new strategy.
 *
 * @example
 * WatermarkStrategy.forBoundedOutOfOrderness<Click>(5_000)
 *   .withTimestampAssigner((click) => click.atMs)
 *   .withIdleness(60_000)
 */
export class WatermarkStrategy<T> {
  readonly #options: StrategyOptions<T>;

  private constructor(options: StrategyOptions<T>) {
    this.#options = options;
  }

  /** Records are at most `maxOutOfOrdernessMs` older than the newest seen: watermark = newest − bound − 1 ms. */
  static forBoundedOutOfOrderness<T>(maxOutOfOrdernessMs: number): WatermarkStrategy<T> {
    if (!(maxOutOfOrdernessMs >= 0)) {
      throw new StreamConfigError(
        `maxOutOfOrdernessMs of a watermark strategy must be 0 or more milliseconds, got ${maxOutOfOrdernessMs}`,
      );
    }
    return new WatermarkStrategy<T>({
      createGenerator: (emission) => new BoundedOutOfOrdernessWatermarks(maxOutOfOrdernessMs, emission),
      emitsWatermarks: true,
    });
  }

  /** Timestamps never descend. */
  static forMonotonousTimestamps<T>(): WatermarkStrategy<T> {
    return WatermarkStrategy.forBoundedOutOfOrderness<T>(0);
  }

  /** No watermark before the end of the input: for jobs in processing time, or without time. */
  static noWatermarks<T>(): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({
      createGenerator: () => ({ onEvent: () => undefined, onPeriodicEmit: () => undefined }),
      emitsWatermarks: false,
    });
  }

  /** A generator of your own; `create` is called once per split or subtask. */
  static forGenerator<T>(create: () => WatermarkGenerator<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({ createGenerator: create, emitsWatermarks: true });
  }

  withTimestampAssigner(timestampAssigner: TimestampAssigner<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({ ...this.#options, timestampAssigner });
  }

  /**
   * A split without records for `idleTimeoutMs` no longer holds the watermark back until it has one again. Only time
   * in which the source could have emitted counts: none in which it waited for room, a sink or an aligned source.
   */
  withIdleness(idleTimeoutMs: number): WatermarkStrategy<T> {
    if (!(idleTimeoutMs > 0)) {
      throw new StreamConfigError(
        `idleTimeoutMs of a watermark strategy must be more than 0 milliseconds, got ${idleTimeoutMs}`,
      );
    }
    return new WatermarkStrategy<T>({ ...this.#options, idleTimeoutMs });
  }

  /** When watermarks leave; `periodic` unless told. A generator of your own decides by itself. */
  withEmission(emission: WatermarkEmission): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({ ...this.#options, emission });
  }

  /**
   * A reader whose watermark is more than `maxDriftMs` ahead of the lowest in `group` stops reading until the others have
   * caught up; it looks at them every `updateIntervalMs`, and before it stops. So what is buffered to wait for the slowest source stays bounded. A
   * group is all readers of all sources of the job with that name; idle ones, ended ones and those without a split do not
   * count. A reader that has splits and nothing in them holds the others: use `withIdleness` where that can happen.
   * For sources only.
   */
  withWatermarkAlignment(group: string, maxDriftMs: number, updateIntervalMs = 1000): WatermarkStrategy<T> {
    if (!this.emitsWatermarks) {
      throw new StreamConfigError(
        `noWatermarks() has no watermark to align in the group '${group}'. Use a strategy with watermarks.`,
      );
    }
    if (!(maxDriftMs >= 0) || maxDriftMs === Infinity) {
      throw new StreamConfigError(
        `maxDriftMs of the alignment group '${group}' must be 0 or more milliseconds, got ${maxDriftMs}`,
      );
    }
    if (!(updateIntervalMs > 0) || updateIntervalMs === Infinity) {
      throw new StreamConfigError(
        `updateIntervalMs of the alignment group '${group}' must be more than 0 milliseconds, got ${updateIntervalMs}`,
      );
    }
    const alignment = { group, maxDriftMs, updateIntervalMs };
    return new WatermarkStrategy<T>({ ...this.#options, alignment });
  }

  get timestampAssigner(): TimestampAssigner<T> | undefined {
    return this.#options.timestampAssigner;
  }

  /** False for `noWatermarks()`: event time does not advance before the end of the input. */
  get emitsWatermarks(): boolean {
    return this.#options.emitsWatermarks;
  }

  get idleTimeoutMs(): number | undefined {
    return this.#options.idleTimeoutMs;
  }

  get alignment(): WatermarkAlignment | undefined {
    return this.#options.alignment;
  }

  createGenerator(): WatermarkGenerator<T> {
    return this.#options.createGenerator(this.#options.emission ?? 'periodic');
  }
}

class BoundedOutOfOrdernessWatermarks<T> implements WatermarkGenerator<T> {
  readonly #boundMs: number;
  readonly #onAdvance: boolean;
  #maxTimestamp = MIN_TIMESTAMP;

  constructor(boundMs: number, emission: WatermarkEmission) {
    this.#boundMs = boundMs;
    this.#onAdvance = emission === 'on-advance';
  }

  onEvent(_value: T | undefined, timestamp: number, output: WatermarkOutput): void {
    if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp;
      if (this.#onAdvance) output.emitWatermark(timestamp - this.#boundMs - 1);
    }
  }

  onProgress(timestamp: number, output: WatermarkOutput): void {
    this.onEvent(undefined, timestamp, output);
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    if (this.#maxTimestamp !== MIN_TIMESTAMP) output.emitWatermark(this.#maxTimestamp - this.#boundMs - 1);
  }
}
