/** The watermark before any record, and the timestamp of a record that has none: smaller than every event time. */
export const MIN_TIMESTAMP = Number.NEGATIVE_INFINITY;
/** The watermark after the last record: every window closes and every event-time timer fires. */
export const MAX_WATERMARK = Number.POSITIVE_INFINITY;

/** Returns the event time of a record in epoch milliseconds. `recordTimestamp` is the source's, if it gave one. */
export type TimestampAssigner<T> = (value: T, recordTimestamp: number | undefined) => number;

export interface WatermarkOutput {
  /** A watermark that is not above the previous one is ignored. */
  emitWatermark(timestamp: number): void;
}

/** Decides when event time has advanced: one instance per split or subtask. */
export interface WatermarkGenerator<T> {
  onEvent(value: T, timestamp: number, output: WatermarkOutput): void;
  /** Called at the environment's watermark interval (`autoWatermarkIntervalMs`). */
  onPeriodicEmit(output: WatermarkOutput): void;
}

/**
 * When a strategy's watermarks leave: `periodic` at the environment's watermark interval, as in Flink; `on-advance` as
 * soon as event time has advanced, before the next record. The latter makes results depend on the order of the records
 * alone, not on the machine's speed; it suits replays, and streams whose timestamps advance much more rarely than
 * records arrive.
 */
export type WatermarkEmission = 'periodic' | 'on-advance';

interface StrategyOptions<T> {
  readonly createGenerator: (emission: WatermarkEmission) => WatermarkGenerator<T>;
  readonly timestampAssigner: TimestampAssigner<T> | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly emission: WatermarkEmission;
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
      throw new RangeError(`maxOutOfOrdernessMs must be 0 or more milliseconds, got ${maxOutOfOrdernessMs}`);
    }
    return new WatermarkStrategy<T>({
      createGenerator: (emission) => new BoundedOutOfOrdernessWatermarks(maxOutOfOrdernessMs, emission),
      timestampAssigner: undefined,
      idleTimeoutMs: undefined,
      emission: 'periodic',
    });
  }

  /** Timestamps never descend. */
  static forMonotonousTimestamps<T>(): WatermarkStrategy<T> {
    return WatermarkStrategy.forBoundedOutOfOrderness<T>(0);
  }

  /** No watermark before the end of the input: for jobs in processing time, or without time. */
  static noWatermarks<T>(): WatermarkStrategy<T> {
    return WatermarkStrategy.forGenerator<T>(() => ({
      onEvent: () => undefined,
      onPeriodicEmit: () => undefined,
    }));
  }

  /** A generator of your own; `create` is called once per split or subtask. */
  static forGenerator<T>(create: () => WatermarkGenerator<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({
      createGenerator: create,
      timestampAssigner: undefined,
      idleTimeoutMs: undefined,
      emission: 'periodic',
    });
  }

  withTimestampAssigner(timestampAssigner: TimestampAssigner<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({ ...this.#options, timestampAssigner });
  }

  /** A split without records for `idleTimeoutMs` no longer holds the watermark back until it has one again. */
  withIdleness(idleTimeoutMs: number): WatermarkStrategy<T> {
    if (!(idleTimeoutMs > 0)) {
      throw new RangeError(`idleTimeoutMs must be more than 0 milliseconds, got ${idleTimeoutMs}`);
    }
    return new WatermarkStrategy<T>({ ...this.#options, idleTimeoutMs });
  }

  /** When watermarks leave; `periodic` unless told. A generator of your own decides by itself. */
  withEmission(emission: WatermarkEmission): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({ ...this.#options, emission });
  }

  get timestampAssigner(): TimestampAssigner<T> | undefined {
    return this.#options.timestampAssigner;
  }

  get idleTimeoutMs(): number | undefined {
    return this.#options.idleTimeoutMs;
  }

  createGenerator(): WatermarkGenerator<T> {
    return this.#options.createGenerator(this.#options.emission);
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

  onEvent(_value: T, timestamp: number, output: WatermarkOutput): void {
    if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp;
      if (this.#onAdvance) output.emitWatermark(timestamp - this.#boundMs - 1);
    }
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    if (this.#maxTimestamp !== MIN_TIMESTAMP) output.emitWatermark(this.#maxTimestamp - this.#boundMs - 1);
  }
}
