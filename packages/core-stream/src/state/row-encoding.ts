/** The bytes of a row, and what is said of one that is not plain data. */
import { StreamRecordError } from '../errors.js';
import { encodeStateView } from './canonical-encoding.js';
import type { Row, RowFormat, StoredRow } from './rows.js';

type RowName = Pick<StoredRow, 'key' | 'namespace'>;

/** The table of an operator's keyed state. Its rows list, for each state of a key, name, version and content. */
export const KEYED_STATE_TABLE = 'state';

/** The table of the entries of large maps: the namespace of a row is the state's name and the map's key. */
export const MAP_ENTRY_TABLE = 'map entries';

/** A row that cannot be stored. Who knows how keys are shown makes the message of it. */
export class UnencodableRowError extends StreamRecordError {
  readonly #error: StreamRecordError;
  readonly #path: string;
  readonly #what: string;
  readonly #rest: string;
  readonly #key: unknown;

  constructor(error: StreamRecordError, table: string, data: unknown, { key, namespace }: RowName) {
    super(error.message, { cause: error, details: error.details });
    this.#error = error;
    this.#key = key;
    this.#path = String(error.details.path);
    const [, item, rest] = /^state\[(\d+)\](.*)$/.exec(this.#path) ?? [];
    const within = this.#path.replace(/^state/, '');
    if (table === KEYED_STATE_TABLE && item !== undefined && Array.isArray(data)) {
      this.#what = `state '${String(data[Number(item) - 2])}'`;
      this.#rest = rest!;
    } else if (table === MAP_ENTRY_TABLE) {
      this.#what = `state '${String((namespace as readonly unknown[])[0])}'`;
      this.#rest = `.value${within}`;
    } else {
      this.#what = `rows '${table}'`;
      this.#rest = within;
    }
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
    throw new UnencodableRowError(error, format.table, data, {
      key: row.key,
      namespace: format.namespaceOf?.(row),
    });
  }
}
