/** What a window is made of, as the fluent API collects it: checks what does not fit together, and adds the operator. */
import { StreamConfigError } from '../errors.js';
import type { AggregateFunction, OutputTag, ReduceFunction } from '../functions/functions.js';
import { extremeBy, extremeOf, sumOf } from '../functions/rolling-functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import { windowOperator } from '../operators/window.js';
import {
  aggregateWindow,
  processWindow,
  reduceWindow,
  type AnyProcessFunction,
  type WindowFunction,
} from '../operators/window-function.js';
import {
  evictedContents,
  recordContents,
  valueContents,
  type WindowContents,
} from '../operators/window-contents.js';
import type { SchemaOptions } from '../state/state.js';
import { CountEvictor } from '../windows/count-evictor.js';
import { CountTrigger } from '../windows/count-trigger.js';
import type { Evictor } from '../windows/evictor.js';
import { GlobalWindows } from '../windows/global-windows.js';
import { PurgingTrigger } from '../windows/purging-trigger.js';
import type { Trigger } from '../windows/trigger.js';
import type { WindowAssigner } from '../windows/window-assigner.js';
import type { Window } from '../windows/window.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';
import type { AggregateOptions } from './window-arguments.js';

type AnyTrigger = Trigger<unknown, Window>;
type AnyEvictor = Evictor<unknown, Window>;

interface WindowParts {
  readonly trigger?: AnyTrigger;
  readonly evictor?: AnyEvictor;
  /** The evictor is the engine's own, which works on incremental functions too. */
  readonly isCountWindow?: boolean;
  readonly allowedLatenessMs?: number;
  readonly lateTag?: string;
  /** Where it is of several parts; else it is as the function says. */
  readonly contents?: KeptContents;
}

/** What is kept of a window; with an evictor its records. */
interface KeptContents {
  readonly whole: WindowContents;
  readonly records: WindowContents;
}

export class WindowDefinition<T> {
  readonly #stream: DataStream<T>;
  /** `undefined` for windows over all records. */
  readonly #keySelector: AnyKeySelector | undefined;
  readonly #assigner: WindowAssigner<unknown, Window>;
  readonly #parts: WindowParts;

  private constructor(
    stream: DataStream<T>,
    keySelector: AnyKeySelector | undefined,
    assigner: WindowAssigner<unknown, Window>,
    parts: WindowParts,
  ) {
    this.#stream = stream;
    this.#keySelector = keySelector;
    this.#assigner = assigner;
    this.#parts = parts;
    checkMerging(assigner, parts.trigger ?? assigner.defaultTrigger());
  }

  static of<T, W extends Window>(
    stream: DataStream<T>,
    keySelector: AnyKeySelector | undefined,
    assigner: WindowAssigner<T, W>,
  ): WindowDefinition<T> {
    return new WindowDefinition(
      stream,
      keySelector,
      assigner as unknown as WindowAssigner<unknown, Window>,
      {},
    );
  }

  /** Windows of `size` records, every `slide` records where that is given, as Flink makes them of global windows. */
  static ofCount<T>(
    stream: DataStream<T>,
    keySelector: AnyKeySelector | undefined,
    size: number,
    slide: number | undefined,
  ): WindowDefinition<T> {
    const parts: WindowParts =
      slide === undefined
        ? { trigger: PurgingTrigger.of(CountTrigger.of(size)) as AnyTrigger }
        : { trigger: CountTrigger.of(slide), evictor: CountEvictor.of(size), isCountWindow: true };
    return new WindowDefinition(stream, keySelector, GlobalWindows.create(), parts);
  }

  trigger<W extends Window>(trigger: Trigger<T, W>): WindowDefinition<T> {
    return this.#with({ trigger: trigger as unknown as AnyTrigger });
  }

  evictor<W extends Window>(evictor: Evictor<T, W>): WindowDefinition<T> {
    return this.#with({ evictor: evictor as unknown as AnyEvictor, isCountWindow: false });
  }

  allowedLateness(latenessMs: number): WindowDefinition<T> {
    if (!Number.isSafeInteger(latenessMs) || latenessMs < 0) {
      throw new StreamConfigError(
        `The allowed lateness of ${String(this.#assigner)} must be a whole number of milliseconds, 0 or more, got ${latenessMs}`,
      );
    }
    return this.#with({ allowedLatenessMs: latenessMs });
  }

  sideOutputLateData(tag: OutputTag<T>): WindowDefinition<T> {
    return this.#with({ lateTag: tag.id });
  }

  /** For windows that keep several parts with schemas of their own. */
  contents(contents: KeptContents): WindowDefinition<T> {
    return this.#with({ contents });
  }

  reduce<R>(
    reduce: ReduceFunction<T>,
    process?: AnyProcessFunction,
    options?: SchemaOptions<T>,
  ): SingleOutputStreamOperator<R> {
    return this.#reduce('Reduce', reduce as ReduceFunction<unknown>, options, process);
  }

  sum(field: string, options: SchemaOptions<T>): SingleOutputStreamOperator<T> {
    return this.#reduce('Sum', sumOf(field), options);
  }

