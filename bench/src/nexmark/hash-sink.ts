import type { Sink, SinkWriter, SinkWriterContext } from '@millrace/core-stream';
import { RowHash, type RowHashState } from './row-hash.js';

/** Adds the hash of a row. */
export type AddRow<T> = (hash: RowHash, row: T) => void;

/** Where the writers' results go at the end of the input. */
export interface Total {
  merge(state: RowHashState): void;
}

/** Discards rows, and keeps their number and their hash: per writer, and at the end of the input those of all in `total`. */
export class HashSink<T> implements Sink<T, never, RowHashState> {
  readonly #addRow: AddRow<T>;
  readonly #total: Total;

  constructor(addRow: AddRow<T>, total: Total) {
    this.#addRow = addRow;
    this.#total = total;
  }

  createWriter(
    _context: SinkWriterContext,
    restored: readonly RowHashState[],
  ): SinkWriter<T, never, RowHashState> {
    const addRow = this.#addRow;
    const total = this.#total;
    const hash = new RowHash();
    for (const state of restored) hash.merge(state);
    return {
      write: (row) => addRow(hash, row),
      flush(isEndOfInput) {
        if (isEndOfInput) total.merge(hash.state());
      },
      snapshotState: () => [hash.state()],
      close: () => undefined,
    };
  }
}
