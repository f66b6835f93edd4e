/**
 * A segment: rows of one operator that have changed, as one immutable object in the storage.
 *
 * Role: the format, written here and read by `segment-reader.ts`. Boundary: bytes; where they lie is the storage's business.
 *
 * Layout: slices, one per key group and table that has rows, ordered by key group, then the index. A slice is a sequence of
 * entries: length of the id, length of the data + 1 (0: the row is gone), both as varints, the id, the data.
 *
 * Invariants
 * 1. Within a slice entries keep the order in which they were added: a later one overrules an earlier one.
 * 2. Each slice has a CRC-32 in the index; the index has a SHA-256 in the manifest. CRC-32 because the slices are large, one
 *    subtask reads some of them only, and what it must find are damaged bytes, not forged ones.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { CheckpointError } from '../errors.js';
import { encodeState } from '../state/canonical-encoding.js';
import { keyGroupOf, type KeyGroupRange } from '../state/key-groups.js';
import type { RowSink } from '../state/rows.js';
import type { SegmentRef } from './checkpoint-data.js';

export { readRows } from './segment-reader.js';

/** A segment that is not stored yet. */
export interface SegmentContent extends Omit<SegmentRef, 'id'> {
  readonly chunks: readonly Uint8Array[];
}

/** What a subtask hands over at a checkpoint; `undefined` where nothing has changed. A promise where it is still being read. */
export type TakenRows = SegmentContent | undefined | Promise<SegmentContent | undefined>;

const FIRST_CHUNK = 256;
const LARGEST_CHUNK = 1 << 18;
/** Up to this length a loop is faster than a call into the runtime. */
const SHORT = 48;
/** Two varints of 32 bits. */
const LONGEST_HEADER = 10;
/** What they can count. */
const LARGEST_ENTRY = 2 ** 32 - 1;

/** Collects changed rows at a checkpoint. */
export class SegmentBuilder implements RowSink {
  readonly #maxParallelism: number;
  readonly #tables = new Map<string, (SliceBuilder | undefined)[]>();
  #table: string | undefined;
  /** Of `#table`, by key group. */
  #slices: (SliceBuilder | undefined)[] = [];

  /** `maxParallelism` is the operator's number of key groups. */
  constructor(maxParallelism: number) {
    this.#maxParallelism = maxParallelism;
  }

  add(table: string, key: unknown, id: Uint8Array, data: Uint8Array | undefined): void {
    this.addTo(table, keyGroupOf(key, this.#maxParallelism), id, data);
  }

  /** As `add`, of a row whose key group is known. */
  addTo(table: string, keyGroup: number, id: Uint8Array, data: Uint8Array | undefined): void {
    if (table !== this.#table) this.#select(table);
    (this.#slices[keyGroup] ??= new SliceBuilder()).add(id, data);
  }

  #select(table: string): void {
    this.#table = table;
    const known = this.#tables.get(table);
    this.#slices = known ?? new Array<undefined>(this.#maxParallelism).fill(undefined);
    if (known === undefined) this.#tables.set(table, this.#slices);
  }

  /** Call it once, when all rows are there; it need not be in the pause. `undefined` where nothing was added. */
  build(): SegmentContent | undefined {
    const chunks: Uint8Array[] = [];
    const index = new SegmentIndexBuilder();
    for (let keyGroup = 0; keyGroup < this.#maxParallelism; keyGroup++) {
      for (const [table, slices] of this.#tables) {
        const slice = slices[keyGroup];
        if (slice === undefined) continue;
        const bytes = slice.build();
        for (const chunk of bytes) chunks.push(chunk);
        index.add(keyGroup, table, bytes, slice.rows);
      }
    }
    if (index.rows === 0) return undefined;
    const { encoded, ...described } = index.build();
    return { ...described, chunks: [...chunks, encoded] };
  }
}

/** The entries of one slice, in buffers that grow without being copied. */
export class SliceBuilder {
  rows = 0;
  readonly #full: Uint8Array[] = [];
  #chunk: Buffer = Buffer.allocUnsafe(FIRST_CHUNK);
  #length = 0;

  add(id: Uint8Array, data: Uint8Array | undefined): void {
    const size = data === undefined ? 0 : data.length + 1;
    const needed = LONGEST_HEADER + id.length + size;
    if (this.#length + needed > this.#chunk.length) this.#grow(needed);
    const chunk = this.#chunk;
    let at = writeVarint(chunk, this.#length, id.length);
    at = writeVarint(chunk, at, size);
    at = copy(id, chunk, at);
    this.#length = data === undefined ? at : copy(data, chunk, at);
    this.rows++;
  }

  #grow(needed: number): void {
    if (needed > LARGEST_ENTRY) {
      throw new CheckpointError(
        `A row of keyed state has ${needed} bytes, more than ${LARGEST_ENTRY}. Make its key finer, so that there are several rows.`,
      );
    }
    if (this.#length > 0) this.#full.push(this.#chunk.subarray(0, this.#length));
    const size = Math.max(needed, Math.min(this.#chunk.length * 2, LARGEST_CHUNK));
    this.#chunk = Buffer.allocUnsafeSlow(size);
    this.#length = 0;
  }

  build(): readonly Uint8Array[] {
    return [...this.#full, this.#chunk.subarray(0, this.#length)];
  }
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value > 0x7f) {
    bytes[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

function copy(from: Uint8Array, to: Uint8Array, at: number): number {
  const { length } = from;
  if (length > SHORT) to.set(from, at);
  else for (let i = 0; i < length; i++) to[at + i] = from[i]!;
  return at + length;
}

/** Describes a segment while it is written, slice by slice. */
export class SegmentIndexBuilder {
  rows = 0;
  readonly #tables = new Map<string, number>();
  readonly #slices: number[] = [];
  #offset = 0;
  #start = -1;
  #end = 0;

  /** `keyGroup` ascends. */
  add(keyGroup: number, table: string, chunks: readonly Uint8Array[], rows: number): void {
    let checksum = 0;
    let length = 0;
    for (const chunk of chunks) {
      checksum = crc32(chunk, checksum); // invariant 2
      length += chunk.length;
    }
    let number = this.#tables.get(table);
    if (number === undefined) this.#tables.set(table, (number = this.#tables.size));
    this.#slices.push(keyGroup, number, length, rows, checksum | 0);
    this.#offset += length;
    this.rows += rows;
    if (this.#start < 0) this.#start = keyGroup;
    this.#end = keyGroup + 1;
  }

  /** The index, which follows the last slice, and what the manifest says of the segment. */
  build(): Omit<SegmentRef, 'id'> & { readonly encoded: Uint8Array } {
    const encoded = encodeState({ tables: [...this.#tables.keys()], slices: this.#slices });
    const keyGroups: KeyGroupRange = { start: Math.max(0, this.#start), end: this.#end };
    return {
      encoded,
      bytes: this.#offset + encoded.length,
      indexOffset: this.#offset,
      indexSha256: createHash('sha256').update(encoded).digest('hex'),
      rows: this.rows,
      keyGroups,
    };
  }
}
