import { StreamConfigError } from '../errors.js';
import { IndexReader, type IndexSplit } from './index-reader.js';
import type {
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from './source.js';
import { splitPoolEnumerator } from './split-pool.js';

/**
 * Emits the whole numbers from `from` to `to`, both included: one stretch per reader, ascending within it.
 *
 * @throws StreamConfigError for bounds that are no safe whole numbers, or in the wrong order
 */
export class NumberSequenceSource implements Source<number, IndexSplit, readonly IndexSplit[]> {
  readonly boundedness = 'bounded';
  readonly #from: number;
  readonly #to: number;

  constructor(from: number, to: number) {
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from > to) {
      throw new StreamConfigError(
        `A number sequence needs safe whole numbers 'from' <= 'to', got ${from} and ${to}`,
      );
    }
    this.#from = from;
    this.#to = to;
  }

  createEnumerator(
    context: SplitEnumeratorContext<IndexSplit>,
    restored?: readonly IndexSplit[],
  ): SplitEnumerator<IndexSplit, readonly IndexSplit[]> {
    return splitPoolEnumerator(context, restored ?? splitSequence(this.#from, this.#to, context.parallelism));
  }

  createReader(context: SourceReaderContext): SourceReader<number, IndexSplit> {
    return new IndexReader((index) => index, context);
  }
}

/** At most `parts` stretches whose lengths differ by at most one. */
export function splitSequence(from: number, to: number, parts: number): readonly IndexSplit[] {
  const count = Math.min(parts, to - from + 1);
  const size = Math.floor((to - from + 1) / count);
  const larger = to - from + 1 - size * count;
  const splits: IndexSplit[] = [];
  for (let i = 0, next = from; i < count; i++) {
    const end = i === count - 1 ? to + 1 : next + size + (i < larger ? 1 : 0);
    splits.push({ splitId: String(i), next, end, step: 1 });
    next = end;
  }
  return splits;
}
