import { describeValue } from '../runtime/describe-value.js';
import type { Sink, SinkWriter, SinkWriterContext } from './sink.js';

/** Where `print()` writes to. `process.stdout` fits. */
export interface PrintTarget {
  write(text: string): unknown;
}

/** Prints each record on a line of its own: strings as they are, everything else as JSON of 200 characters at most. For looking, not for data. */
export class PrintSink<T> implements Sink<T> {
  readonly #prefix: string;
  readonly #target: PrintTarget;

  constructor(prefix: string, target: PrintTarget) {
    this.#prefix = prefix;
    this.#target = target;
  }

  createWriter(context: SinkWriterContext): SinkWriter<T> {
    // `prefix> `, `2> ` or `prefix:2> `, as in Flink.
    const parts = [this.#prefix, context.parallelism > 1 ? String(context.subtaskIndex + 1) : ''];
    const label = parts.filter((part) => part !== '').join(':');
    const prefix = label === '' ? '' : `${label}> `;
    return {
      write: (value) =>
        void this.#target.write(`${prefix}${typeof value === 'string' ? value : describeValue(value)}\n`),
      flush: () => undefined,
      close: () => undefined,
    };
  }
}
