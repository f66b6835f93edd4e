import { StreamConfigError } from '../errors.js';
import type {
  PollStatus,
  ReaderOutput,
  Source,
  SourceReader,
  SourceReaderContext,
  SourceSplit,
  SplitEnumerator,
  SplitEnumeratorContext,
} from './source.js';

/** The index of the next record. */
export interface DataGeneratorSplit extends SourceSplit {
  readonly next: number;
}

/**
 * Emits `count` records, each made from its index, in order: one split, read by one reader. A checkpoint stores the index,
 * so `generate` has to give the same record for the same index, also in the next process.
 *
 * @example
 * env.fromSource(new DataGeneratorSource((n) => ({ id: n }), 1_000), WatermarkStrategy.noWatermarks(), 'ids')
 * @throws StreamConfigError for a `count` that is no whole number from 0
 */
export class DataGeneratorSource<T> implements Source<T, DataGeneratorSplit, boolean> {
  readonly boundedness = 'bounded';
  readonly #generate: (index: number) => T;
  readonly #count: number;

  constructor(generate: (index: number) => T, count: number) {
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new StreamConfigError(`A data generator needs a whole number of records from 0, got ${count}`);
    }
    this.#generate = generate;
    this.#count = count;
  }

  /** The enumerator's state is whether the one split was handed out. */
  createEnumerator(
    context: SplitEnumeratorContext<DataGeneratorSplit>,
    isAssigned = false,
  ): SplitEnumerator<DataGeneratorSplit, boolean> {
    let unassigned: readonly DataGeneratorSplit[] = isAssigned ? [] : [{ splitId: 'all', next: 0 }];
    return {
      start: () => undefined,
      handleSplitRequest(subtaskIndex) {
        for (const split of unassigned) context.assignSplit(split, subtaskIndex);
        unassigned = [];
        context.signalNoMoreSplits(subtaskIndex);
      },
      addSplitsBack: (splits) => (unassigned = [...unassigned, ...splits]),
      snapshotState: () => unassigned.length === 0,
    };
  }

  createReader(context: SourceReaderContext): SourceReader<T, DataGeneratorSplit> {
    return new DataGeneratorReader(this.#generate, this.#count, context);
  }
}

class DataGeneratorReader<T> implements SourceReader<T, DataGeneratorSplit> {
  readonly #generate: (index: number) => T;
  readonly #count: number;
  readonly #context: SourceReaderContext;
  #split: DataGeneratorSplit | undefined;
  #noMoreSplits = false;
  #onAvailable: (() => void) | undefined;

  constructor(generate: (index: number) => T, count: number, context: SourceReaderContext) {
    this.#generate = generate;
    this.#count = count;
    this.#context = context;
  }

  start(): void {
    if (this.#split === undefined) this.#context.requestSplit();
  }

  pollNext(output: ReaderOutput<T>, maxRecords: number): PollStatus {
    if (this.#split === undefined) return this.#noMoreSplits ? 'end' : 'wait';
    const { splitId, next } = this.#split;
    const end = Math.min(this.#count, next + maxRecords);
    for (let index = next; index < end; index++) output.collect(this.#generate(index));
    this.#split = end < this.#count ? { splitId, next: end } : undefined;
    if (this.#split === undefined && !this.#noMoreSplits) this.#context.requestSplit();
    return 'more';
  }

  isAvailable(): Promise<void> {
    return new Promise((resolve) => (this.#onAvailable = resolve));
  }

  addSplits(splits: readonly DataGeneratorSplit[]): void {
    this.#split = splits[0];
    this.#onAvailable?.();
  }

  notifyNoMoreSplits(): void {
    this.#noMoreSplits = true;
    this.#onAvailable?.();
  }

  snapshotState(): readonly DataGeneratorSplit[] {
    return this.#split === undefined ? [] : [this.#split];
  }
}
