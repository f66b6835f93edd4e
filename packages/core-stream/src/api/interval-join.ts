import { StreamConfigError } from '../errors.js';
import type { OutputTag } from '../functions/functions.js';
import type { JoinedLeft, JoinedRight, JoinType, ProcessJoinFunction } from '../functions/join-functions.js';
import { intervalJoinOperator } from '../operators/interval-join.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';
import type { KeyedStream } from './keyed-stream.js';
import type { SidesOptions } from './sided-windows.js';

const NAME = 'IntervalJoin';

/** An interval join that has no interval yet. Made by `keyed.intervalJoin(…)`. */
export class IntervalJoin<L, R, K, J extends JoinType> {
  readonly #left: KeyedStream<L, K>;
  readonly #right: KeyedStream<R, K>;
  readonly #type: J;

  constructor(left: KeyedStream<L, K>, right: KeyedStream<R, K>, type: J) {
    this.#left = left;
    this.#right = right;
    this.#type = type;
  }

  /**
   * A left record of time `t` meets the right ones of the times from `t + lowerMs` to `t + upperMs`, both included unless
   * told otherwise.
   * @throws StreamConfigError where the bounds are not whole milliseconds, or `lowerMs` is above `upperMs`
   */
  between(lowerMs: number, upperMs: number): IntervalJoined<L, R, K, J> {
    for (const bound of [lowerMs, upperMs]) {
      if (!Number.isSafeInteger(bound)) {
        throw new StreamConfigError(
          `A bound of '${NAME}' must be a whole number of milliseconds, got ${String(bound)}`,
          { details: { operator: NAME } },
        );
      }
    }
    return new IntervalJoined(this.#left, this.#right, { type: this.#type, lowerMs, upperMs });
  }
}

interface Settings<J> {
  readonly type: J;
  /** Both inclusive. */
  readonly lowerMs: number;
  readonly upperMs: number;
  readonly leftLateOutput?: OutputTag<unknown>;
  readonly rightLateOutput?: OutputTag<unknown>;
}

/** An interval join, to be given its function. Immutable: each call returns a new one. */
export class IntervalJoined<L, R, K, J extends JoinType> {
  readonly #left: KeyedStream<L, K>;
  readonly #right: KeyedStream<R, K>;
  readonly #settings: Settings<J>;

  constructor(left: KeyedStream<L, K>, right: KeyedStream<R, K>, settings: Settings<J>) {
    if (settings.lowerMs > settings.upperMs) {
      throw new StreamConfigError(
        `The interval of '${NAME}' is empty: it goes from ${settings.lowerMs} to ${settings.upperMs} ms (both included). ` +
          'The lower bound, which is negative for what comes before the left record, must not be above the upper one.',
        { details: { operator: NAME } },
      );
    }
    this.#left = left;
    this.#right = right;
    this.#settings = settings;
  }

  /** Leaves the lower bound itself out of the interval: it begins a millisecond later. */
  lowerBoundExclusive(): IntervalJoined<L, R, K, J> {
    return this.#with({ lowerMs: this.#settings.lowerMs + 1 });
  }

  /** Leaves the upper bound itself out of the interval: it ends a millisecond earlier. */
  upperBoundExclusive(): IntervalJoined<L, R, K, J> {
    return this.#with({ upperMs: this.#settings.upperMs - 1 });
  }

  /** Left records whose timestamp is below the watermark go to `tag`; without it they are counted as dropped. */
  sideOutputLeftLateData(tag: OutputTag<L>): IntervalJoined<L, R, K, J> {
    return this.#with({ leftLateOutput: tag as OutputTag<unknown> });
  }

  /** Right records whose timestamp is below the watermark go to `tag`; without it they are counted as dropped. */
  sideOutputRightLateData(tag: OutputTag<R>): IntervalJoined<L, R, K, J> {
    return this.#with({ rightLateOutput: tag as OutputTag<unknown> });
  }

  /**
   * Calls `join` once per pair; results get the later of both timestamps. An outer join calls it for a record without a
   * match as soon as the watermark says that none can come, with `undefined` in place of the other and the timestamp of
   * the record; so that this is not late for what follows, its watermark stays behind by the reach of the interval.
   */
  process<Out>(
    join: ProcessJoinFunction<JoinedLeft<L, J>, JoinedRight<R, J>, Out>,
    { leftSchema, rightSchema }: SidesOptions<L, R> = {},
  ): SingleOutputStreamOperator<Out> {
    const { stream, keySelector } = this.#left;
    const leftKeySelector = keySelector;
    const rightKeySelector = this.#right.keySelector;
    const factory = intervalJoinOperator({
      leftLateOutput: undefined,
      rightLateOutput: undefined,
      ...this.#settings,
      leftKeySelector,
      rightKeySelector,
      join: join as ProcessJoinFunction<unknown, unknown, unknown>,
      leftSchema,
      rightSchema,
    });
    return stream.transform<Out>(NAME, factory, {
      keySelector: leftKeySelector,
      second: { stream: this.#right.stream as DataStream<unknown>, keySelector: rightKeySelector },
      needs: { eventTime: true },
    });
  }

  #with(settings: Partial<Settings<J>>): IntervalJoined<L, R, K, J> {
    return new IntervalJoined(this.#left, this.#right, { ...this.#settings, ...settings });
  }
}
