import type { OutputTag } from '../functions/functions.js';
import type { JoinedRight, ProcessJoinFunction } from '../functions/join-functions.js';
import { temporalJoinOperator } from '../operators/temporal-join.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';
import type { KeyedStream } from './keyed-stream.js';
import type { SidesOptions } from './sided-windows.js';

/** A temporal join emits all left records, or those for which there is a version. */
export type TemporalJoinType = 'inner' | 'left';

interface Settings<R, J> {
  readonly type: J;
  readonly isDeletion?: (version: R) => boolean;
  readonly lateOutput?: OutputTag<unknown>;
}

/** A stream joined with the versions of another, to be given its function. Immutable: each call returns a new one. */
export class TemporalJoin<L, R, K, J extends TemporalJoinType> {
  readonly #left: KeyedStream<L, K>;
  readonly #versions: KeyedStream<R, K>;
  readonly #settings: Settings<R, J>;

  constructor(left: KeyedStream<L, K>, versions: KeyedStream<R, K>, settings: Settings<R, J>) {
    this.#left = left;
    this.#versions = versions;
    this.#settings = settings;
  }

  /** Says which records of the changelog end a key's last version without a new one. Without it none does. */
  deletedWhen(isDeletion: (version: R) => boolean): TemporalJoin<L, R, K, J> {
    return this.#with({ isDeletion });
  }

  /**
   * Left records whose timestamp is below the watermark go to `tag`, since the version that was valid then may be gone;
   * without it they are counted as dropped. Late versions are not dropped: they count for what is joined after them.
   */
  sideOutputLateData(tag: OutputTag<L>): TemporalJoin<L, R, K, J> {
    return this.#with({ lateOutput: tag as OutputTag<unknown> });
  }

  /**
   * Calls `join` once per left record with the version that is valid at its time, when the watermark has reached that.
   * Results get the left record's timestamp. A left join gives `undefined` where there is no version.
   */
  process<Out>(
    join: ProcessJoinFunction<L, JoinedRight<R, J>, Out>,
    { leftSchema, rightSchema }: SidesOptions<L, R> = {},
  ): SingleOutputStreamOperator<Out> {
    const { type, isDeletion = () => false, lateOutput } = this.#settings;
    const { stream, keySelector } = this.#left;
    const leftKeySelector = keySelector;
    const rightKeySelector = this.#versions.keySelector;
    const factory = temporalJoinOperator({
      type,
      leftKeySelector,
      rightKeySelector,
      isDeletion: isDeletion as (version: unknown) => boolean,
      lateOutput,
      join: join as ProcessJoinFunction<unknown, unknown, unknown>,
      leftSchema,
      rightSchema,
    });
    return stream.transform<Out>('TemporalJoin', factory, {
      keySelector: leftKeySelector,
      second: { stream: this.#versions.stream as DataStream<unknown>, keySelector: rightKeySelector },
      needs: { eventTime: true },
    });
  }

  #with(settings: Partial<Settings<R, J>>): TemporalJoin<L, R, K, J> {
    return new TemporalJoin(this.#left, this.#versions, { ...this.#settings, ...settings });
  }
}
