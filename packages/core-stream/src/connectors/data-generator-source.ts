import { StreamConfigError } from '../errors.js';
import { IndexReader, type IndexSplit } from './index-reader.js';
import { RateLimiter } from './rate-limiter.js';
import type {
  Boundedness,
  Source,
  SourceReader,
  SourceReaderContext,
  SplitEnumerator,
  SplitEnumeratorContext,
} from './source.js';
import { splitPoolEnumerator } from './split-pool.js';

/** The indexes of one reader. */
export type DataGeneratorSplit = IndexSplit;

/** How a data generator spreads its records over readers and time. */
export interface DataGeneratorOptions {
  /**
   * Into how many splits the records are dealt out, record by record: as many readers can work at a time. 1 unless told,
   * which keeps all records in order; with more, those of a split are.
   */
  readonly splits?: number;
  /** The highest rate over all readers, each of which gets the same share of it. No limit unless told. */
  readonly recordsPerSecond?: number;
}

/**
 * Emits `count` records, each made from its index from 0; `Infinity` goes on for ever. A checkpoint stores the next index
 * of each split, so `generate` has to give the same record for the same index, also in the next process.
 *
 * @example
 * env.fromSource(new DataGeneratorSource((n) => ({ id: n }), 1_000), WatermarkStrategy.noWatermarks(), 'ids')
 * @throws StreamConfigError for a `count` that is no whole number from 0, and options that make no sense
 */
export class DataGeneratorSource<T> implements Source<T, DataGeneratorSplit, readonly DataGeneratorSplit[]> {
  readonly boundedness: Boundedness;
  readonly #generate: (index: number) => T;
  readonly #count: number;
  readonly #splits: number;
  readonly #recordsPerSecond: number | undefined;

  constructor(generate: (index: number) => T, count: number, options: DataGeneratorOptions = {}) {
    const { splits = 1, recordsPerSecond } = options;
    if (count !== Infinity && (!Number.isSafeInteger(count) || count < 0)) {
      throw new StreamConfigError(
        `A data generator needs a whole number of records from 0, or Infinity, got ${count}`,
      );
    }
    if (!Number.isSafeInteger(splits) || splits < 1) {
      throw new StreamConfigError(
        `'splits' of a data generator must be a whole number above 0, got ${splits}`,
      );
    }
    if (recordsPerSecond !== undefined && !(recordsPerSecond > 0 && recordsPerSecond < Infinity)) {
      throw new StreamConfigError(
        `'recordsPerSecond' of a data generator must be above 0, got ${recordsPerSecond}. Leave it out for no limit.`,
      );
    }
    this.boundedness = count === Infinity ? 'unbounded' : 'bounded';
    this.#generate = generate;
    this.#count = count;
    this.#splits = splits;
    this.#recordsPerSecond = recordsPerSecond;
  }

  /** The enumerator's state is the splits that no reader has had. */
  createEnumerator(
    context: SplitEnumeratorContext<DataGeneratorSplit>,
    restored?: readonly DataGeneratorSplit[],
  ): SplitEnumerator<DataGeneratorSplit, readonly DataGeneratorSplit[]> {
    const dealt = Array.from({ length: this.#splits }, (_, index) => {
      return { splitId: String(index), next: index, end: this.#count, step: this.#splits };
    });
    return splitPoolEnumerator(context, restored ?? dealt.filter(({ next, end }) => next < end));
  }

  createReader(context: SourceReaderContext): SourceReader<T, DataGeneratorSplit> {
    const readers = Math.min(context.parallelism, this.#splits);
    const limiter =
      this.#recordsPerSecond === undefined
        ? undefined
        : new RateLimiter(this.#recordsPerSecond / readers, context.clock);
    return new IndexReader(this.#generate, context, limiter);
  }
}
