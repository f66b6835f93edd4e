import type { KeySelector, OutputTag } from '../functions/functions.js';
import type { CoGroupFunction, SidedRecord } from '../functions/join-functions.js';
import type { Evictor } from '../windows/evictor.js';
import type { Trigger } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { DataStream, KeyByOptions, SingleOutputStreamOperator } from './data-stream.js';
import { SidedWindows, type SidesOptions } from './sided-windows.js';

/** Two streams whose records are to be grouped by key and window. Made by `stream.coGroup(…)`. */
export class CoGroupedStreams<L, R> {
  readonly #left: DataStream<L>;
  readonly #right: DataStream<R>;

  constructor(left: DataStream<L>, right: DataStream<R>) {
    this.#left = left;
    this.#right = right;
  }

  /** The key of the left records; `options` are for the keys of both sides, as those of `keyBy`. */
  where<K>(leftKeySelector: KeySelector<L, K>, options: KeyByOptions<K> = {}): CoGroupWhere<L, R, K> {
    const left = this.#left;
    const right = this.#right;
    const keyOptions = options as KeyByOptions<unknown>;
    return {
      equalTo: (rightKeySelector) => ({
        window: (assigner) =>
          new WindowedCoGroup(
            new SidedWindows({ left, right, leftKeySelector, rightKeySelector, keyOptions, assigner }),
          ),
      }),
    };
  }
}

/** Two streams to be grouped of which the left key is known. */
export interface CoGroupWhere<L, R, K> {
  /** The key of the right records, of the same type. */
  equalTo(rightKeySelector: KeySelector<R, K>): CoGroupEqualTo<L, R>;
}

/** Two streams to be grouped whose keys are known. */
export interface CoGroupEqualTo<L, R> {
  window<W extends Window>(assigner: WindowAssigner<SidedRecord<L, R>, W>): WindowedCoGroup<L, R, W>;
}

/** Two streams in the same windows, to be given their function. Immutable: each call returns a new one. */
export class WindowedCoGroup<L, R, W extends Window> {
  readonly #windows: SidedWindows<L, R, W>;

  constructor(windows: SidedWindows<L, R, W>) {
    this.#windows = windows;
  }

  /** Decides when a window is emitted, in place of the assigner's default; it sees the records of both sides. */
  trigger(trigger: Trigger<SidedRecord<L, R>, W>): WindowedCoGroup<L, R, W> {
    return new WindowedCoGroup(this.#windows.with({ trigger }));
  }

  /** Removes records of either side when a window is emitted. */
  evictor(evictor: Evictor<SidedRecord<L, R>, W>): WindowedCoGroup<L, R, W> {
    return new WindowedCoGroup(this.#windows.with({ evictor }));
  }

  /** Keeps a window for this long after its end, in milliseconds of event time: a late record emits it again. */
  allowedLateness(allowedLatenessMs: number): WindowedCoGroup<L, R, W> {
    return new WindowedCoGroup(this.#windows.with({ allowedLatenessMs }));
  }

  /** Records of either side that are late for all their windows go to `lateOutput`; without it they are counted as dropped. */
  sideOutputLateData(lateOutput: OutputTag<SidedRecord<L, R>>): WindowedCoGroup<L, R, W> {
    return new WindowedCoGroup(this.#windows.with({ lateOutput }));
  }

  /** Calls `coGroup` once per key and window that has a record of either side. Results have the window's last timestamp. */
  apply<Out>(
    coGroup: CoGroupFunction<L, R, Out>,
    options: SidesOptions<L, R> = {},
  ): SingleOutputStreamOperator<Out> {
    return this.#windows.coGroup('CoGroup', coGroup, options);
  }
}
