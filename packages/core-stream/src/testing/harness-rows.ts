/** The rows that a harness' subtasks have stored: what a checkpoint storage keeps for a job, without its segments. */
import type { RestoredRows, StoredEntry } from '../checkpoint/segment-reader.js';
import { decodeState } from '../state/canonical-decoding.js';
import { keyGroupOf, type KeyGroupRange } from '../state/key-groups.js';
import { decodeRowId, type RowSink } from '../state/rows.js';

/** A row, and whose it is. */
export interface HarnessRow {
  readonly uid: string;
  readonly table: string;
  /** Encoded. */
  readonly id: Uint8Array;
  readonly data: Uint8Array;
}

/** The newest of each row; those that the harness was restored from included. */
export class HarnessRows {
  readonly #rows = new Map<string, HarnessRow>();

  constructor(restored: readonly HarnessRow[]) {
    for (const row of restored) this.#rows.set(nameOf(row), row);
  }

  /** Where the changes of an operator's subtasks go. */
  sinkOf(uid: string): RowSink {
    return {
      add: (table, _key, id, data) => {
        const name = nameOf({ uid, table, id });
        if (data === undefined) this.#rows.delete(name);
        else this.#rows.set(name, { uid, table, id: Uint8Array.from(id), data: Uint8Array.from(data) });
      },
    };
  }

  /** The same for the same rows. Later additions do not reach it. */
  snapshot(): readonly HarnessRow[] {
    const names = [...this.#rows.keys()].sort();
    return names.map((name) => this.#rows.get(name)!);
  }
}

/** Those of `rows` that are an operator's, in a range of its key groups. */
export function restoredRows(
  rows: readonly HarnessRow[],
  uid: string,
  { start, end }: KeyGroupRange,
  maxParallelism: number,
): RestoredRows {
  const own = rows.flatMap((row): (StoredEntry & { readonly table: string })[] => {
    const keyGroup = keyGroupOf(decodeRowId(row.id).key, maxParallelism);
    return row.uid === uid && keyGroup >= start && keyGroup < end ? [{ ...row, keyGroup }] : [];
  });
  const entries = (table: string): StoredEntry[] => own.filter((row) => row.table === table);
  return {
    tables: () => [...new Set(own.map(({ table }) => table))],
    rows: (table) => entries(table).map(({ id, data }) => ({ ...decodeRowId(id), data: decodeState(data) })),
    entries,
  };
}

function nameOf({ uid, table, id }: Pick<HarnessRow, 'uid' | 'table' | 'id'>): string {
  return `${uid}\n${table}\n${Buffer.from(id).toString('latin1')}`;
}
