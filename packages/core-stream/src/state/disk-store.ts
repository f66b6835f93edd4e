/**
 * Rows in an embedded store (LMDB), with what is needed to take back everything since a checkpoint.
 *
 * Role: reads and writes rows in transactions, keeps undo records, reads a stable state while writes go on. Boundary: knows
 * neither row objects nor operators; whether what a directory holds may be used is the history's business.
 *
 * A writer is one subtask of one operator. What it writes after its part of checkpoint `c` was taken belongs to `c`, until
 * its part of the next one is taken.
 *
 * Invariants
 * 1. The first write of a row that belongs to a checkpoint stores, in the same transaction, what the row was before.
 * 2. After `rollBackTo(c)` every row is as it was when checkpoint `c` was taken, whatever was written since, also where
 *    a rollback was cut off before.
 * 3. What `changes` gives does not see writes that come after it was called.
 * 4. A write that fails has written nothing.
 *
 * Nothing is synced to the medium: a process that is killed loses nothing, a machine that is switched off may leave anything
 * behind. The history tells the one from the other.
 */
import { open, type RootDatabase, type TransactionFlags } from 'lmdb';
import { messageOf } from '../runtime/describe-value.js';
import { CheckpointError, InvariantError } from '../errors.js';
import { decodeState } from './canonical-decoding.js';
import { encodeState } from './canonical-encoding.js';
import {
  afterPrefix,
  countKey,
  factKey,
  idOf,
  isRowKey,
  keyGroupOfRow,
  LAST_UNDO_KEY,
  LONGEST_ID,
  rowsOfTable,
  tableOf,
  undoKey,
  type KeyRange,
} from './disk-keys.js';

/** `data` is `undefined` for a row that goes. */
export interface RowWrite {
  readonly key: Buffer;
  /** What `key` was made from; `undefined` for what is not a row. */
  readonly id: Uint8Array | undefined;
  readonly data: Uint8Array | undefined;
}

/** A row as it was when changes were taken; `undefined` where it is gone. */
export interface RowChange {
  readonly table: number;
  readonly keyGroup: number;
  readonly id: Uint8Array;
  readonly data: Uint8Array | undefined;
}

/** A row that is there. */
export interface StoredBytes {
  readonly keyGroup: number;
  readonly id: Uint8Array;
  readonly data: Uint8Array;
}

/** A subtask's position: which checkpoint its writes belong to, and how many undo records that has by now. */
export interface DiskWriter {
  readonly number: number;
  checkpointId: number;
  undoCount: number;
}

interface StoredTables {
  readonly tables: readonly (readonly [string, number])[];
  /** Numbers are used once. */
  readonly next: number;
}

/** The checkpoint that a value was written after (6 bytes), then 1 and length and bytes of an id that is too long for the key, or 0; then the data. */
const HEADER = 7;
/** An undo record: length of the key, key, then 1 and the old value, or 0. */
const UNDO_HEADER = 3;
/** Records that one transaction takes back or forgets. */
const BATCH = 4096;
/** Do not wait for the medium. */
const NO_SYNC = 0x10000 as TransactionFlags;

export class DiskStore {
  readonly directory: string;
  readonly #db: RootDatabase<Buffer, Buffer>;
  /** By operator and name. */
  readonly #tables: Map<string, number>;
  #nextTable: number;
  #writers = 0;
  #isClosed = false;

