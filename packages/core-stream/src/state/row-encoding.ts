/** The bytes of a row, and what is said of one that is not plain data. */
import { StreamRecordError } from '../errors.js';
import { encodeStateView } from './canonical-encoding.js';
import type { Row, RowFormat } from './rows.js';

/** The table of an operator's keyed state. Its rows list, for each state of a key, name, version and content. */
export const KEYED_STATE_TABLE = 'state';

/** A row that cannot be stored. Who knows how keys are shown makes the message of it. */
export class UnencodableRowError extends StreamRecordError {
  readonly #error: StreamRecordError;
  readonly #path: string;
  readonly #what: string;
  readonly #rest: string;
  readonly #key: unknown;

  constructor(error: StreamRecordError, table: string, data: unknown, key: unknown) {
    super(error.message, { cause: error, details: error.details });
    this.#error = error;
    this.#key = key;
    this.#path = String(error.details.path);
    const [, item, rest] = /^state\[(\d+)\](.*)$/.exec(this.#path) ?? [];
    const isState = table === KEYED_STATE_TABLE && item !== undefined && Array.isArray(data);
    this.#what = isState ? `state '${String(data[Number(item) - 2])}'` : `rows '${table}'`;
    this.#rest = isState ? rest! : this.#path.replace(/^state/, '');
  }

  /** The error with the place said as the program knows it: `state 'wallets', key "ada", .balance`. */
  named(describeKey: (key: unknown) => string): StreamRecordError {
    const parts = [this.#what, `key ${describeKey(this.#key)}`, this.#rest];
    const path = parts.filter((part) => part !== '').join(', ');
    return new StreamRecordError(this.#error.message.replace(`'${this.#path}'`, path), { details: { path } });
  }
}

/**
 * A view that the next call overwrites.
 *
 * @throws UnencodableRowError where the row holds what is not plain data
 */
export function encodeRow<R extends Row>(format: RowFormat<R>, row: R): Uint8Array {
  const data = format.dataOf(row);
  try {
    return encodeStateView(data);
  } catch (error) {
    if (!(error instanceof StreamRecordError)) throw error;
    throw new UnencodableRowError(error, format.table, data, row.key);
  }
}
