import { DruidRemoteError, sql, type DruidClient } from '@millrace/druid-client';
import { z } from 'zod';
import { isReadableAs, type ColumnReading } from './druid-columns.js';
import { judgeAvailability, partitionOf, type PublishedSegment } from './published-segment.js';
import type { SegmentAvailability } from './completeness.js';

const flag = z.number().transform((value) => value === 1);

const segmentRow = z.object({
  segment_id: z.string(),
  start: z.string(),
  end: z.string(),
  version: z.string(),
  partition_num: z.number(),
  size: z.number(),
  is_available: flag,
  is_realtime: flag,
  is_overshadowed: flag,
  shard_spec: z.string().nullable(),
  is_compacted: flag,
});

// `is_published`: rows that a running task still holds are in neither mode part of the source.
const listSql = `SELECT segment_id, "start", "end", version, partition_num, "size", is_available,
  is_realtime, is_overshadowed, shard_spec, CASE WHEN last_compaction_state IS NULL THEN 0 ELSE 1 END AS is_compacted
FROM sys.segments WHERE datasource = ? AND is_published = 1`;

/** Every published segment of a datasource, overshadowed ones and tombstones included. */
export async function listPublishedSegments(
  druid: DruidClient,
  dataSource: string,
  signal: AbortSignal,
): Promise<PublishedSegment[]> {
  const rows = await druid.sql.query(listSql, { parameters: [dataSource], schema: segmentRow, signal });
  return rows.map((row) => {
    return {
      id: row.segment_id,
      descriptor: {
        interval: `${row.start}/${row.end}`,
        version: row.version,
        partition: row.partition_num,
      },
      rows: 0, // `num_rows` is not to be trusted: see segment-row-counts.ts
      size: row.size,
      availability: judgeAvailability(true, row.is_available, row.is_realtime),
      isOvershadowed: row.is_overshadowed,
      isCompacted: row.is_compacted,
      ...partitionOf(specOf(row.shard_spec)),
    };
  });
}

function specOf(json: string | null): unknown {
  try {
    return json === null ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}

const stateRow = z.object({ is_published: flag, is_available: flag, is_realtime: flag });

/** Where a segment is now. */
export async function lookUpAvailability(
  druid: DruidClient,
  dataSource: string,
  segmentId: string,
  signal: AbortSignal,
): Promise<SegmentAvailability> {
  const [row] = await druid.sql.query(
    'SELECT is_published, is_available, is_realtime FROM sys.segments WHERE datasource = ? AND segment_id = ?',
    { parameters: [dataSource, segmentId], schema: stateRow, signal },
  );
  return row === undefined ? 'gone' : judgeAvailability(row.is_published, row.is_available, row.is_realtime);
}

const columnRow = z.object({ COLUMN_NAME: z.string(), DATA_TYPE: z.string() });

/**
 * SQL types by column; empty if the Broker knows no such datasource (yet). If all is as it is to be read, those columns alone:
 * a statement that Druid plans and does not run tells of them in a third of the time that INFORMATION_SCHEMA takes.
 */
export async function listColumns(
  druid: DruidClient,
  dataSource: string,
  readings: Readonly<Record<string, ColumnReading>>,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const wanted = await typesOfColumns(druid, dataSource, Object.keys(readings), signal);
  const isAsRead = ([column, reading]: [string, ColumnReading]): boolean =>
    isReadableAs(reading, wanted?.get(column) ?? '');
  if (wanted !== undefined && Object.entries(readings).every(isAsRead)) return wanted;
  const rows = await druid.sql.query(
    `SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'druid' AND TABLE_NAME = ?`,
    { parameters: [dataSource], schema: columnRow, signal },
  );
  return new Map(rows.map((row) => [row.COLUMN_NAME, row.DATA_TYPE]));
}

/** Undefined if there is no such datasource, if it lacks a column, or if Druid refuses such a statement. */
async function typesOfColumns(
  druid: DruidClient,
  dataSource: string,
  columns: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string> | undefined> {
  const names = columns.map((name) => sql.identifier(name));
  const types = new Map<string, string>();
  try {
    await druid.sql.query(
      sql`SELECT ${sql.join(names, sql`, `)} FROM ${sql.identifier(dataSource)} LIMIT 0`,
      {
        signal,
        onColumns: (found) => found.forEach(({ name, sqlType }) => types.set(name, sqlType ?? '')),
      },
    );
    return types;
  } catch (error) {
    if (DruidRemoteError.is(error)) return undefined;
    throw error;
  }
}
