/** `POST /druid/v2/candidates`: the segments that a query would read, and the servers that hold them. */

import type { Catalog } from './catalog.js';
import { type Json, resolveQuery } from './native-query.js';
import { HISTORICAL_BYTES } from './system-tables.js';
import { intervalText } from './time-text.js';

export function segmentLocations(query: Json, catalog: Catalog, server: string): Json[] {
  const location = {
    name: server,
    host: server,
    hostAndTlsPort: null,
    maxSize: HISTORICAL_BYTES,
    type: 'historical',
    tier: '_default_tier',
    priority: 0,
  };
  const { slices } = resolveQuery(query, catalog, 'scan.ScanQuery');
  return slices.flatMap(({ segment, parts }) =>
    parts.map((part) => ({
      interval: intervalText(part),
      version: segment.version,
      partitionNumber: segment.partition,
      size: segment.sizeBytes,
      locations: [location],
    })),
  );
}
