import type { SourceSplit, SplitEnumerator, SplitEnumeratorContext } from './source.js';

/**
 * Hands out splits that are known from the start, in their order, one per request. The state is those that nobody has yet.
 */
export function splitPoolEnumerator<SplitT extends SourceSplit>(
  context: SplitEnumeratorContext<SplitT>,
  splits: readonly SplitT[],
): SplitEnumerator<SplitT, readonly SplitT[]> {
  const unassigned = [...splits];
  return {
    start: () => undefined,
    handleSplitRequest(subtaskIndex) {
      const split = unassigned.shift();
      if (split === undefined) context.signalNoMoreSplits(subtaskIndex);
      else context.assignSplit(split, subtaskIndex);
    },
    addSplitsBack: (returned) => void unassigned.unshift(...returned),
    snapshotState: () => unassigned,
  };
}
