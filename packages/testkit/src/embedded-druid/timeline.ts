/** Segments and which of them a query sees: Druid's timeline, as pure functions. */

import { type Interval, isoTime } from './time-text.js';

/** Druid's native column types, as far as this server stores them. */
export type ColumnType = 'STRING' | 'LONG' | 'DOUBLE' | 'FLOAT';

/** One stored column; `__time` is implied and never listed. */
export interface ColumnDef {
  name: string;
  type: ColumnType;
}

/** One published segment. Its rows are those of `table` whose `seg` equals `no`. */
export interface Segment {
  no: number;
  dataSource: string;
  interval: Interval;
  version: string;
  partition: number;
  /** Size of the core partition set; 0 for appended segments. */
  corePartitions: number;
  kind: 'numbered' | 'tombstone';
  rows: number;
  sizeBytes: number;
  dimensions: string[];
  metrics: string[];
  columns: ColumnDef[];
  table: string;
  minTime: number;
  maxTime: number;
  createdMs: number;
}

/** A segment and the parts of its interval that no newer version covers. */
export interface VisibleSegment {
  segment: Segment;
  parts: Interval[];
}

/** `datasource_start_end_version[_partition]` */
export function segmentId(segment: Segment): string {
  const { dataSource, interval, version, partition } = segment;
  const suffix = partition === 0 ? '' : `_${partition}`;
  return `${dataSource}_${isoTime(interval.start)}_${isoTime(interval.end)}_${version}${suffix}`;
}

/** The shard spec as Druid prints it. */
export function shardSpec(segment: Segment): Record<string, unknown> {
  if (segment.kind === 'tombstone') return { type: 'tombstone', partitionNum: 0, partitions: 1 };
  return { type: 'numbered', partitionNum: segment.partition, partitions: segment.corePartitions };
}

/** What is left of `interval` outside `covers` (sorted, disjoint). */
export function subtract(interval: Interval, covers: readonly Interval[]): Interval[] {
  const left: Interval[] = [];
  let { start } = interval;
  for (const cover of covers) {
    if (cover.end <= start) continue;
    if (cover.start >= interval.end) break;
    if (cover.start > start) left.push({ start, end: cover.start });
    start = cover.end;
  }
  if (start < interval.end) left.push({ start, end: interval.end });
  return left;
}

/** Sorts and joins intervals that touch or overlap. */
export function merge(intervals: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const { start, end } of [...intervals].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** The common part of two intervals, if they share an instant. */
export function intersect(a: Interval, b: Interval): Interval | undefined {
  const start = Math.max(a.start, b.start);
  const end = Math.min(a.end, b.end);
  return start < end ? { start, end } : undefined;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Orders segments by interval, version and partition, the order in which Druid's Broker reads them. */
export function compareSegments(a: Segment, b: Segment): number {
  return (
    a.interval.start - b.interval.start ||
    a.interval.end - b.interval.end ||
    byText(a.version, b.version) ||
    a.partition - b.partition
  );
}

/**
 * The segments that queries see: of every instant the newest version, tombstones included.
 *
 * A segment that is missing from the answer is overshadowed.
 */
export function visibleSegments(segments: readonly Segment[]): VisibleSegment[] {
  const newestFirst = [...segments].sort((a, b) => byText(b.version, a.version));
  const visible: VisibleSegment[] = [];
  let covers: Interval[] = [];
  for (let index = 0; index < newestFirst.length;) {
    const { version } = newestFirst[index] as Segment;
    const group: Interval[] = [];
    for (; newestFirst[index]?.version === version; index += 1) {
      const segment = newestFirst[index] as Segment;
      const parts = subtract(segment.interval, covers);
      if (parts.length > 0) visible.push({ segment, parts });
      group.push(segment.interval);
    }
    covers = merge([...covers, ...group]);
  }
  return visible.sort((a, b) => compareSegments(a.segment, b.segment));
}

const WIDTH: Record<ColumnType, number> = { LONG: 0, FLOAT: 1, DOUBLE: 2, STRING: 3 };

/**
 * The columns of a datasource: newest interval first, and for a name with several types the least restrictive one,
 * which is how Druid's Broker merges segment schemas by default.
 */
export function mergedColumns(visible: readonly VisibleSegment[]): ColumnDef[] {
  const types = new Map<string, ColumnType>();
  for (const { segment } of [...visible].reverse()) {
    for (const { name, type } of segment.columns) {
      const known = types.get(name);
      types.set(name, known === undefined || WIDTH[type] > WIDTH[known] ? type : known);
    }
  }
  return [...types].map(([name, type]) => ({ name, type }));
}
