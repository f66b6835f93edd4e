/** How segments replace one another: the facts from which `poll-segments.ts` decides what was read before. Pure. */
import { contains, overlaps, timeRangeOf } from './druid-split.js';
import type { PublishedSegment } from './published-segment.js';

/** A segment that was handed out, or passed over because its rows had been. Plain data. */
export interface SeenSegment {
  readonly id: string;
  readonly interval: string;
  readonly version: string;
  readonly rows: number;
  readonly size: number;
  /** A remembered newer version holds the same rows. */
  readonly isReplaced: boolean;
  /** When it was first missing from a listing; null while published. */
  readonly missingSinceMs: number | null;
  /** Stretches that were left out, because they had been replaced before it was read. */
  readonly replacedIn?: readonly string[];
}

/** Nothing is known for sure about a segment before a Historical serves it. */
export function isReadable(segment: PublishedSegment): boolean {
  return segment.availability === 'available' && segment.rows > 0;
}

/** Segments that were published to replace together: the same interval and version. */
export function replaceUnits(visible: readonly PublishedSegment[]): PublishedSegment[][] {
  const units = new Map<string, PublishedSegment[]>();
  for (const segment of visible) {
    if (segment.group === undefined) continue;
    const key = `${segment.descriptor.interval} ${segment.descriptor.version}`;
    const unit = units.get(key);
    if (unit === undefined) units.set(key, [segment]);
    else unit.push(segment);
  }
  return [...units.values()];
}

/** A replacement may have another granularity: gathers all units that share what they replace (one month, its days). */
export function joinOverlapping(
  start: PublishedSegment[],
  units: readonly PublishedSegment[][],
  read: readonly SeenSegment[],
): { segments: PublishedSegment[]; replaced: SeenSegment[]; members: Set<PublishedSegment[]> } {
  const members = new Set([start]);
  const replaced = new Set<SeenSegment>();
  for (;;) {
    let grown = false;
    for (const old of read) {
      if (replaced.has(old)) continue;
      if (![...members].some((unit) => replacesRead((unit[0] as PublishedSegment).descriptor, old))) continue;
      replaced.add(old);
      grown = true;
    }
    if (!grown) break;
    for (const unit of units) {
      if (
        members.has(unit) ||
        ![...replaced].some((old) => replacesRead((unit[0] as PublishedSegment).descriptor, old))
      )
        continue;
      members.add(unit);
    }
  }
  return { segments: [...members].flat(), replaced: [...replaced], members };
}

/** What a segment and a memory of one have in common. */
type Placed = Pick<SeenSegment, 'interval' | 'version'>;
type Sized = Placed & Pick<SeenSegment, 'rows' | 'size'>;

function replaces(newer: Placed, old: Placed): boolean {
  return newer.version > old.version && overlaps(timeRangeOf(newer.interval), timeRangeOf(old.interval));
}

/** Whether it replaces what was read of the other one. */
function replacesRead(newer: Placed, old: SeenSegment): boolean {
  if (!replaces(newer, old)) return false;
  const range = timeRangeOf(newer.interval);
  return !(old.replacedIn ?? []).some((stretch) => contains(timeRangeOf(stretch), range));
}

function sized({ descriptor, rows, size }: PublishedSegment): Sized {
  return { ...descriptor, rows, size };
}

/**
 * Replaced segments that hold rows which were never handed out: they came and were replaced between two polls. Left out:
 * results of compactions, whose rows came from others; what had been replaced before it could be read; and what was copied,
 * as the newest copy counts. Some may not be readable now.
 */
export function unreadBelow(
  segments: readonly PublishedSegment[],
  fresh: readonly PublishedSegment[],
  replaced: readonly SeenSegment[],
  memory: ReadonlyMap<string, SeenSegment>,
): PublishedSegment[] {
  const seen = [...memory.values()];
  const appended = fresh.filter(({ group }) => group === undefined);
  return fresh.filter(
    (candidate) =>
      candidate.isOvershadowed &&
      !(candidate.isCompacted && candidate.group !== undefined) &&
      segments.some((segment) => replaces(segment.descriptor, candidate.descriptor)) &&
      !seen.some((old) => replaces(old, candidate.descriptor)) &&
      !replaced.some((old) => isCopyOf(candidate, old)) &&
      !appended.some((other) => isCopyOf(other, sized(candidate))),
  );
}

/** Whether `candidate` was appended beside `segments` and looks like one of those that they replace. */
export function isCopyOfAny(
  candidate: PublishedSegment,
  segments: readonly PublishedSegment[],
  replaced: readonly SeenSegment[],
): boolean {
  if (candidate.group !== undefined) return false;
  return (
    segments.some((segment) => isBeside(candidate, segment)) &&
    replaced.some((old) => isCopyOf(candidate, old))
  );
}

/** Whether both are of the same interval and version. */
export function isBeside(a: PublishedSegment, b: PublishedSegment): boolean {
  return a.descriptor.interval === b.descriptor.interval && a.descriptor.version === b.descriptor.version;
}

/** A copy is the same file, in the interval that the compaction wrote. A row count that is not known yet contradicts nothing. */
export function isCopyOf(segment: PublishedSegment, old: Sized): boolean {
  return (
    segment.descriptor.version > old.version &&
    contains(timeRangeOf(segment.descriptor.interval), timeRangeOf(old.interval)) &&
    segment.size === old.size &&
    (segment.rows === 0 || segment.rows === old.rows)
  );
}

/** Whether all that was published together is in the listing: before that, Druid shows none of it either. */
export function isWhole(units: Iterable<readonly PublishedSegment[]>): boolean {
  return [...units].every((unit) => unit.length >= (unit[0]?.group?.size ?? 1));
}
