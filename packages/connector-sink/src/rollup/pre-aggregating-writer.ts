/**
 * Puts a roll-up before a sink's writer: it gets partial rows instead of records.
 *
 * Invariants:
 * 1. A barrier finds no partial row here: nothing of this is state.
 * 2. There are never more than `maxRows` of them.
 * 3. Event time does not pass partial rows.
 */
import type { SinkWriteContext, SinkWriter } from '@millrace/core-stream';
import type { PartialRow, PartialRows } from './partial-rows.js';

/** Characters of keys from which rows go on, however few they are. */
const MAX_CHARACTERS = 64 * 1024 * 1024;

export interface PreAggregatingWriterOptions<T> {
  readonly writer: SinkWriter<T>;
  /** Where a record is rolled up; `undefined` for one that no schema is for. */
  readonly rowsOf: (record: T) => PartialRows<T> | undefined;
  readonly all: readonly PartialRows<T>[];
  readonly maxRows: number;
}

export class PreAggregatingWriter<T> implements SinkWriter<T> {
  readonly #options: PreAggregatingWriterOptions<T>;
  #context: SinkWriteContext = { timestamp: undefined, currentWatermark: -Infinity };

  constructor(options: PreAggregatingWriterOptions<T>) {
    this.#options = options;
  }

  write(value: T, context: SinkWriteContext): void {
    const { writer, rowsOf, all, maxRows } = this.#options;
    this.#context = context;
    const rows = rowsOf(value);
    // The writer knows what to do with a record that is no row.
    if (rows?.add(value) !== true) writer.write(value, context);
    else if (isFull(all, maxRows)) this.#passOn(); // invariant 2
  }

  writeWatermark(watermark: number): void {
    const { writer } = this.#options;
    if (writer.writeWatermark === undefined) return;
    this.#passOn(); // invariant 3
    writer.writeWatermark(watermark);
  }

  backPressure(): Promise<void> | undefined {
    return this.#options.writer.backPressure?.();
  }

  flush(endOfInput: boolean): void | Promise<void> {
    this.#passOn(); // invariant 1
    return this.#options.writer.flush(endOfInput);
  }

  prepareCommit(
    checkpointId: number,
    isSavepoint: boolean,
  ): readonly unknown[] | Promise<readonly unknown[]> {
    return this.#options.writer.prepareCommit?.(checkpointId, isSavepoint) ?? [];
  }

  snapshotState(checkpointId: number): readonly unknown[] {
    return this.#options.writer.snapshotState?.(checkpointId) ?? [];
  }

  close(): void | Promise<void> {
    return this.#options.writer.close();
  }

  #passOn(): void {
    const { writer, all } = this.#options;
    const receive = (row: PartialRow) => {
      writer.write(row as T, this.#context);
    };
    for (const rows of all) rows.takeAll(receive);
  }
}

function isFull<T>(all: readonly PartialRows<T>[], maxRows: number): boolean {
  let size = 0;
  let characters = 0;
  for (const rows of all) {
    size += rows.size;
    characters += rows.characters;
  }
  return size >= maxRows || characters >= MAX_CHARACTERS;
}
