import { z } from 'zod';
import { DruidConfigError } from '../errors.js';
import { utcMs } from '../utc-time.js';

/** A segment as `sys.segments` shows it. Intervals are ISO 8601, start inclusive, end exclusive. */
export interface SegmentInfo {
  readonly segmentId: string;
  readonly datasource: string;
  readonly start: string;
  readonly end: string;
  readonly version: string;
  readonly partitionNum: number;
  /** 0 means unknown: the Broker has not asked a server yet. */
  readonly numRows: number;
  /** Bytes. */
  readonly size: number;
  readonly isPublished: boolean;
  readonly isAvailable: boolean;
  readonly isRealtime: boolean;
  readonly isOvershadowed: boolean;
}

/** The columns are named one by one: `*` also brings the large JSON texts of dimensions and metrics. */
export const segmentsSql = `SELECT "segment_id", "datasource", "start", "end", "version", "partition_num", "num_rows", "size",
  "is_published", "is_available", "is_realtime", "is_overshadowed" FROM sys.segments WHERE "datasource" = ?
  ORDER BY "start", "version", "partition_num"`;

// sys.segments holds its flags as LONG 0 and 1.
const flag = z
  .union([z.literal(0), z.literal(1), z.boolean()])
  .transform((value) => value === true || value === 1);

/** Parses a row of {@link segmentsSql}. */
export const segmentRow = z
  .object({
    segment_id: z.string(),
    datasource: z.string(),
    start: z.string(),
    end: z.string(),
    version: z.string(),
    partition_num: z.number(),
    num_rows: z.number().nullable(),
    size: z.number().nullable(),
    is_published: flag,
    is_available: flag,
    is_realtime: flag,
    is_overshadowed: flag,
  })
  .transform((row): SegmentInfo => ({
    segmentId: row.segment_id,
    datasource: row.datasource,
    start: row.start,
    end: row.end,
    version: row.version,
    partitionNum: row.partition_num,
    numRows: row.num_rows ?? 0,
    size: row.size ?? 0,
    isPublished: row.is_published,
    isAvailable: row.is_available,
    isRealtime: row.is_realtime,
    isOvershadowed: row.is_overshadowed,
  }));

/** A used segment in the Coordinator's metadata. */
export const metadataSegment = z
  .looseObject({
    identifier: z.string().nullish(),
    dataSource: z.string(),
    interval: z.string(),
    version: z.string(),
    shardSpec: z.looseObject({ partitionNum: z.number().nullish() }).nullish(),
    overshadowed: z.boolean().nullish(),
    replicationFactor: z.number().nullish(),
  })
  .transform((segment) => ({
    segmentId: segment.identifier ?? segmentIdOf(segment),
    interval: segment.interval,
    isOvershadowed: segment.overshadowed ?? false,
    // Druid tells null while the rules have not run, and -1 on old versions; only 0 means "never loaded".
    isLoadable: segment.replicationFactor !== 0,
  }));

function segmentIdOf(segment: {
  readonly dataSource: string;
  readonly interval: string;
  readonly version: string;
  readonly shardSpec?: { readonly partitionNum?: number | null | undefined } | null | undefined;
}): string {
  const partition = segment.shardSpec?.partitionNum ?? 0;
  const id = `${segment.dataSource}_${segment.interval.replace('/', '_')}_${segment.version}`;
  return partition === 0 ? id : `${id}_${partition}`;
}

/**
 * Whether two ISO 8601 intervals share time.
 *
 * @throws DruidConfigError
 */
export function intervalsOverlap(a: string, b: string): boolean {
  const [aStart, aEnd] = intervalBounds(a);
  const [bStart, bEnd] = intervalBounds(b);
  return aStart < bEnd && bStart < aEnd;
}

/**
 * The two times of an interval, in epoch milliseconds.
 *
 * @throws DruidConfigError for anything but two times, the first before the second
 */
export function intervalBounds(interval: string): readonly [start: number, end: number] {
  const [start = Number.NaN, end = Number.NaN, ...more] = interval.split('/').map(boundMs);
  if (start < end && more.length === 0) return [start, end];
  throw new DruidConfigError({
    message: `The interval '${interval}' is not two ISO 8601 times, the earlier one first, with a slash between them.`,
    details: { option: 'interval' },
  });
}

// Druid's "all time" lies beyond what Date can hold; such bounds compare as infinities.
function boundMs(text: string): number {
  if (/^-\d{4,}-/.test(text)) return -Infinity;
  return /^\+?\d{5,}-/.test(text) ? Infinity : utcMs(text);
}
