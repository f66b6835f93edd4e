/** Fills a state store from the segments of a checkpoint. */
import type { RestoredRows, StoredEntry } from '../checkpoint/segment-reader.js';
import { countKey, rowKey } from './disk-keys.js';
import { encodeCount, type DiskStore, type DiskWriter, type RowWrite } from './disk-store.js';
import type { KeyGroupRange } from './key-groups.js';
import type { SubtaskStateOptions } from './state-backend.js';

const WRITTEN_TOGETHER = 4096;
/** Bytes of segments that are read before they are written. */
const READ_TOGETHER = 64 << 20;

/** Puts rows, ordered by key group, into a table that has none of these key groups. With a writer they count as changed. */
export function fillTable(
  store: DiskStore,
  table: number,
  entries: Iterable<StoredEntry>,
  writer: DiskWriter | undefined,
): void {
  let writes: RowWrite[] = [];
  const counts = new Map<number, number>();
  for (const { keyGroup, id, data } of entries) {
    writes.push({ key: rowKey(table, keyGroup, id), id, data });
    counts.set(keyGroup, (counts.get(keyGroup) ?? 0) + 1);
    if (writes.length < WRITTEN_TOGETHER) continue;
    store.write(writer, writes);
    writes = [];
  }
  for (const [keyGroup, count] of counts) {
    writes.push({ key: countKey(table, keyGroup), id: undefined, data: encodeCount(count) });
  }
  store.write(writer, writes);
}

/** Puts all restored rows of a subtask into the store, without having all of them in memory. Returns their tables. */
export async function fillSubtask(
  store: DiskStore,
  { uid, keyGroups, restoredBytes, restoredRows }: SubtaskStateOptions,
  maxParallelism: number,
): Promise<ReadonlySet<string>> {
  const filled = new Set<string>();
  const step = Math.max(1, Math.floor((READ_TOGETHER * maxParallelism) / Math.max(1, restoredBytes)));
  for (let start = keyGroups.start; start < keyGroups.end; start += step) {
    const part: KeyGroupRange = { start, end: Math.min(start + step, keyGroups.end) };
    const rows: RestoredRows | undefined = await restoredRows(part);
    for (const table of rows?.tables() ?? []) {
      fillTable(store, store.table(uid, table), rows!.entries(table), undefined);
      filled.add(table);
    }
  }
  return filled;
}