  constructor(directory: string) {
    this.directory = directory;
    this.#db = open<Buffer, Buffer>({
      path: directory,
      encoding: 'binary',
      keyEncoding: 'binary',
      noSync: true,
      noMemInit: true,
    });
    const known = this.fact('tables') as StoredTables | undefined;
    this.#tables = new Map(known?.tables);
    this.#nextTable = known?.next ?? 0;
  }

  /** Plain data about the store. */
  fact(name: string): unknown {
    const bytes = this.#db.getBinary(factKey(name));
    return bytes === undefined ? undefined : decodeState(bytes);
  }

  setFact(name: string, value: unknown): void {
    this.#transact(() => this.#db.putSync(factKey(name), encodeState(value)));
  }

  /** The number of an operator's table; a new one where it has none. */
  table(uid: string, table: string): number {
    const name = nameOf(uid, table);
    let number = this.#tables.get(name);
    if (number === undefined) {
      number = this.#nextTable++;
      this.#tables.set(name, number);
      this.#storeTables();
    }
    return number;
  }

  #storeTables(): void {
    const tables: StoredTables = { tables: [...this.#tables], next: this.#nextTable };
    this.setFact('tables', tables);
  }

  /** An operator's tables. */
  tablesOf(uid: string): readonly string[] {
    const prefix = nameOf(uid, '');
    return [...this.#tables.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
  }

  /** For writes that belong to `checkpointId`; call it after everything that belongs to it was taken back. */
  writer(checkpointId: number): DiskWriter {
    return { number: this.#writers++, checkpointId, undoCount: 0 };
  }

  /** The data of a row; a view that the next read overwrites. */
  get(key: Buffer): Uint8Array | undefined {
    const value = this.#read(key);
    return value === undefined ? undefined : dataOf(value);
  }

  /**
   * Without a writer nothing can be taken back. What is as it was is not written.
   *
   * @throws CheckpointError `MILLRACE_CHECKPOINT` where there is no room (invariant 4)
   */
  write(writer: DiskWriter | undefined, writes: readonly RowWrite[]): void {
    if (writes.length === 0) return;
    const undoCount = writer?.undoCount;
    try {
      this.#transact(() => {
        for (const write of writes) this.#writeRow(writer, write);
      });
    } catch (error) {
      if (writer !== undefined) writer.undoCount = undoCount!;
      throw error;
    }
  }

  #writeRow(writer: DiskWriter | undefined, { key, id, data }: RowWrite): void {
    const old = this.#read(key);
    if (data === undefined ? old === undefined : old !== undefined && equals(dataOf(old), data)) return;
    const checkpointId = writer?.checkpointId ?? 0;
    if (writer !== undefined && (old === undefined || old.readUIntBE(0, 6) < checkpointId)) {
      const undo = Buffer.allocUnsafe(UNDO_HEADER + key.length + (old?.length ?? 0));
      undo.writeUInt16BE(key.length, 0);
      undo.set(key, 2);
      undo[2 + key.length] = old === undefined ? 0 : 1;
      if (old !== undefined) undo.set(old, UNDO_HEADER + key.length);
      this.#db.putSync(undoKey(checkpointId, writer.number, writer.undoCount++), undo); // invariant 1
    }
    if (data === undefined) this.#db.removeSync(key);
    else this.#db.putSync(key, valueOf(checkpointId, id, data));
  }

  /** A view that the next read overwrites. */
  #read(key: Buffer): Buffer | undefined {
    this.#requireOpen();
    const value = this.#db.getBinaryFast(key); // its own length is not that of the value
    return value?.subarray(0, value.length);
  }

  /** Rows of a range, ordered by key, from behind the row with the key `after` on. */
  scan(
    { start, end }: KeyRange,
    { limit, after }: { readonly limit: number; readonly after?: Buffer | undefined },
  ): (StoredBytes & { readonly key: Buffer })[] {
    this.#requireOpen();
    const exclusiveStart = after !== undefined;
    const range = this.#db.getRange({ start: after ?? start, exclusiveStart, end, limit });
    const rows: (StoredBytes & { readonly key: Buffer })[] = [];
    for (const { key, value } of range) {
      rows.push({ key, keyGroup: keyGroupOfRow(key), id: idIn(key, value), data: dataOf(value) });
    }
    return rows;
  }

  /** Removes a table for good: it cannot be taken back. */
  drop(uid: string, name: string): void {
    const table = this.table(uid, name);
    this.#tables.delete(nameOf(uid, name));
    this.#storeTables();
    const { start } = rowsOfTable(table, { start: 0, end: 0 });
    for (const first of [countKey(table, 0), start])
      this.#removeRange(first, afterPrefix(first.subarray(0, 3)));
  }

  /** A number of rows, which is kept like a row; 0 where there is none. */
  count(key: Buffer): number {
    const data = this.#read(key);
    return data === undefined ? 0 : dataOf(data).readUInt32BE(0);
  }

  /**
   * What a writer has changed since its last checkpoint, each row at least once, in parts of about `size` rows; with what
   * comes after it belongs to `checkpointId` (invariant 3). Read it to its end, or call `return`.
   */
  changes(writer: DiskWriter, checkpointId: number, size = BATCH): Generator<readonly RowChange[]> {
    const start = undoKey(writer.checkpointId, writer.number);
    const end = undoKey(writer.checkpointId, writer.number, writer.undoCount);
    writer.checkpointId = checkpointId;
    writer.undoCount = 0;
    const transaction = this.#db.useReadTransaction();
    const db = this.#db;
    const generator = (function* (): Generator<readonly RowChange[]> {
      try {
        yield []; // up to here it is run at once, so that `return` always gets to `finally`
        let from = start;
        for (;;) {
          const part: RowChange[] = [];
          let read = 0;
          for (const { key: undo, value } of db.getRange({ start: from, end, limit: size, transaction })) {
            read++;
            from = Buffer.concat([undo, Buffer.of(0)]);
            const { key, old } = decodeUndo(value);
            if (!isRowKey(key)) continue;
            const now = db.get(key, { transaction });
            if (now === undefined && old === undefined) continue; // it came and went
            const id = Uint8Array.from(idIn(key, (now ?? old)!));
            const data = now === undefined ? undefined : dataOf(now);
            part.push({ table: tableOf(key), keyGroup: keyGroupOfRow(key), id, data });
          }
          if (part.length > 0) yield part;
          if (read < size) return;
        }
      } finally {
        transaction.done();
      }
    })();
    generator.next();
    return generator;
  }

  /** Takes back everything that belongs to `checkpointId` or a later one; costs as much as that is (invariant 2). */
  rollBackTo(checkpointId: number): void {
    const end = undoKey(checkpointId).subarray(0, 7); // the end is not in the range: no record has this key
    for (;;) {
      const undone = [...this.#db.getRange({ start: LAST_UNDO_KEY, end, reverse: true, limit: BATCH })];
      if (undone.length === 0) return;
      this.#transact(() => {
        for (const { key: undo, value } of undone) {
          const { key, old } = decodeUndo(value);
          if (old === undefined) this.#db.removeSync(key);
          else this.#db.putSync(key, Buffer.from(old));
          this.#db.removeSync(undo);
        }
      });
      if (undone.length < BATCH) return;
    }
  }

  /** Nothing is taken back to before `checkpointId` any more. Returns whether there may be more to forget. */
  forget(checkpointId: number, limit = BATCH): boolean {
    const keys = [...this.#db.getKeys({ start: undoKey(0), end: undoKey(checkpointId), limit })];
    if (keys.length === 0) return false;
    this.#transact(() => {
      for (const key of keys) this.#db.removeSync(key);
    });
    return keys.length === limit;
  }

  #removeRange(start: Buffer, end: Buffer): void {
    for (;;) {
      const keys = [...this.#db.getKeys({ start, end, limit: BATCH })];
      if (keys.length === 0) return;
      this.#transact(() => {
        for (const key of keys) this.#db.removeSync(key);
      });
    }
  }

  #transact(work: () => void): void {
    this.#requireOpen();
    try {
      this.#db.transactionSync(work, NO_SYNC);
    } catch (error) {
      throw new CheckpointError(
        `The state store in ${this.directory} cannot be written: ${messageOf(error)}. ` +
          'Make room where the directory is, then start the job again: it goes on from its newest checkpoint.',
        { cause: error, retryable: true, details: { directory: this.directory } },
      );
    }
  }

  /** A use after that would end the process. */
  #requireOpen(): void {
    if (this.#isClosed)
      throw new InvariantError(`The state store in ${this.directory} is used after it was closed`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#db.close();
  }
}

