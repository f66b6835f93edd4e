/**
 * Sends the rows of one subtask in batches, one after the other.
 *
 * Invariants
 * 1. Of the rows of one key in a batch only the last is sent; batches are sent in order, and repeated as they are.
 * 2. `flush` resolves when every row that was written has been executed.
 * 3. One batch is on its way and one is being filled: what is buffered is bounded by both, and one turn's records.
 * 4. Where a batch fails for good, the error names the first of its rows that fails alone, too.
 */
import { StreamRecordError } from '../errors.js';
import { messageOf } from '../runtime/describe-value.js';
import { sleep, type Cancel } from '../time/clock.js';
import type { SinkRetry, SinkWriter, SinkWriterContext } from './sink.js';
import type { UpsertStatement } from './sql-upsert.js';
import type { SqlRow, SqlValue, UpsertConnection } from './upsert-sink.js';

export interface UpsertWriterOptions<T> {
  readonly connect: (context: SinkWriterContext) => UpsertConnection | Promise<UpsertConnection>;
  readonly statement: UpsertStatement;
  readonly row: (record: T) => Readonly<Record<string, SqlValue>>;
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly maxDelayMs: number;
  readonly retry: SinkRetry;
}

export class UpsertWriter<T> implements SinkWriter<T> {
  readonly #options: UpsertWriterOptions<T>;
  readonly #context: SinkWriterContext;
  readonly #keyIndexes: readonly number[];
  #connection: UpsertConnection | undefined;
  /** By key, in the order of each key's last record. */
  #batch = new Map<string, SqlRow>();
  #bytes = 0;
  /** The batch that is on its way. Never rejects: what went wrong is in `#failure`. */
  #sending: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #cancelDelay: Cancel | undefined;

  constructor(options: UpsertWriterOptions<T>, context: SinkWriterContext) {
    this.#options = options;
    this.#context = context;
    const { columns, keyColumns } = options.statement;
    this.#keyIndexes = keyColumns.map((name) => columns.indexOf(name));
  }

  /** Connects, so that a job that cannot write does not begin to read. */
  open(): Promise<void> {
    return this.#withRetries('connecting', async () => void (await this.#connect()));
  }

