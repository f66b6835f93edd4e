import { AsyncRetryStrategies } from '../functions/async-retry.js';
import { checkCount, checkDuration } from '../windows/durations.js';
import type { Sink, SinkRetry, SinkWriter, SinkWriterContext } from './sink.js';
import { checkColumns, type UpsertStatement } from './sql-upsert.js';
import { UpsertWriter } from './upsert-writer.js';

/** What a column can be given. What becomes of it is the driver's: leave out what yours does not take. */
export type SqlValue = string | number | bigint | boolean | null | Uint8Array | Date;

/** Values in the order of the statement's columns. */
export type SqlRow = readonly SqlValue[];

/** The few things that an upsert sink asks of a database driver: a few lines around whichever you use. */
export interface UpsertConnection {
  /**
   * Executes the statement for each row, in order. Best in one transaction: it is faster, and nobody sees half of it.
   * After a rejection the connection is closed, and the same rows are executed again over a new one, whatever became of them;
   * after the last attempt one by one, so that the failure names the row that the database does not take.
   */
  execute(statement: string, rows: readonly SqlRow[]): void | Promise<void>;
  close?(): void | Promise<void>;
}

/** How many rows are sent together: whatever is reached first, and everything at each checkpoint. */
export interface UpsertBatching {
  /** Rows with different keys. 500 unless told. */
  readonly maxRows?: number;
  /** Roughly, by the lengths of strings and byte arrays. 1 MiB unless told. */
  readonly maxBytes?: number;
  /** How long a row waits at most, in milliseconds. A second unless told. */
  readonly maxDelayMs?: number;
}

export interface UpsertSinkOptions<T> {
  /** One connection per subtask; called again after a failure. */
  readonly connect: (context: SinkWriterContext) => UpsertConnection | Promise<UpsertConnection>;
  /** `sqlUpsert` makes one. */
  readonly statement: UpsertStatement;
  /** The row of a record, by column: the record itself unless told. Every column has to be there; keys must not be `null`. */
  readonly row?: (record: T) => Readonly<Record<string, SqlValue>>;
  readonly batch?: UpsertBatching;
  /** Five attempts, with waits from 100 ms to 10 s, unless told. `AsyncRetryStrategies` makes others. */
  readonly retry?: SinkRetry;
}

/**
 * Writes records into a table, the last one of each key over the one before.
 *
 * At a checkpoint everything has arrived; after a crash records since the last one are written again, which leaves the
 * table as it would be without the crash, if the job writes the same rows again. Until it has caught up, readers can see a
 * key's older value. All records of a key have to come from one subtask: `keyBy` the key, or write with one.
 *
 * @example
 * stream.keyBy(({ shop }) => shop).process(total).sinkTo(new UpsertSink({
 *   statement: sqlUpsert({ table: 'totals', columns: ['shop', 'total'], keyColumns: ['shop'], dialect: 'postgresql' }),
 *   connect,
 * }))
 * @throws StreamConfigError
 */
export class UpsertSink<T> implements Sink<T> {
  readonly #options: UpsertSinkOptions<T>;

  constructor(options: UpsertSinkOptions<T>) {
    const { maxRows = 1, maxBytes = 1, maxDelayMs = 1 } = options.batch ?? {};
    checkCount("'batch.maxRows' of an upsert sink", maxRows);
    checkCount("'batch.maxBytes' of an upsert sink", maxBytes);
    checkDuration("'batch.maxDelayMs' of an upsert sink", maxDelayMs);
    checkColumns(options.statement.columns, options.statement.keyColumns);
    this.#options = options;
  }

  async createWriter(context: SinkWriterContext): Promise<SinkWriter<T>> {
    const { connect, statement, row, batch = {}, retry } = this.#options;
    const writer = new UpsertWriter<T>(
      {
        connect,
        statement,
        row: row ?? ((record) => record as Readonly<Record<string, SqlValue>>),
        maxRows: batch.maxRows ?? 500,
        maxBytes: batch.maxBytes ?? 1024 * 1024,
        maxDelayMs: batch.maxDelayMs ?? 1_000,
        retry:
          retry ??
          AsyncRetryStrategies.exponentialBackoff({
            maxAttempts: 5,
            initialDelayMs: 100,
            maxDelayMs: 10_000,
          }),
      },
      context,
    );
    await writer.open();
    return writer;
  }
}
