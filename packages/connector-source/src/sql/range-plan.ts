/**
 * Decides which range of time is read next. Pure: a position and the time in, the next step out.
 *
 * Invariant 1: ranges are half open, follow each other without gap or overlap, and begin at the position; so every moment
 *   of the interval is in exactly one of them.
 * Invariant 2: an incremental range ends at least `latenessMs` before now, and ranges begin and end at multiples of `alignMs`.
 */
import type { TimeRange } from '../druid-split.js';

/** `once`: a statement without a range; `interval`: cut into ranges; `incremental`: ranges as time goes on. */
export type RangePlan =
  | { readonly kind: 'once' }
  | { readonly kind: 'interval'; readonly startMs: number; readonly endMs: number; readonly splitMs: number }
  | ({ readonly kind: 'incremental' } & IncrementalPlan);

export interface IncrementalPlan {
  /** Where the first run begins; null: at the time of the start, less the lateness. */
  readonly startMs: number | null;
  readonly latenessMs: number;
  readonly pollIntervalMs: number;
  readonly maxRangeMs: number;
  readonly alignMs: number;
}

export type NextStep =
  | { readonly kind: 'read'; readonly range: TimeRange | null; readonly position: number }
  | { readonly kind: 'wait'; readonly delayMs: number }
  | { readonly kind: 'end' };

/** The position of a job that starts from nothing. */
export function firstPosition(plan: RangePlan, nowMs: number): number {
  if (plan.kind === 'once') return 0;
  if (plan.kind === 'interval') return plan.startMs;
  return floorTo(plan.startMs ?? nowMs - plan.latenessMs, plan.alignMs);
}

/** The plan of a source that has been started: whenever it starts again, it begins where it did at first. */
export function startedPlan(plan: RangePlan, nowMs: number): RangePlan {
  return plan.kind === 'incremental' ? { ...plan, startMs: firstPosition(plan, nowMs) } : plan;
}

/** What to do now, given that everything before `position` was handed out. */
export function nextStep(plan: RangePlan, position: number, nowMs: number): NextStep {
  switch (plan.kind) {
    case 'once':
      return position === 0 ? { kind: 'read', range: null, position: 1 } : { kind: 'end' };
    case 'interval':
      if (position >= plan.endMs) return { kind: 'end' };
      return readUpTo(position, Math.min(position + plan.splitMs, plan.endMs)); // invariant 1
    case 'incremental': {
      const { latenessMs, pollIntervalMs, maxRangeMs, alignMs } = plan;
      const readyMs = floorTo(nowMs - latenessMs, alignMs); // invariant 2
      const shortestMs = Math.min(maxRangeMs, Math.ceil(pollIntervalMs / alignMs) * alignMs);
      if (readyMs - position >= shortestMs)
        return readUpTo(position, Math.min(position + maxRangeMs, readyMs));
      return { kind: 'wait', delayMs: position + shortestMs + latenessMs - nowMs };
    }
  }
}

/** How many steps there are from `position` on; undefined for a plan without an end. */
export function stepsLeft(plan: RangePlan, position: number): number | undefined {
  if (plan.kind === 'incremental') return undefined;
  if (plan.kind === 'once') return 1 - position;
  return Math.ceil((plan.endMs - position) / plan.splitMs);
}

function readUpTo(startMs: number, endMs: number): NextStep {
  return { kind: 'read', range: { startMs, endMs }, position: endMs }; // invariant 1
}

function floorTo(ms: number, multiple: number): number {
  return Math.floor(ms / multiple) * multiple;
}