  extreme(field: string, of: 'min' | 'max', options: SchemaOptions<T>): SingleOutputStreamOperator<T> {
    return this.#reduce(of === 'min' ? 'Min' : 'Max', extremeOf(field, of), options);
  }

  extremeBy(field: string, of: 'min' | 'max', options: SchemaOptions<T>): SingleOutputStreamOperator<T> {
    return this.#reduce(of === 'min' ? 'MinBy' : 'MaxBy', extremeBy(field, of), options);
  }

  aggregate<R, ACC, A>(
    aggregate: AggregateFunction<T, ACC, A>,
    process?: AnyProcessFunction,
    options: AggregateOptions<T, ACC> = {},
  ): SingleOutputStreamOperator<R> {
    this.#checkEvictor('Aggregate');
    const { schema, recordSchema } = options;
    const isKeepingRecords = this.#parts.evictor !== undefined;
    if ((isKeepingRecords ? schema : recordSchema) !== undefined) {
      throw new StreamConfigError(
        `'${this.#name('Aggregate')}' has a ${isKeepingRecords ? 'schema' : 'recordSchema'}, but keeps ` +
          (isKeepingRecords
            ? 'the records of a window, no accumulator: sliding count windows need a recordSchema.'
            : 'an accumulator of each window, no records: that needs a schema.'),
      );
    }
    if (this.#assigner.mergeWindows !== undefined && typeof aggregate.merge !== 'function') {
      throw new StreamConfigError(
        `'${this.#name('Aggregate')}' has ${String(this.#assigner)}, whose windows merge, but its AggregateFunction has no merge(). Add one.`,
      );
    }
    const erased = aggregate as AggregateFunction<unknown, unknown, unknown>;
    const contents = { whole: valueContents(schema), records: recordContents(recordSchema) };
    return this.#operator('Aggregate', aggregateWindow(erased, process), contents);
  }

  process<R>(process: AnyProcessFunction, { schema }: SchemaOptions<T> = {}): SingleOutputStreamOperator<R> {
    const records = recordContents(schema);
    return this.#operator('Process', processWindow(process), { whole: records, records });
  }

  #with(parts: WindowParts): WindowDefinition<T> {
    return new WindowDefinition(this.#stream, this.#keySelector, this.#assigner, {
      ...this.#parts,
      ...parts,
    });
  }

  #reduce<R>(
    kind: string,
    reduce: ReduceFunction<unknown>,
    { schema }: SchemaOptions<T> = {},
    process?: AnyProcessFunction,
  ): SingleOutputStreamOperator<R> {
    this.#checkEvictor(kind);
    const contents = { whole: valueContents(schema), records: recordContents(schema) };
    return this.#operator(kind, reduceWindow(reduce, process), contents);
  }

  #name(kind: string): string {
    return `${this.#keySelector === undefined ? 'WindowAll' : 'Window'} ${kind}`;
  }

  #checkEvictor(kind: string): void {
    const { evictor, isCountWindow } = this.#parts;
    if (evictor === undefined || isCountWindow === true) return;
    throw new StreamConfigError(
      `'${this.#name(kind)}' has the evictor ${String(evictor)}, which needs every record, but keeps one accumulator only. ` +
        'Use process() instead, or leave the evictor out.',
    );
  }

  #operator<R>(
    kind: string,
    windowFunction: WindowFunction,
    contents: KeptContents,
  ): SingleOutputStreamOperator<R> {
    const { whole, records } = this.#parts.contents ?? contents;
    const { trigger, evictor, allowedLatenessMs = 0, lateTag } = this.#parts;
    const keySelector = this.#keySelector ?? noKey;
    const factory = windowOperator({
      keySelector,
      assigner: this.#assigner,
      windowFunction,
      contents: evictor === undefined ? whole : evictedContents(records),
      ...(trigger === undefined ? {} : { trigger }),
      ...(evictor === undefined ? {} : { evictor }),
      allowedLatenessMs,
      lateTag,
    });
    const isAll = this.#keySelector === undefined;
    return this.#stream.transform<R>(`Window${isAll ? 'All' : ''} ${kind}`, factory, {
      keySelector,
      ...(isAll ? { parallelismLimit: 1 } : {}),
      ...(this.#assigner.isEventTime ? { needs: { eventTime: true } } : {}),
    });
  }
}

/** All records have the same key: a window over all of them is a keyed one. */
const noKey = (): null => null;

function checkMerging(assigner: WindowAssigner<unknown, Window>, trigger: AnyTrigger): void {
  if (assigner.mergeWindows === undefined || trigger.onMerge !== undefined) return;
  throw new StreamConfigError(
    `${String(assigner)} merges windows, but ${describe(trigger)} cannot: it has no onMerge(). ` +
      'Use a trigger that can merge, such as EventTimeTrigger, ContinuousEventTimeTrigger or CountTrigger, or give yours an onMerge().',
  );
}

function describe(trigger: AnyTrigger): string {
  const text = String(trigger);
  return text === '[object Object]' ? `its trigger (${trigger.constructor.name})` : text;
}
