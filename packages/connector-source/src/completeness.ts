/**
 * Decides whether a split has been read completely. Pure: evidence in, verdict out.
 *
 * Why a proof is needed: a Broker that does not know a pinned segment (not announced yet, dropped, a server lost) leaves
 * it out and answers 200 with no rows and an empty response context (seen on 33.0.0). Its retry of segments that a data
 * server misses can end the same way. Asking before and after the read whether the segment is available proves nothing
 * about the moment in between. Counts do, because a segment's rows never change:
 *
 * Invariant 1 (pinned): a split is one published segment, named by interval, version and partition, and its rows are
 *   taken from a Historical only: while just a real-time task serves it, reading waits, because that task may hold the
 *   same rows unmerged and in another order.
 * Invariant 2 (counted): the number of rows to come is known before the first row is emitted. Without filter and
 *   interval cut, and unless newer segments have replaced part of it, it is what the servers said when it was pinned (`segment-row-counts.ts`). Otherwise one `timeseries`
 *   query pinned to the segment returns the rows of the whole segment and the matching ones together: the second number
 *   is believed only if the first equals what was pinned, since one answer cannot have seen the segment and not seen it.
 * Invariant 3 (0 pinned rows mean unknown): then the total of such a count stands in for it, if it is above 0. Druid
 *   publishes no empty segments but tombstones, and those never become splits.
 * Invariant 4 (complete): a split ends only when exactly the expected rows were delivered. Fewer: reading resumes at
 *   the first missing row, and in the end fails. More: it fails at once, because then the order cannot be trusted.
 * Invariant 5 (resumable): rows of one segment always come in the same order (it is the order in the file, the same on
 *   every replica), so `offset` is a position. A clean end is never trusted without invariant 4.
 */

/** What Druid says about a pinned segment right now; `gone`: neither published nor on any server. */
export type SegmentAvailability = 'available' | 'realtime' | 'unavailable' | 'gone' | 'unknown';

/** How a count of a pinned segment compares with what was pinned. */
export type CountVerdict =
  | { readonly kind: 'proven'; readonly expectedRows: number }
  /** The Broker did not see the segment, or nothing tells yet whether it did. */
  | { readonly kind: 'unproven' }
  | { readonly kind: 'contradiction' };

/** @param pinnedRows 0 if unknown */
export function judgeCount(pinnedRows: number, total: number, matching: number): CountVerdict {
  if (total === 0) return { kind: 'unproven' };
  if (pinnedRows === 0 || total === pinnedRows) return { kind: 'proven', expectedRows: matching }; // invariants 2, 3
  return { kind: 'contradiction' };
}

/**
 * How one scan of a split ended: `refused` is a failure that repeating cannot heal; `unreachable`: nobody could connect to
 * the server of the segment.
 */
export type ScanEnd = 'clean' | 'broken' | 'refused' | 'unreachable';

/** All that is known after a scan. */
export interface ScanEvidence {
  readonly expectedRows: number;
  /** Rows delivered so far, those before a restore included. */
  readonly delivered: number;
  readonly end: ScanEnd;
  readonly availability: SegmentAvailability;
  /** Attempts in a row that delivered nothing new, this one included; without those in which the segment was away. */
  readonly fruitlessAttempts: number;
  /** How long the segment has been waited for, in milliseconds. */
  readonly waitedMs: number;
}

/** Limits of patience. */
export interface CompletenessPolicy {
  /** Attempts in a row without a new row. */
  readonly maxAttempts: number;
  /** How long to wait for a segment that is published but away. */
  readonly availabilityTimeoutMs: number;
}

export type FailureReason =
  'surplus' | 'contradiction' | 'shortfall' | 'gone' | 'unavailable' | 'refused' | 'broken';

export type ScanVerdict =
  | { readonly kind: 'complete' }
  | { readonly kind: 'retry' }
  | { readonly kind: 'fail'; readonly reason: FailureReason };

const fail = (reason: FailureReason): ScanVerdict => ({ kind: 'fail', reason });
const retry: ScanVerdict = { kind: 'retry' };

/**
 * Whether the segment is published and has to be waited for: no Historical serves it, or the one that does cannot be
 * reached. Druid goes on naming a server that has ended until its ZooKeeper session has, 30 s later by default.
 */
export function isAway({ end, availability }: Pick<ScanEvidence, 'end' | 'availability'>): boolean {
  if (availability === 'available') return end === 'unreachable';
  return availability === 'unavailable' || availability === 'realtime';
}

/** The verdict after a scan; see the invariants above. */
export function judgeScan(evidence: ScanEvidence, policy: CompletenessPolicy): ScanVerdict {
  const { expectedRows, delivered, end, availability } = evidence;
  if (delivered > expectedRows) return fail('surplus');
  // A stream that broke off after its last row has delivered everything all the same: the count is the proof.
  if (delivered === expectedRows) return { kind: 'complete' }; // invariant 4
  if (end === 'refused') return fail('refused');
  if (isAway(evidence)) {
    if (evidence.waitedMs < policy.availabilityTimeoutMs) return retry;
    return fail(availability === 'available' ? 'broken' : 'unavailable');
  }
  if (evidence.fruitlessAttempts < policy.maxAttempts) return retry;
  if (availability === 'gone') return fail('gone');
  return fail(end === 'clean' ? 'shortfall' : 'broken');
}

/** Milliseconds before the next attempt: 250, 500, … 5,000. */
export function backOffMs(fruitlessAttempts: number): number {
  return Math.min(5000, 250 * 2 ** Math.min(10, Math.max(0, fruitlessAttempts - 1)));
}
