import { z } from 'zod';
import type { SegmentAvailability } from './completeness.js';
import type { SegmentDescriptor } from './druid-split.js';

/**
 * How a segment came to its version. `size` segments that are published together replace whatever older version there
 * was in their interval; a segment without a group was appended to its version and replaces nothing.
 */
export interface ReplaceGroup {
  readonly size: number;
}

/** A published segment as the metadata describes it. */
export interface PublishedSegment {
  readonly id: string;
  readonly descriptor: SegmentDescriptor;
  /** 0: not known (yet); filled in by `segment-row-counts.ts`. */
  readonly rows: number;
  /** Bytes. */
  readonly size: number;
  readonly availability: SegmentAvailability;
  /** A newer version hides it from ordinary queries. */
  readonly isOvershadowed: boolean;
  /** Druid recorded that a compaction wrote it; a compaction may also leave no such record. */
  readonly isCompacted: boolean;
  readonly group: ReplaceGroup | undefined;
  /** It holds no rows; it only replaces those of older versions. */
  readonly isTombstone: boolean;
}

/** Derives availability from the flags of `sys.segments`; `is_realtime` is set while no Historical serves it. */
export function judgeAvailability(
  isPublished: boolean,
  isAvailable: boolean,
  isRealtime: boolean,
): SegmentAvailability {
  if (isAvailable) return isRealtime ? 'realtime' : 'available';
  return isPublished ? 'unavailable' : 'gone';
}

const shardSpec = z.looseObject({
  type: z.string(),
  partitionNum: z.number().optional(),
  // The number of core partitions; its name depends on the type.
  partitions: z.number().optional(),
  numCorePartitions: z.number().optional(),
  atomicUpdateGroupSize: z.number().optional(),
});

/**
 * What a shard spec says about replacement: partitions below the number of core partitions were published together and
 * replaced what was there, later ones were appended (seen on 33.0.0 for batch appends, compaction and replace).
 */
export function partitionOf(told: unknown): {
  readonly group: ReplaceGroup | undefined;
  readonly isTombstone: boolean;
} {
  const spec = shardSpec.safeParse(told).data;
  if (spec === undefined) return { group: undefined, isTombstone: false };
  if (spec.type === 'tombstone') return { group: undefined, isTombstone: true };
  if (spec.type === 'none') return { group: { size: 1 }, isTombstone: false };
  if (spec.type === 'numbered_overwrite') {
    return { group: { size: spec.atomicUpdateGroupSize ?? 1 }, isTombstone: false };
  }
  const corePartitions = spec.partitions ?? spec.numCorePartitions ?? 0;
  const isCore = (spec.partitionNum ?? 0) < corePartitions;
  return { group: isCore ? { size: corePartitions } : undefined, isTombstone: false };
}
