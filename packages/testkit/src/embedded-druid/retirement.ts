/** Takes segments out of use and deletes their rows. */

import type { Catalog } from './catalog.js';
import type { Store } from './store.js';
import { type Segment, visibleSegments } from './timeline.js';

/** How long Druid's Coordinator waits by default before it marks overshadowed segments unused. */
const OVERSHADOWED_GRACE_MS = 15 * 60_000;

/** Marks segments unused and deletes their rows, in one transaction. */
export async function retireSegments(
  store: Store,
  catalog: Catalog,
  segments: readonly Segment[],
): Promise<void> {
  const first = segments[0];
  if (!first) return;
  const numbers = segments.map(({ no }) => no);
  const tables = new Set(segments.map(({ table }) => table).filter((table) => table !== ''));
  await store
    .transaction(async (connection) => {
      const list = numbers.join(', ');
      await connection.run(`UPDATE druid_segments SET used = false WHERE no IN (${list})`);
      for (const table of tables) await connection.run(`DELETE FROM ${table} WHERE seg IN (${list})`);
    })
    .then(() => catalog.retire(first.dataSource, new Set(numbers)));
}

/** Retires what newer segments have hidden for longer than Druid's grace period. */
export async function collectGarbage(
  store: Store,
  catalog: Catalog,
  dataSource: string,
  nowMs: number,
): Promise<void> {
  const source = catalog.find(dataSource);
  if (!source || source.visible.length === source.segments.length) return;
  const old = source.segments.filter(({ createdMs }) => nowMs - createdMs > OVERSHADOWED_GRACE_MS);
  const visible = new Set(visibleSegments(old).map(({ segment }) => segment.no));
  await retireSegments(
    store,
    catalog,
    old.filter(({ no }) => !visible.has(no)),
  );
}
