/**
 * Reads segments: the index, slices with their checksum checked, and the rows that survive in a list of segments.
 *
 * Invariants
 * 1. No byte of a slice is used before its checksum was checked.
 * 2. Of several entries of one row the newest counts: that of the later segment, and within one the later entry. A row whose
 *    newest entry says that it is gone is not given.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { CheckpointError } from '../errors.js';
import { decodeState } from '../state/canonical-decoding.js';
import type { KeyGroupRange } from '../state/key-groups.js';
import { decodeRowId, type StoredRow } from '../state/rows.js';
import type { SegmentRef } from './checkpoint-data.js';
import type { CheckpointStorage } from './checkpoint-storage.js';
import { SEGMENT_LOST } from './storage-failure.js';

/** The rows of one key group and one table. */
export interface SegmentSlice {
  readonly keyGroup: number;
  readonly table: string;
  readonly offset: number;
  readonly length: number;
  readonly rows: number;
  readonly crc32: number;
}

/** Fields of a slice in the encoded index: key group, table, length, rows, checksum. Slices follow each other without gaps. */
const INDEX_FIELDS = 5;

/** What reading segments needs of a storage. */
export type SegmentSource = Pick<CheckpointStorage, 'location' | 'readSegment'>;

/** A row as a segment holds it. Views of the segment's bytes: copy them to keep them. */
export interface SegmentEntry {
  readonly id: Uint8Array;
  /** `undefined` where the row is gone. */
  readonly data: Uint8Array | undefined;
}

/** The rows of some key groups, decoded when they are asked for. */
export interface RestoredRows {
  /** Names of the tables that segments have entries of. */
  tables(): readonly string[];
  /** By key group, each row once. */
  rows(table: string): Iterable<StoredRow>;
  /** As `rows`, as bytes. */
  entries(table: string): Iterable<StoredEntry>;
}

/** A row that is there, as bytes. */
export interface StoredEntry {
  readonly keyGroup: number;
  readonly id: Uint8Array;
  readonly data: Uint8Array;
}

/** Adjacent slices are read together up to this many bytes. */
const LARGEST_READ = 16 << 20;

/** Where each slice of a segment lies, ordered by key group. */
export async function readSegmentIndex(
  storage: SegmentSource,
  segment: SegmentRef,
): Promise<readonly SegmentSlice[]> {
  const { indexOffset, bytes } = segment;
  const encoded = await storage.readSegment(segment.id, {
    offset: indexOffset,
    length: bytes - indexOffset,
  });
  if (createHash('sha256').update(encoded).digest('hex') !== segment.indexSha256) {
    throw damaged(storage, segment, 'its index');
  }
  const { tables, slices } = decodeState(encoded) as { tables: string[]; slices: number[] };
  const read: SegmentSlice[] = [];
  let offset = 0;
  for (let i = 0; i < slices.length; i += INDEX_FIELDS) {
    const [keyGroup, table, length, rows, checksum] = slices.slice(i, i + INDEX_FIELDS) as [
      number,
      number,
      number,
      number,
      number,
    ];
    read.push({ keyGroup, table: tables[table]!, offset, length, rows, crc32: checksum >>> 0 });
    offset += length;
  }
  return read;
}

/** The bytes of `slices`, which follow each other in the segment; checked (invariant 1). */
export async function readSlices(
  storage: SegmentSource,
  segment: SegmentRef,
  slices: readonly SegmentSlice[],
): Promise<readonly Uint8Array[]> {
  const result: Uint8Array[] = [];
  for (const together of coalesced(slices)) {
    const { offset } = together[0]!;
    const length = together.reduce((sum, slice) => sum + slice.length, 0);
    const bytes = await storage.readSegment(segment.id, { offset, length });
    for (const slice of together) {
      const view = bytes.subarray(slice.offset - offset, slice.offset - offset + slice.length);
      if (view.length !== slice.length || crc32(view) !== slice.crc32) {
        throw damaged(storage, segment, `table '${slice.table}' in key group ${slice.keyGroup}`);
      }
      result.push(view);
    }
  }
  return result;
}

