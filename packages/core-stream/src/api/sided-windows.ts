import type { AggregateFunction, KeySelector, OutputTag } from '../functions/functions.js';
import type { CoGroupFunction, SidedRecord } from '../functions/join-functions.js';
import type { Evictor } from '../windows/evictor.js';
import type { Trigger } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';

/** What a window keeps of both sides. */
interface Sides<L, R> {
  readonly left: L[];
  readonly right: R[];
}

export interface SidedWindowSettings<L, R, W extends Window> {
  readonly left: DataStream<L>;
  readonly right: DataStream<R>;
  readonly leftKeySelector: KeySelector<L, unknown>;
  readonly rightKeySelector: KeySelector<R, unknown>;
  readonly assigner: WindowAssigner<SidedRecord<L, R>, W>;
  readonly trigger?: Trigger<SidedRecord<L, R>, W>;
  readonly evictor?: Evictor<SidedRecord<L, R>, W>;
  readonly allowedLatenessMs?: number;
  readonly lateOutput?: OutputTag<SidedRecord<L, R>>;
}

/**
 * Two streams in the same windows: a union of both, whose records say which side they are of, in keyed windows that keep
 * the sides apart. For the package's own use.
 */
export class SidedWindows<L, R, W extends Window> {
  readonly #settings: SidedWindowSettings<L, R, W>;

  constructor(settings: SidedWindowSettings<L, R, W>) {
    this.#settings = settings;
  }

  with(settings: Partial<SidedWindowSettings<L, R, W>>): SidedWindows<L, R, W> {
    return new SidedWindows({ ...this.#settings, ...settings });
  }

  coGroup<Out>(name: string, coGroup: CoGroupFunction<L, R, Out>): SingleOutputStreamOperator<Out> {
    const { left, right, leftKeySelector, rightKeySelector, assigner } = this.#settings;
    const { trigger, evictor, allowedLatenessMs, lateOutput } = this.#settings;
    const lefts = left.map((value): SidedRecord<L, R> => ({ side: 'left', value })).name('Left');
    const rights = right.map((value): SidedRecord<L, R> => ({ side: 'right', value })).name('Right');
    let windows = lefts
      .union(rights)
      .keyBy((record) =>
        record.side === 'left' ? leftKeySelector(record.value) : rightKeySelector(record.value),
      )
      .window(assigner);
    if (trigger !== undefined) windows = windows.trigger(trigger);
    if (allowedLatenessMs !== undefined) windows = windows.allowedLateness(allowedLatenessMs);
    if (lateOutput !== undefined) windows = windows.sideOutputLateData(lateOutput);
    const sides = sidesOf<L, R>();
    const result =
      evictor === undefined
        ? windows.aggregate<Sides<L, R>, Sides<L, R>, Out>(sides, (_key, _context, [both], out) =>
            coGroup(both!.left, both!.right, out),
          )
        : windows.evictor(evictor).process<Out>((_key, _context, records, out) => {
            const both = sides.createAccumulator();
            for (const record of records) sides.add(record, both);
            coGroup(both.left, both.right, out);
          });
    return result.name(name);
  }
}

/** Sliding windows can share what they keep: merging copies. */
function sidesOf<L, R>(): AggregateFunction<SidedRecord<L, R>, Sides<L, R>, Sides<L, R>> {
  return {
    createAccumulator: () => ({ left: [], right: [] }),
    add(record, sides) {
      if (record.side === 'left') sides.left.push(record.value);
      else sides.right.push(record.value);
      return sides;
    },
    getResult: ({ left, right }) => ({ left, right }),
    merge: (a, b) => ({ left: a.left.concat(b.left), right: a.right.concat(b.right) }),
    sharesPanes: true,
  };
}
