/** Marking segments unused, which the Coordinator and the Overlord both offer. */

import type { Catalog } from './catalog.js';
import { refusedSpec } from './druid-error.js';
import { retireSegments } from './retirement.js';
import type { Router } from './router.js';
import type { Store } from './store.js';
import { parseInterval } from './time-text.js';
import { type Segment, segmentId } from './timeline.js';

export interface UnusedOptions {
  store: Store;
  catalog: Catalog;
}

/** Adds `DELETE …/datasources/{ds}` and `POST …/datasources/{ds}/markUnused` below `api`. */
export function addUnusedRoutes(router: Router, api: string, { store, catalog }: UnusedOptions): void {
  const retire = async (segments: readonly Segment[]): Promise<Record<string, unknown>> => {
    await retireSegments(store, catalog, segments);
    return { numChangedSegments: segments.length, segmentStateChanged: segments.length > 0 };
  };
  const segmentsOf = (dataSource: string | undefined): Segment[] =>
    catalog.find(dataSource ?? '')?.segments ?? [];
  router
    .on(`DELETE ${api}/datasources/{dataSource}`, async ({ params }, answer) =>
      answer.json(await retire(segmentsOf(params['dataSource']))),
    )
    .on(`POST ${api}/datasources/{dataSource}/markUnused`, async ({ params, body }, answer) => {
      const isWanted = selection(body);
      await answer.json(await retire(segmentsOf(params['dataSource']).filter(isWanted)));
    });
}

/** Druid takes either an interval, which must contain a segment whole, or ids. */
function selection(body: string): (segment: Segment) => boolean {
  const { interval, segmentIds } = JSON.parse(body || '{}') as { interval?: string; segmentIds?: string[] };
  if ((interval === undefined) === (segmentIds === undefined)) {
    throw refusedSpec('Invalid request payload. Specify either interval or segmentIds, but not both');
  }
  if (segmentIds) return (segment) => segmentIds.includes(segmentId(segment));
  const within = parseInterval(interval ?? '');
  if (!within) throw refusedSpec(`Invalid interval [${interval}]`);
  return ({ interval: { start, end } }) => start >= within.start && end <= within.end;
}
