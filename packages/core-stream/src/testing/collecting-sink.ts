import type { Sink, SinkWriter, SinkWriterContext } from '../connectors/sink.js';

export interface CollectingSinkHooks<T> {
  readonly backPressure?: () => Promise<void> | undefined;
  readonly flush?: (endOfInput: boolean) => void | Promise<void>;
  readonly prepareCommit?: (checkpointId: number) => Promise<readonly string[]>;
  readonly write?: (value: T) => void;
  readonly close?: () => void;
  readonly createWriter?: (context: SinkWriterContext) => void;
}

/** Remembers what it was given, with timestamps, per subtask; hooks let a test slow it down or break it. */
export class CollectingSink<T> implements Sink<T, string, T> {
  readonly values: T[] = [];
  readonly timestamps: (number | undefined)[] = [];
  readonly bySubtask = new Map<number, T[]>();
  readonly watermarks: number[] = [];
  made = 0;
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