  write(record: T): void {
    const row = this.#rowOf(record);
    const key = this.#keyOf(row);
    const earlier = this.#batch.get(key);
    if (earlier !== undefined) {
      this.#bytes -= sizeOf(earlier);
      this.#batch.delete(key); // the order of last records, also for keys that only the database takes for the same
    }
    this.#batch.set(key, row); // invariant 1
    this.#bytes += sizeOf(row);
    this.#cancelDelay ??= this.#context.clock.schedule(this.#options.maxDelayMs, () => {
      this.#cancelDelay = undefined;
      this.#sendNext();
    });
  }

  /** Now, or when the batch that is on its way has arrived. */
  #sendNext(): void {
    if (this.#sending === undefined) this.#send();
    else void this.#sending.then(() => this.#sendNext());
  }

  #rowOf(record: T): SqlRow {
    const fields = this.#options.row(record);
    return this.#options.statement.columns.map((column) => {
      const value = fields[column] as SqlValue | undefined;
      if (value === undefined) throw refused(`it has no '${column}'; say null where there is none`);
      return value;
    });
  }

  #keyOf(row: SqlRow): string {
    const { keyColumns } = this.#options.statement;
    let key = '';
    for (const [position, index] of this.#keyIndexes.entries()) {
      const text = identityOf(row[index]!);
      if (text === undefined)
        throw refused(`its key '${keyColumns[position]!}' is null, which is never the same as another`);
      key += `${text.length}:${text}`;
    }
    return key;
  }

  backPressure(): Promise<void> | undefined {
    if (this.#failure !== undefined) return this.flush();
    if (this.#batch.size < this.#options.maxRows && this.#bytes < this.#options.maxBytes) return undefined;
    const sending = this.#sending;
    if (sending === undefined) {
      this.#send();
      return undefined;
    }
    return sending.then(() => {
      this.#throwFailure();
      this.#send(); // invariant 3
    });
  }

  async flush(): Promise<void> {
    await this.#sending;
    this.#throwFailure();
    this.#send();
    await this.#sending; // invariant 2
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #send(): void {
    this.#cancelDelay?.();
    this.#cancelDelay = undefined;
    if (this.#batch.size === 0 || this.#failure !== undefined) return;
    const rows = [...this.#batch.values()];
    this.#batch = new Map();
    this.#bytes = 0;
    this.#sending = this.#withRetries(`writing ${rows.length} rows`, () => this.#execute(rows))
      .catch((error: unknown) => this.#writeOneByOne(rows, error))
      .catch((error: unknown) => void (this.#failure = { error }))
      .finally(() => (this.#sending = undefined));
  }

  async #execute(rows: readonly SqlRow[]): Promise<void> {
    const connection = await this.#connect();
    await connection.execute(this.#options.statement.sql, rows);
  }

  /** After the last attempt (invariant 4). What the database takes is written twice at most, which changes nothing. */
  async #writeOneByOne(rows: readonly SqlRow[], failure: unknown): Promise<void> {
    if (rows.length === 1) throw failure;
    for (const [index, row] of rows.entries()) {
      if (this.#context.signal.aborted) throw failure;
      try {
        await this.#execute([row]);
      } catch (error) {
        await this.#disconnect();
        const key = this.#context.describer.describeRecord(this.#keyIndexes.map((at) => row[at]));
        throw new Error(
          `${messageOf(failure)}. Row ${index + 1} of them, with the key ${key}, fails alone, too: ${messageOf(error)}`,
          { cause: error },
        );
      }
    }
  }

  async #connect(): Promise<UpsertConnection> {
    return (this.#connection ??= await this.#options.connect(this.#context));
  }

  async #withRetries(doing: string, work: () => Promise<void>): Promise<void> {
    const { retry } = this.#options;
    const { clock, describer, logger, signal } = this.#context;
    for (let attempt = 1; ; attempt++) {
      try {
        await work();
        return;
      } catch (error) {
        await this.#disconnect();
        const isOver =
          attempt >= retry.maxAttempts || signal.aborted || retry.retryOnError?.(error) === false;
        if (isOver) {
          throw new Error(`${doing} failed at attempt ${attempt}: ${messageOf(error)}`, { cause: error });
        }
        const delayMs = retry.delayMs(attempt);
        const seen = describer.describeError(error);
        logger.warn(`${doing} failed and is tried again`, { error: seen, attempt, delayMs });
        await sleep(clock, delayMs, signal);
      }
    }
  }

  /** The connection is of no use any more: how it ends does not matter, but is said. */
  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    try {
      await connection?.close?.();
    } catch (error) {
      const { describer, logger } = this.#context;
      logger.warn('closing failed', { error: describer.describeError(error) });
    }
  }

  async close(): Promise<void> {
    this.#cancelDelay?.();
    this.#batch = new Map();
    await this.#sending; // a statement that is under way cannot be taken back
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close?.();
  }
}

/** A text that two values share exactly when they are the same; `undefined` for `null`. */
function identityOf(value: SqlValue): string | undefined {
  if (value === null) return undefined;
  if (value instanceof Date) return `date ${value.getTime()}`;
  if (value instanceof Uint8Array)
    return `bytes ${Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')}`;
  return `${typeof value} ${value}`;
}

function sizeOf(row: SqlRow): number {
  let size = 0;
  for (const value of row) {
    size += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
  }
  return size;
}

/** Which record it is about, the task says. */
function refused(problem: string): StreamRecordError {
  return new StreamRecordError(
    `The record cannot be written: ${problem}. Correct it in 'row', or filter such records out before the sink.`,
  );
}
