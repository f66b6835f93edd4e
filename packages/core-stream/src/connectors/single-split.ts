import type { SourceSplit, SplitEnumerator, SplitEnumeratorContext } from './source.js';

/** Hands out one split, once. The state is whether it was: from then on it is in its reader's. */
export function singleSplitEnumerator<SplitT extends SourceSplit>(
  context: SplitEnumeratorContext<SplitT>,
  split: SplitT,
  isAssigned: boolean,
): SplitEnumerator<SplitT, boolean> {
  let unassigned = isAssigned ? undefined : split;
  return {
    start: () => undefined,
    handleSplitRequest(subtaskIndex) {
      if (unassigned !== undefined) context.assignSplit(unassigned, subtaskIndex);
      unassigned = undefined;
      context.signalNoMoreSplits(subtaskIndex);
    },
    addSplitsBack: ([returned]) => void (unassigned = returned),
    snapshotState: () => unassigned === undefined,
  };
}
