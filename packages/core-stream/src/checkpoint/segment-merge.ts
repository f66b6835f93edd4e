/**
 * Merges adjacent segments of one operator into one, on bytes alone.
 *
 * Role: compaction, and the one segment per operator of a savepoint. Boundary: which segments are merged is decided elsewhere.
 *
 * Invariants
 * 1. The result holds for each row the newest entry of the merged segments; whoever reads it in their place, among the same
 *    older and newer ones, finds the same rows.
 * 2. An entry that says that a row is gone is left out only where nothing older than the merged segments is left.
 * 3. No more is in memory than the largest key group of all segments together, or `LARGEST_BATCH`.
 */
import type { SegmentRef } from './checkpoint-data.js';
import type { CheckpointStorage } from './checkpoint-storage.js';
import { SegmentIndexBuilder, SliceBuilder } from './segment.js';
import { entriesOf, identityOf, readSegmentIndex, readSlices, type SegmentEntry } from './segment-reader.js';
import type { SegmentSlice } from './segment-reader.js';

export interface MergeSegmentsOptions {
  readonly storage: Pick<CheckpointStorage, 'location' | 'readSegment' | 'putSegment'>;
  /** Adjacent ones of one operator, oldest first. */
  readonly segments: readonly SegmentRef[];
  /** The name of the result. */
  readonly id: string;
  /** Whether the oldest segment of the operator is among them. */
  readonly dropsRemoved: boolean;
  readonly signal?: AbortSignal;
}

/** Small key groups are read together up to this many bytes. */
const LARGEST_BATCH = 8 << 20;
/** Entries between two turns of the event loop: about a millisecond. */
const ENTRIES_PER_TURN = 2_000;

/** Key groups that are merged in one go. */
interface Batch {
  /** One past the last key group. */
  readonly end: number;
  readonly keyGroups: readonly number[];
}

/**
 * Stores one segment in place of several. `undefined`, with nothing stored, where no row is left.
 *
 * @throws CheckpointError `MILLRACE_CHECKPOINT` where a segment is missing or damaged, or the result cannot be stored; the
 *   signal's reason where that is aborted
 */
export async function mergeSegments(options: MergeSegmentsOptions): Promise<SegmentRef | undefined> {
  const { storage, id } = options;
  const index = new SegmentIndexBuilder();
  const chunks = mergedChunks(options, index);
  const first = await chunks.next();
  if (first.done === true) return undefined;
  let described: Omit<SegmentRef, 'id'> | undefined;
  async function* all(): AsyncIterable<Uint8Array> {
    yield first.value as Uint8Array;
    yield* chunks;
    const { encoded, ...rest } = index.build();
    described = rest;
    yield encoded;
  }
  await storage.putSegment(id, all());
  if (described === undefined)
    throw new Error(`the storage ${storage.location} has not read what it was to store`);
  return { id, ...described };
}

/** The slices of the result, in order; describes them to `index`. */
async function* mergedChunks(
  { storage, segments, dropsRemoved, signal }: MergeSegmentsOptions,
  index: SegmentIndexBuilder,
): AsyncGenerator<Uint8Array, undefined> {
  const indices = await Promise.all(segments.map((segment) => readSegmentIndex(storage, segment)));
  /** Of each segment, the first slice that was not read yet. */
  const next = segments.map(() => 0);
  const pace = new Pace(signal);
  for (const { end, keyGroups } of batches(indices)) {
    const slices = indices.map((all, i) => {
      const from = next[i]!;
      while ((all[next[i]!]?.keyGroup ?? Infinity) < end) next[i]!++;
      return all.slice(from, next[i]);
    });
    signal?.throwIfAborted();
    const bytes = await Promise.all(slices.map((some, i) => readSlices(storage, segments[i]!, some)));
    const parts = slices.flatMap((some, i) => some.map((slice, j) => ({ slice, bytes: bytes[i]![j]! })));
    for (const keyGroup of keyGroups) {
      const tables = new Map<string, Uint8Array[]>();
      for (const part of parts) {
        if (part.slice.keyGroup !== keyGroup) continue;
        const table = tables.get(part.slice.table);
        if (table === undefined) tables.set(part.slice.table, [part.bytes]);
        else table.push(part.bytes);
      }
      for (const [table, versions] of tables) {
        const merged = await mergeSlices(versions, dropsRemoved, pace);
        if (merged.rows === 0) continue;
        const built = merged.build();
        index.add(keyGroup, table, built, merged.rows);
        yield* built;
      }
    }
  }
  return undefined;
}

/** All key groups that have rows, in ascending batches (invariant 3). */
function* batches(indices: readonly (readonly SegmentSlice[])[]): Iterable<Batch> {
  const lengths = new Map<number, number>();
  for (const { keyGroup, length } of indices.flat())
    lengths.set(keyGroup, (lengths.get(keyGroup) ?? 0) + length);
  let keyGroups: number[] = [];
  let sum = 0;
  for (const keyGroup of [...lengths.keys()].sort((a, b) => a - b)) {
    const length = lengths.get(keyGroup)!;
    if (keyGroups.length > 0 && sum + length > LARGEST_BATCH) {
      yield { keyGroups, end: keyGroup };
      keyGroups = [];
      sum = 0;
    }
    keyGroups.push(keyGroup);
    sum += length;
  }
  if (keyGroups.length > 0) yield { keyGroups, end: Infinity };
}

/** `versions` are of one key group and table, oldest first. */
async function mergeSlices(
  versions: readonly Uint8Array[],
  dropsRemoved: boolean,
  pace: Pace,
): Promise<SliceBuilder> {
  const newest = new Map<string, SegmentEntry>();
  for (const version of versions) {
    for (const entry of entriesOf(version)) {
      newest.set(identityOf(entry.id), entry); // invariant 1
      if (pace.isOver()) await pace.turn();
    }
  }
  const merged = new SliceBuilder();
  for (const { id, data } of newest.values()) {
    if (data !== undefined || !dropsRemoved) merged.add(id, data); // invariant 2
    if (pace.isOver()) await pace.turn();
  }
  return merged;
}

/** Lets the event loop run now and then. */
class Pace {
  readonly #signal: AbortSignal | undefined;
  #entries = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  isOver(): boolean {
    return ++this.#entries % ENTRIES_PER_TURN === 0;
  }

  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#signal?.throwIfAborted();
  }
}
