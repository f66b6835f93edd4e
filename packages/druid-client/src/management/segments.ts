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

/** A published segment in use, as the Coordinator has it. Interval: ISO 8601, start inclusive, end exclusive. */
export interface PublishedSegmentInfo {
  readonly segmentId: string;
  readonly interval: string;
  readonly version: string;
  readonly partitionNumber: number;
  /** Bytes; 0 means unknown. */
  readonly size: number;
  /** As Druid has it, `type` and what belongs to it; undefined if Druid did not tell. */
  readonly shardSpec: Readonly<Record<string, unknown>> | undefined;
  /** A newer version hides all of it from queries. */
  readonly isOvershadowed: boolean;
  /** Druid recorded that a compaction wrote it. */
  readonly isCompacted: boolean;
  /** Whether some rule wants it on a server. */
  readonly isLoadable: boolean;
}

/** Parses an element of `metadata/segments`; all else that Druid tells of a segment is dropped. */
export const publishedSegment = z
  .object({
    identifier: z.string().nullish(),
    dataSource: z.string(),
    interval: z.string(),
    version: z.string(),
    size: z.number().nullish(),
    shardSpec: z.looseObject({ partitionNum: z.int().nullish(), partitionId: z.int().nullish() }).nullish(),
    lastCompactionState: z.unknown().optional(),
    overshadowed: z.boolean().nullish(),
    replicationFactor: z.number().nullish(),
  })
  .transform((segment, context): PublishedSegmentInfo => {
    const { dataSource, interval, version, identifier } = segment;
    const idOfFirst = `${dataSource}_${interval.replace('/', '_')}_${version}`;
    // Kinds of shard specs have different names for the number; the id has it at its end, unless it is 0.
    const toldNumber = segment.shardSpec?.partitionNum ?? segment.shardSpec?.partitionId ?? 0;
    const segmentId = identifier ?? (toldNumber === 0 ? idOfFirst : `${idOfFirst}_${toldNumber}`);
    const suffix = segmentId.startsWith(idOfFirst) ? segmentId.slice(idOfFirst.length) : 'another';
    if (!/^(_\d+)?$/.test(suffix)) {
      const message = `'${segmentId}' is not the id of a segment ${idOfFirst}`;
      context.addIssue({ code: 'custom', path: ['identifier'], message });
    }
    return {
      segmentId,
      interval,
      version,
      partitionNumber: Number(suffix.slice(1)),
      size: segment.size ?? 0,
      shardSpec: segment.shardSpec ?? undefined,
      isOvershadowed: segment.overshadowed ?? false,
      isCompacted: (segment.lastCompactionState ?? undefined) !== undefined,
      // Druid tells null while the rules have not run, and -1 on old versions; only 0 means "never loaded".
      isLoadable: segment.replicationFactor !== 0,
    };
  });

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
