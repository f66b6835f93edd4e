/** The errors of looking for segments, with their next steps. */
import { DruidSourceReadError, DruidSourceReplacedError, DruidSourceSchemaError } from './errors.js';
import type { ReplacementConflict } from './poll-segments.js';

export function missingError(dataSource: string): DruidSourceSchemaError {
  return new DruidSourceSchemaError(
    `Datasource '${dataSource}' does not exist, or none of its segments is loaded. Check the name; after its first ` +
      `ingestion it takes Druid some seconds to show it. To wait for it instead, use mode: { unbounded: … }.`,
    { details: { dataSource } },
  );
}

export function metadataError(dataSource: string, cause: unknown): DruidSourceReadError {
  return new DruidSourceReadError(
    `The segments of datasource '${dataSource}' cannot be listed: ${cause instanceof Error ? cause.message : String(cause)}`,
    { details: { dataSource }, cause, retryable: true },
  );
}

export function replacedError(dataSource: string, conflict: ReplacementConflict): DruidSourceReplacedError {
  const { interval, segmentIds, newRows, readRows } = conflict;
  return new DruidSourceReplacedError(
    `Data of '${dataSource}' in ${interval} that was read already (${readRows} rows) has been replaced by ` +
      `${segmentIds.join(', ')} (${newRows} rows), which is no recognised compaction. Set 'onReplaced' to 'skip' to ` +
      `keep what was read, or to 'read' to read the new version as well.`,
    { details: { dataSource, interval, segments: segmentIds.join(', '), reason: conflict.reason } },
  );
}