function* coalesced(slices: readonly SegmentSlice[]): Iterable<readonly SegmentSlice[]> {
  let together: SegmentSlice[] = [];
  let length = 0;
  for (const slice of slices) {
    const previous = together.at(-1);
    const isAdjacent = previous !== undefined && previous.offset + previous.length === slice.offset;
    if (together.length > 0 && (!isAdjacent || length + slice.length > LARGEST_READ)) {
      yield together;
      together = [];
      length = 0;
    }
    together.push(slice);
    length += slice.length;
  }
  if (together.length > 0) yield together;
}

/** The entries of a slice, in the order in which they were added. */
export function* entriesOf(slice: Uint8Array): Iterable<SegmentEntry> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = slice[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  };
  while (at < slice.length) {
    const idLength = varint();
    const size = varint();
    const id = slice.subarray(at, (at += idLength));
    yield { id, data: size === 0 ? undefined : slice.subarray(at, (at += size - 1)) };
  }
}

/**
 * The newest entry of each row, oldest slice first (invariant 2). Rows keep the place of their first entry, as in a `Map`.
 */
export function newestEntries(slices: readonly Uint8Array[]): ReadonlyMap<string, SegmentEntry> {
  const newest = new Map<string, SegmentEntry>();
  for (const slice of slices) {
    for (const entry of entriesOf(slice)) newest.set(identityOf(entry.id), entry);
  }
  return newest;
}

export function identityOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1');
}

/**
 * Reads what `segments`, oldest first, hold of some key groups, and of those tables that are wanted.
 *
 * @throws CheckpointError `MILLRACE_CHECKPOINT` where a segment is missing or damaged
 */
export async function readRows(
  storage: SegmentSource,
  segments: readonly SegmentRef[],
  keyGroups: KeyGroupRange,
  isWanted: (table: string) => boolean = () => true,
): Promise<RestoredRows> {
  const read = await Promise.all(
    segments
      .filter((segment) => overlap(segment.keyGroups, keyGroups))
      .map(async (segment) => {
        const index = await readSegmentIndex(storage, segment);
        const slices = index.filter(
          ({ keyGroup, table }) => keyGroup >= keyGroups.start && keyGroup < keyGroups.end && isWanted(table),
        );
        return { slices, bytes: await readSlices(storage, segment, slices) };
      }),
  );
  /** Of each table by key group, oldest first. */
  const tables = new Map<string, Map<number, Uint8Array[]>>();
  for (const { slices, bytes } of read) {
    slices.forEach(({ table, keyGroup }, i) => {
      let groups = tables.get(table);
      if (groups === undefined) tables.set(table, (groups = new Map()));
      const group = groups.get(keyGroup);
      if (group === undefined) groups.set(keyGroup, [bytes[i]!]);
      else group.push(bytes[i]!);
    });
  }
  return new SegmentRows(tables);
}

class SegmentRows implements RestoredRows {
  readonly #tables: ReadonlyMap<string, ReadonlyMap<number, readonly Uint8Array[]>>;

  constructor(tables: ReadonlyMap<string, ReadonlyMap<number, readonly Uint8Array[]>>) {
    this.#tables = tables;
  }

  tables(): readonly string[] {
    return [...this.#tables.keys()];
  }

  *rows(table: string): Iterable<StoredRow> {
    for (const { id, data } of this.entries(table)) {
      const { key, namespace } = decodeRowId(id);
      yield { key, namespace, data: decodeState(data) };
    }
  }

  *entries(table: string): Iterable<StoredEntry> {
    const groups = this.#tables.get(table) ?? new Map<number, readonly Uint8Array[]>();
    for (const keyGroup of [...groups.keys()].sort((a, b) => a - b)) {
      for (const { id, data } of newestEntries(groups.get(keyGroup)!).values()) {
        if (data !== undefined) yield { keyGroup, id, data };
      }
    }
  }
}

export function overlap(a: KeyGroupRange, b: KeyGroupRange): boolean {
  return a.start < b.end && b.start < a.end;
}

function damaged(storage: SegmentSource, { id }: SegmentRef, what: string): CheckpointError {
  return new CheckpointError(
    `The segment '${id}' in ${storage.location} is damaged: ${what} does not match its checksum. ${SEGMENT_LOST}`,
    { details: { segment: id, location: storage.location } },
  );
}
