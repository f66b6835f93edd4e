/** Reads the rows of a table from segments, a part at a time: memory is bounded by the largest key group. */
import type { KeyGroupRange } from '../state/key-groups.js';
import type { StoredRow } from '../state/rows.js';
import type { SegmentRef } from './checkpoint-data.js';
import { readRows, readSegmentIndex, type SegmentSource } from './segment-reader.js';

/** Bytes that are read together, where a key group has not more. */
const READ_TOGETHER = 8 << 20;

/** What segments hold of a table, with rows that are overruled or gone. */
export interface TableSize {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
}

export async function tableSizes(
  storage: SegmentSource,
  segments: readonly SegmentRef[],
): Promise<readonly TableSize[]> {
  const sizes = new Map<string, TableSize>();
  for (const segment of segments) {
    for (const { table, rows, length } of await readSegmentIndex(storage, segment)) {
      const known = sizes.get(table) ?? { table, rows: 0, bytes: 0 };
      sizes.set(table, { table, rows: known.rows + rows, bytes: known.bytes + length });
    }
  }
  return [...sizes.values()].sort((a, b) => (a.table < b.table ? -1 : 1));
}

/** The rows of some key groups, ordered by key group. */
export async function* scanRows(
  storage: SegmentSource,
  segments: readonly SegmentRef[],
  table: string,
  keyGroups: KeyGroupRange,
): AsyncGenerator<StoredRow> {
  for (const part of await parts(storage, segments, table, keyGroups)) {
    const rows = await readRows(storage, segments, part, (name) => name === table);
    yield* rows.rows(table);
  }
}

/** Adjacent key groups that are read together. */
async function parts(
  storage: SegmentSource,
  segments: readonly SegmentRef[],
  table: string,
  { start, end }: KeyGroupRange,
): Promise<readonly KeyGroupRange[]> {
  const bytesOf = new Map<number, number>();
  for (const segment of segments) {
    for (const slice of await readSegmentIndex(storage, segment)) {
      const { keyGroup, length } = slice;
      if (slice.table !== table || keyGroup < start || keyGroup >= end) continue;
      bytesOf.set(keyGroup, (bytesOf.get(keyGroup) ?? 0) + length);
    }
  }
  const ranges: KeyGroupRange[] = [];
  let together = Infinity;
  for (const [keyGroup, bytes] of [...bytesOf].sort(([a], [b]) => a - b)) {
    const next = { start: keyGroup, end: keyGroup + 1 };
    if (together + bytes > READ_TOGETHER) {
      ranges.push(next);
      together = bytes;
    } else {
      ranges.push({ start: ranges.pop()!.start, end: next.end });
      together += bytes;
    }
  }
  return ranges;
}
