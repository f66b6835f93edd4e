/**
 * Unbounded mode: decides from one listing of published segments which of them hold rows that were not read before.
 * Pure: (seen, listing) → (splits, seen).
 *
 * Invariant 1: a segment id is handed out at most once while it is remembered; it is remembered as long as it is
 *   published, and `forgetAfterMs` longer, so that an incomplete listing does not bring it back.
 * Invariant 2: an appended segment is new data. Exception: it looks like a copy (same or a wider interval, same size and
 *   row count) of a remembered segment of an older version that nothing else replaced: Druid copies appended segments to
 *   the version of a compaction that overtakes them (concurrent append and replace).
 * Invariant 3: segments that replace remembered ones are passed over only if Druid recorded a compaction as their
 *   origin and they and all that look like such copies hold exactly as many rows as what they replace. Rows that were
 *   appended and compacted between two polls are read from the replaced segments, which then are still published.
 * Invariant 4: anything else that replaces remembered segments is a conflict, settled by `onReplaced`; never a guess.
 * Invariant 5: nothing is decided about a segment before it is on a Historical and its row count is known, nor before that
 *   is so of what it was appended to, and of what it has compacted unread.
 * Invariant 6: of a segment that newer ones have replaced in part, only the rest is read; they are no conflict.
 */
import { compareDescriptors, splitsByTime, type DruidSplit } from './druid-split.js';
import { findReplaced, isInScope, splitOf, type SplitScope } from './pin-segments.js';
import type { PublishedSegment } from './published-segment.js';
import {
  isBeside,
  isCopyOf,
  isCopyOfAny,
  isReadable,
  isWhole,
  joinOverlapping,
  replaceUnits,
  unreadBelow,
  type SeenSegment,
} from './segment-replacement.js';

/** What to do with replaced data: stop with an error, pass over the new version, or read it too (rows then repeat). */
export type OnReplaced = 'fail' | 'skip' | 'read';

export interface PollSettings extends SplitScope {
  readonly onReplaced: OnReplaced;
  readonly forgetAfterMs: number;
  readonly nowMs: number;
}

/** Replaced data that is not a recognised compaction. */
export interface ReplacementConflict {
  readonly reason: 'replaced' | 'copy';
  readonly segmentIds: readonly string[];
  readonly interval: string;
  readonly newRows: number;
  readonly readRows: number;
}

export interface PollPlan {
  readonly splits: readonly DruidSplit[];
  readonly seen: readonly SeenSegment[];
  /** Segments passed over as compactions of what was read. */
  readonly compacted: readonly string[];
  readonly conflicts: readonly ReplacementConflict[];
  /** Segments that are published but cannot be read yet. */
  readonly waiting: number;
}

