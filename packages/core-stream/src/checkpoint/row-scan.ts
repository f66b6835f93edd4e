/** Reads the rows of a table, or of keyed state, from segments, a part at a time: memory is bounded by the largest key group. */
import { keyIdentity } from '../state/canonical-encoding.js';
import type { KeyGroupRange } from '../state/key-groups.js';
import { KEYED_STATE_TABLE, MAP_ENTRY_TABLE } from '../state/row-encoding.js';
import type { StoredRow } from '../state/rows.js';
import { contentsOf } from '../state/stored-content.js';
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
  const isWanted = (name: string): boolean => name === table;
  for (const part of await parts(storage, segments, isWanted, keyGroups)) {
    const rows = await readRows(storage, segments, part, isWanted);
    yield* rows.rows(table);
  }
}

/** The rows of keyed state, in which large maps, whose entries have rows of their own, are as the others are. */
export async function* scanKeyedState(
  storage: SegmentSource,
  segments: readonly SegmentRef[],
  keyGroups: KeyGroupRange,
): AsyncGenerator<StoredRow> {
  const isWanted = (name: string): boolean => name === KEYED_STATE_TABLE || name === MAP_ENTRY_TABLE;
  for (const part of await parts(storage, segments, isWanted, keyGroups)) {
    const rows = await readRows(storage, segments, part, isWanted);
    const maps = largeMaps(rows.rows(MAP_ENTRY_TABLE));
    for (const row of rows.rows(KEYED_STATE_TABLE)) {
      const ofKey = maps.get(keyIdentity(row.key));
      yield ofKey === undefined ? row : { ...row, data: withMaps(row.data, ofKey) };
    }
  }
}

type MapsByState = ReadonlyMap<string, ReadonlyMap<unknown, unknown>>;

function largeMaps(entries: Iterable<StoredRow>): ReadonlyMap<unknown, MapsByState> {
  const maps = new Map<unknown, Map<string, Map<unknown, unknown>>>();
  for (const { key, namespace, data } of entries) {
    const [state, mapKey] = namespace as [string, unknown];
    const identity = keyIdentity(key);
    let ofKey = maps.get(identity);
    if (ofKey === undefined) maps.set(identity, (ofKey = new Map()));
    let map = ofKey.get(state);
    if (map === undefined) ofKey.set(state, (map = new Map()));
    map.set(mapKey, data);
  }
  return maps;
}

function withMaps(data: unknown, maps: MapsByState): unknown {
  return [...contentsOf(data)].flatMap(({ name, version, content }) => [
    name,
    version,
    maps.get(name) ?? content,
  ]);
}

/** Adjacent key groups that are read together. */
async function parts(
  storage: SegmentSource,
  segments: readonly SegmentRef[],
  isWanted: (table: string) => boolean,
  { start, end }: KeyGroupRange,
): Promise<readonly KeyGroupRange[]> {
  const bytesOf = new Map<number, number>();
  for (const segment of segments) {
    for (const slice of await readSegmentIndex(storage, segment)) {
      const { keyGroup, length } = slice;
      if (!isWanted(slice.table) || keyGroup < start || keyGroup >= end) continue;
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
