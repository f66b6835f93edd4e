/** What the general operator does with the contents of a window: an accumulator, or with an evictor all records. */
import type { Evictor, TimestampedValue } from '../windows/evictor.js';
import type { Window } from '../windows/window.js';
import type { WindowEmitter } from './window-emitter.js';
import type { WindowFunction } from './window-function.js';
import { EMPTY, type WindowRecord } from './window-trigger-context.js';

export class WindowAccumulation {
  readonly #function: WindowFunction;
  readonly #evictor: Evictor<unknown, Window> | undefined;
  readonly #emitter: WindowEmitter;

  constructor(
    windowFunction: WindowFunction,
    evictor: Evictor<unknown, Window> | undefined,
    emitter: WindowEmitter,
  ) {
    this.#function = windowFunction;
    this.#evictor = evictor;
    this.#emitter = emitter;
  }

  add(record: WindowRecord, value: unknown, timestamp: number): void {
    const { contents } = record;
    if (this.#evictor !== undefined) {
      const element: TimestampedValue<unknown> = { value, timestamp };
      if (contents === EMPTY) record.contents = [element];
      else (contents as unknown[]).push(element);
    } else if (contents === EMPTY) record.contents = this.#function.create(value);
    else record.contents = this.#function.add(contents, value);
  }

  /** Adds those of another window, which were later. */
  merge(record: WindowRecord, contents: unknown): void {
    if (contents === EMPTY) return;
    if (record.contents === EMPTY) record.contents = contents;
    else if (this.#evictor === undefined) record.contents = this.#function.merge(record.contents, contents);
    else for (const element of contents as unknown[]) (record.contents as unknown[]).push(element);
  }

  /** Emits a window that is not empty. */
  emit(record: WindowRecord): void {
    const { key } = record.owner;
    this.#emitter.setWindow(record.window);
    if (this.#evictor === undefined) {
      this.#emitter.emit(key, record, record.contents);
      return;
    }
    const elements = record.contents as readonly TimestampedValue<unknown>[];
    const before = this.#evictor.evictBefore(elements, record.window, this.#emitter);
    const accumulator = this.#accumulate(before);
    if (accumulator !== EMPTY) this.#emitter.emit(key, record, accumulator);
    const after = this.#evictor.evictAfter(before, record.window, this.#emitter);
    if (after !== elements) record.contents = after.length === 0 ? EMPTY : [...after];
  }

  /** `EMPTY` where a reduce or aggregate has nothing to work on. */
  #accumulate(elements: readonly TimestampedValue<unknown>[]): unknown {
    if (this.#function.kind === 'elements') return elements.map(({ value }) => value);
    let accumulator: unknown = EMPTY;
    for (const { value } of elements) {
      accumulator =
        accumulator === EMPTY ? this.#function.create(value) : this.#function.add(accumulator, value);
    }
    return accumulator;
  }
}