/** See the invariants above. With `onReplaced: 'fail'` and a conflict, the plan is not to be carried out. */
export function planPoll(
  seen: readonly SeenSegment[],
  listing: readonly PublishedSegment[],
  settings: PollSettings,
): PollPlan {
  const memory = new Map(seen.map((segment) => [segment.id, segment]));
  // What comes together does not replace one another: it would not be visible (invariant 6).
  let earlier = seen.filter((segment) => !segment.isReplaced);
  const replacedIn = findReplaced(listing);
  const fresh = listing.filter((segment) => !memory.has(segment.id) && isInScope(segment, settings));
  const visible = fresh
    .filter((segment) => !segment.isOvershadowed)
    .sort((a, b) => compareDescriptors(a.descriptor, b.descriptor));
  const remember = (segment: PublishedSegment, isReplaced = false): void => {
    const { id, rows, size } = segment;
    const { interval, version } = segment.descriptor;
    const gaps = replacedIn(segment);
    const more = gaps && { replacedIn: gaps };
    memory.set(id, { id, interval, version, rows, size, isReplaced, missingSinceMs: null, ...more });
  };
  const toRead: PublishedSegment[] = [];
  const compacted: string[] = [];
  const conflicts: ReplacementConflict[] = [];
  const settle = (conflict: ReplacementConflict, segments: readonly PublishedSegment[]): void => {
    conflicts.push(conflict);
    for (const segment of segments) remember(segment);
    if (settings.onReplaced === 'read') toRead.push(...segments);
  };

  const units = replaceUnits(visible);
  let waiting = 0;
  const undecided: PublishedSegment[] = [];
  const wait = (segments: readonly PublishedSegment[]): void => {
    undecided.push(...segments);
    waiting += segments.length;
  };
  const handled = new Set<PublishedSegment[]>();
  for (const unit of units) {
    if (handled.has(unit)) continue;
    const { segments, replaced, members } = joinOverlapping(unit, units, earlier);
    for (const member of members) handled.add(member);
    const copies =
      replaced.length === 0 ? [] : visible.filter((candidate) => isCopyOfAny(candidate, segments, replaced));
    if (!isWhole(members) || ![...segments, ...copies].every(isReadable)) {
      wait(segments); // invariant 5
      continue;
    }
    if (replaced.length === 0) {
      for (const segment of segments) remember(segment);
      toRead.push(...segments);
      continue;
    }
    const newRows = sumRows(segments);
    const readRows = sumRows(replaced);
    const unread = unreadBelow(segments, fresh, replaced, memory);
    const isCompaction = segments.every((segment) => segment.isCompacted);
    if (isCompaction && !unread.every(isReadable)) {
      wait(segments); // invariant 5: a server may come back with them; if not, Druid takes them out of use
      continue;
    }
    // With what was not read first: without it the numbers could fit by chance. What looks like a copy is one, or it is a conflict.
    const rowsThere = newRows + sumRows(copies);
    const added = [unread, []].find((more) => rowsThere === readRows + sumRows(more));
    for (const old of replaced) memory.set(old.id, { ...old, isReplaced: true });
    earlier = earlier.filter((old) => !replaced.includes(old));
    if (isCompaction && added !== undefined) {
      const passedOver = [...segments, ...copies]; // invariant 3
      for (const segment of passedOver) remember(segment);
      compacted.push(...passedOver.map((segment) => segment.id));
      for (const segment of added) remember(segment, true);
      toRead.push(...added);
    } else {
      settle({ reason: 'replaced', ...describe(segments), newRows, readRows }, segments); // invariant 4
    }
  }
  for (const segment of visible) {
    if (segment.group !== undefined || memory.has(segment.id)) continue;
    // Whether it is a copy is not known before what it was appended to is decided about.
    if (!isReadable(segment) || undecided.some((unit) => isBeside(segment, unit))) waiting++;
    else if (earlier.some((old) => isCopyOf(segment, old))) {
      settle({ reason: 'copy', ...describe([segment]), newRows: segment.rows, readRows: segment.rows }, [
        segment,
      ]);
    } else {
      remember(segment); // invariant 2
      toRead.push(segment);
    }
  }
  return {
    splits: splitsByTime(toRead.map((segment) => splitOf(segment, settings, replacedIn(segment)))),
    seen: prune([...memory.values()], new Set(listing.map((segment) => segment.id)), settings),
    compacted,
    conflicts,
    waiting,
  };
}

/** Invariant 1. */
function prune(
  seen: readonly SeenSegment[],
  published: ReadonlySet<string>,
  { nowMs, forgetAfterMs }: PollSettings,
): SeenSegment[] {
  return seen.flatMap((segment): SeenSegment[] => {
    if (published.has(segment.id)) return [{ ...segment, missingSinceMs: null }];
    const missingSinceMs = segment.missingSinceMs ?? nowMs;
    return nowMs - missingSinceMs >= forgetAfterMs ? [] : [{ ...segment, missingSinceMs }];
  });
}

function sumRows(segments: readonly { readonly rows: number }[]): number {
  return segments.reduce((sum, segment) => sum + segment.rows, 0);
}

function describe(segments: readonly PublishedSegment[]): { segmentIds: string[]; interval: string } {
  return {
    segmentIds: segments.map((segment) => segment.id),
    interval: segments[0]?.descriptor.interval ?? '',
  };
}
