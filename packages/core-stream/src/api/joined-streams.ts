import type { Collector, KeySelector, OutputTag } from '../functions/functions.js';
import type {
  CoGroupFunction,
  FlatJoinFunction,
  JoinedLeft,
  JoinedRight,
  JoinFunction,
  JoinType,
  SidedRecord,
} from '../functions/join-functions.js';
import type { Evictor } from '../windows/evictor.js';
import type { Trigger } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { DataStream, KeyByOptions, SingleOutputStreamOperator } from './data-stream.js';
import { SidedWindows, type SidesOptions } from './sided-windows.js';

/** Two streams whose records of the same key and window are to be joined. Made by `stream.join(…)`. */
export class JoinedStreams<L, R, J extends JoinType> {
  readonly #left: DataStream<L>;
  readonly #right: DataStream<R>;
  readonly #type: J;

  constructor(left: DataStream<L>, right: DataStream<R>, type: J) {
    this.#left = left;
    this.#right = right;
    this.#type = type;
  }

  /** The key of the left records; `options` are for the keys of both sides, as those of `keyBy`. */
  where<K>(leftKeySelector: KeySelector<L, K>, options: KeyByOptions<K> = {}): JoinWhere<L, R, K, J> {
    const left = this.#left;
    const right = this.#right;
    const keyOptions = options as KeyByOptions<unknown>;
    return {
      equalTo: (rightKeySelector) => ({
        window: (assigner) =>
          new WindowedJoin(
            new SidedWindows({ left, right, leftKeySelector, rightKeySelector, keyOptions, assigner }),
            this.#type,
          ),
      }),
    };
  }
}

/** Two streams to be joined of which the left key is known. */
export interface JoinWhere<L, R, K, J extends JoinType> {
  /** The key of the right records, of the same type. */
  equalTo(rightKeySelector: KeySelector<R, K>): JoinEqualTo<L, R, J>;
}

/** Two streams to be joined whose keys are known. */
export interface JoinEqualTo<L, R, J extends JoinType> {
  window<W extends Window>(assigner: WindowAssigner<SidedRecord<L, R>, W>): WindowedJoin<L, R, W, J>;
}

/** A join in windows, to be given its function. Immutable: each call returns a new one. */
export class WindowedJoin<L, R, W extends Window, J extends JoinType> {
  readonly #windows: SidedWindows<L, R, W>;
  readonly #type: J;

  constructor(windows: SidedWindows<L, R, W>, type: J) {
    this.#windows = windows;
    this.#type = type;
  }

  /** Decides when a window is emitted, in place of the assigner's default; it sees the records of both sides. */
  trigger(trigger: Trigger<SidedRecord<L, R>, W>): WindowedJoin<L, R, W, J> {
    return new WindowedJoin(this.#windows.with({ trigger }), this.#type);
  }

  /** Removes records of either side when a window is emitted. */
  evictor(evictor: Evictor<SidedRecord<L, R>, W>): WindowedJoin<L, R, W, J> {
    return new WindowedJoin(this.#windows.with({ evictor }), this.#type);
  }

  /** Keeps a window for this long after its end, in milliseconds of event time: a late record emits all its pairs again. */
  allowedLateness(allowedLatenessMs: number): WindowedJoin<L, R, W, J> {
    return new WindowedJoin(this.#windows.with({ allowedLatenessMs }), this.#type);
  }

  /** Records of either side that are late for all their windows go to `lateOutput`; without it they are counted as dropped. */
  sideOutputLateData(lateOutput: OutputTag<SidedRecord<L, R>>): WindowedJoin<L, R, W, J> {
    return new WindowedJoin(this.#windows.with({ lateOutput }), this.#type);
  }

  /** One result per pair of records with the same key and window. Results have the window's last timestamp. */
  apply<Out>(
    join: JoinFunction<JoinedLeft<L, J>, JoinedRight<R, J>, Out>,
    options: SidesOptions<L, R> = {},
  ): SingleOutputStreamOperator<Out> {
    return this.flatApply((left, right, out) => out.collect(join(left, right)), options);
  }

  /** Any number of results per pair of records with the same key and window. */
  flatApply<Out>(
    join: FlatJoinFunction<JoinedLeft<L, J>, JoinedRight<R, J>, Out>,
    options: SidesOptions<L, R> = {},
  ): SingleOutputStreamOperator<Out> {
    return this.#windows.coGroup(
      'WindowJoin',
      pairsOf(this.#type, join as FlatJoinFunction<L | undefined, R | undefined, Out>),
      options,
    );
  }
}

/** Within a key and window everything matches: a record is without a match where the other side is empty. */
function pairsOf<L, R, Out>(
  type: JoinType,
  join: FlatJoinFunction<L | undefined, R | undefined, Out>,
): CoGroupFunction<L, R, Out> {
  const emitsLeft = type === 'left' || type === 'full';
  const emitsRight = type === 'right' || type === 'full';
  return (lefts, rights, out: Collector<Out>) => {
    if (rights.length === 0 && emitsLeft) for (const left of lefts) join(left, undefined, out);
    else if (lefts.length === 0 && emitsRight) for (const right of rights) join(undefined, right, out);
    else for (const left of lefts) for (const right of rights) join(left, right, out);
  };
}
