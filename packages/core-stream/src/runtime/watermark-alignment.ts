/**
 * Keeps the readers of an alignment group together in event time (Flink's FLIP-182 and 217).
 *
 * Role: the decision how far a reader may go. Boundary: pure; the reader's task asks, and stops itself.
 *
 * Invariants
 * 1. A reader may go as far as the lowest watermark of the group plus its own drift: so the lowest is never stopped.
 * 2. Readers that are idle, have ended or never had a split do not count. With none that counts, none is stopped.
 */
import type { PlanNode } from '../plan/execution-plan.js';
import { MAX_WATERMARK } from '../time/watermark-strategy.js';
import type { SourceTask } from './source-task.js';

/** What a reader says of itself. */
export interface AlignmentReport {
  readonly watermark: number;
  readonly hasSplits: boolean;
  readonly isIdle: boolean;
  readonly hasEnded: boolean;
}

/** The highest watermark with which a reader may go on. */
export function maxAllowedWatermark(reports: Iterable<AlignmentReport>, maxDriftMs: number): number {
  let lowest = MAX_WATERMARK;
  for (const { watermark, hasSplits, isIdle, hasEnded } of reports) {
    if (hasSplits && !isIdle && !hasEnded && watermark < lowest) lowest = watermark; // invariant 2
  }
  return lowest + maxDriftMs; // invariant 1
}

/** Makes the groups that the program's strategies name: all readers of one name look at each other. */
export function alignSources(
  nodes: readonly PlanNode[],
  tasksOf: ReadonlyMap<string, readonly SourceTask[]>,
): void {
  const groups = new Map<string, SourceTask[]>();
  for (const { spec, uid } of nodes) {
    const alignment = spec.kind === 'source' ? spec.watermarks.alignment : undefined;
    if (alignment === undefined) continue;
    const group = groups.get(alignment.group) ?? [];
    groups.set(alignment.group, group);
    for (const task of tasksOf.get(uid) ?? []) {
      group.push(task);
      task.alignWith(group, alignment);
    }
  }
}
