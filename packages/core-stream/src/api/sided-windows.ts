import type { AggregateFunction, KeySelector, OutputTag } from '../functions/functions.js';
import type { CoGroupFunction, SidedRecord } from '../functions/join-functions.js';
import type { Evictor } from '../windows/evictor.js';
import type { Trigger } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import { sidedContents, sidedRecordContents, type Sides } from '../operators/window-contents.js';
import { toRichFunction } from '../operators/window-function.js';
import type { StateSchema } from '../state/state-schema.js';
import type { DataStream, KeyByOptions, SingleOutputStreamOperator } from './data-stream.js';
import { WindowDefinition } from './window-definition.js';

/** What a join and a coGroup take besides their function. */
export interface SidesOptions<L, R> {
  /** The version of the left records that are kept: what a checkpoint has in an older one is migrated to it. */
  readonly leftSchema?: StateSchema<L>;
  readonly rightSchema?: StateSchema<R>;
}

export interface SidedWindowSettings<L, R, W extends Window> {
  readonly left: DataStream<L>;
  readonly right: DataStream<R>;
  readonly leftKeySelector: KeySelector<L, unknown>;
  readonly rightKeySelector: KeySelector<R, unknown>;
  readonly keyOptions: KeyByOptions<unknown>;
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

  coGroup<Out>(
    name: string,
    coGroup: CoGroupFunction<L, R, Out>,
    { leftSchema, rightSchema }: SidesOptions<L, R>,
  ): SingleOutputStreamOperator<Out> {
    const sides = sidesOf<L, R>();
    const windows = this.#windows().contents({
      whole: sidedContents(leftSchema, rightSchema),
      records: sidedRecordContents(leftSchema, rightSchema),
    });
    if (this.#settings.evictor === undefined) {
      const process = toRichFunction<Sides<L, R>, Out, unknown, W>((_key, _context, [both], out) =>
        coGroup(both!.left, both!.right, out),
      );
      return windows.aggregate<Out, Sides<L, R>, Sides<L, R>>(sides, process).name(name);
    }
    const process = toRichFunction<SidedRecord<L, R>, Out, unknown, W>((_key, _context, records, out) => {
      const both = sides.createAccumulator();
      for (const record of records) sides.add(record, both);
      coGroup(both.left, both.right, out);
    });
    return windows.process<Out>(process).name(name);
  }

  #windows(): WindowDefinition<SidedRecord<L, R>> {
    const { left, right, leftKeySelector, rightKeySelector, keyOptions, assigner } = this.#settings;
    const { trigger, evictor, allowedLatenessMs, lateOutput } = this.#settings;
    const lefts = left.map((value): SidedRecord<L, R> => ({ side: 'left', value })).name('Left');
    const rights = right.map((value): SidedRecord<L, R> => ({ side: 'right', value })).name('Right');
    const { stream, keySelector } = lefts
      .union(rights)
      .keyBy(
        (record) => (record.side === 'left' ? leftKeySelector(record.value) : rightKeySelector(record.value)),
        keyOptions,
      );
    let windows = WindowDefinition.of(stream, keySelector, assigner);
    if (trigger !== undefined) windows = windows.trigger(trigger);
    if (evictor !== undefined) windows = windows.evictor(evictor);
    if (allowedLatenessMs !== undefined) windows = windows.allowedLateness(allowedLatenessMs);
    if (lateOutput !== undefined) windows = windows.sideOutputLateData(lateOutput);
    return windows;
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