export function encodeCount(count: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(count);
  return bytes;
}

function nameOf(uid: string, table: string): string {
  return `${uid.length}:${uid}${table}`;
}

function valueOf(checkpointId: number, id: Uint8Array | undefined, data: Uint8Array): Buffer {
  const isLong = id !== undefined && id.length > LONGEST_ID;
  const idSize = isLong ? 4 + id.length : 0;
  const value = Buffer.allocUnsafe(HEADER + idSize + data.length);
  value.writeUIntBE(checkpointId, 0, 6);
  value[6] = isLong ? 1 : 0;
  if (isLong) {
    value.writeUInt32BE(id.length, HEADER);
    value.set(id, HEADER + 4);
  }
  value.set(data, HEADER + idSize);
  return value;
}

function dataOf(value: Buffer): Buffer {
  return value.subarray(value[6] === 0 ? HEADER : HEADER + 4 + value.readUInt32BE(HEADER));
}

function idIn(key: Buffer, value: Buffer): Uint8Array {
  return value[6] === 0 ? idOf(key) : value.subarray(HEADER + 4, HEADER + 4 + value.readUInt32BE(HEADER));
}

function decodeUndo(undo: Buffer): { readonly key: Buffer; readonly old: Buffer | undefined } {
  const length = undo.readUInt16BE(0);
  const key = Buffer.from(undo.subarray(2, 2 + length));
  return { key, old: undo[2 + length] === 0 ? undefined : undo.subarray(UNDO_HEADER + length) };
}

function equals(a: Buffer, b: Uint8Array): boolean {
  return a.length === b.length && a.equals(b);
}
