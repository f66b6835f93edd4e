import type { Sink, SinkWriter, SinkWriterContext } from '../connectors/sink.js';

/** Called by the sink's writers at these points; what they throw fails the job, what they return is awaited. */
export interface CollectingSinkHooks<T> {
  readonly backPressure?: () => Promise<void> | undefined;
  readonly flush?: (endOfInput: boolean) => void | Promise<void>;
  readonly prepareCommit?: (checkpointId: number, isSavepoint: boolean) => Promise<readonly string[]>;
  readonly write?: (value: T) => void;
  readonly close?: () => void;
  readonly createWriter?: (context: SinkWriterContext) => void;
}

/** Remembers what it was given, in order; hooks let a test slow it down or break it. */
export class CollectingSink<T> implements Sink<T, string, T> {
  readonly values: T[] = [];
  /** Event times, by index of `values`; `undefined` for a record that has none. */
  readonly timestamps: (number | undefined)[] = [];
  /** The values by the writer that got them. */
  readonly bySubtask = new Map<number, T[]>();
  /** The watermark when a record came, by index of `values`. */
  readonly watermarks: number[] = [];
  /** Writers that were made. */
  made = 0;
  /** Writers that were closed. */
  closed = 0;
  readonly #hooks: CollectingSinkHooks<T>;

  constructor(hooks: CollectingSinkHooks<T> = {}) {
    this.#hooks = hooks;
  }

  createWriter(context: SinkWriterContext): SinkWriter<T, string, T> {
    this.#hooks.createWriter?.(context);
    this.made++;
    const own: T[] = [];
    this.bySubtask.set(context.subtaskIndex, own);
    const { backPressure, flush, prepareCommit, write, close } = this.#hooks;
    return {
      write: (value, { timestamp, currentWatermark }) => {
        write?.(value);
        this.values.push(value);
        this.timestamps.push(timestamp);
        this.watermarks.push(currentWatermark);
        own.push(value);
      },
      flush: (endOfInput) => flush?.(endOfInput),
      close: () => {
        this.closed++;
        close?.();
      },
      ...(backPressure === undefined ? {} : { backPressure }),
      ...(prepareCommit === undefined ? {} : { prepareCommit }),
    };
  }
}
