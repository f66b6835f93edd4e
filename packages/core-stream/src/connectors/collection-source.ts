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

/** Position of the next element. */
interface CollectionSplit extends SourceSplit {
  readonly next: number;
}

/** Emits the elements of an array, in order. A checkpoint stores how far it has got, not the elements. */
export class CollectionSource<T> implements Source<T, CollectionSplit, boolean> {
  readonly boundedness = 'bounded';
  readonly #elements: readonly T[];

  constructor(elements: readonly T[]) {
    this.#elements = elements;
  }

  createEnumerator(
    context: SplitEnumeratorContext<CollectionSplit>,
    isAssigned = false,
  ): SplitEnumerator<CollectionSplit, boolean> {
    let unassigned: readonly CollectionSplit[] = isAssigned ? [] : [{ splitId: 'collection', next: 0 }];
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

  createReader(context: SourceReaderContext): SourceReader<T, CollectionSplit> {
    return new CollectionReader(this.#elements, context);
  }
}

class CollectionReader<T> implements SourceReader<T, CollectionSplit> {
  readonly #elements: readonly T[];
  readonly #context: SourceReaderContext;
  #next: number | undefined;
  #noMoreSplits = false;
  #onAvailable: (() => void) | undefined;

  constructor(elements: readonly T[], context: SourceReaderContext) {
    this.#elements = elements;
    this.#context = context;
  }

  start(): void {
    if (this.#next === undefined) this.#context.requestSplit();
  }

  pollNext(output: ReaderOutput<T>, maxRecords: number): PollStatus {
    if (this.#next !== undefined) {
      const end = Math.min(this.#elements.length, this.#next + maxRecords);
      for (let i = this.#next; i < end; i++) output.collect(this.#elements[i] as T);
      this.#next = end < this.#elements.length ? end : undefined;
      if (this.#next === undefined && !this.#noMoreSplits) this.#context.requestSplit();
      return 'more';
    }
    return this.#noMoreSplits ? 'end' : 'wait';
  }

  isAvailable(): Promise<void> {
    return new Promise((resolve) => (this.#onAvailable = resolve));
  }

  addSplits(splits: readonly CollectionSplit[]): void {
    for (const split of splits) this.#next = split.next;
    this.#onAvailable?.();
  }

  notifyNoMoreSplits(): void {
    this.#noMoreSplits = true;
    this.#onAvailable?.();
  }

  snapshotState(): readonly CollectionSplit[] {
    return this.#next === undefined ? [] : [{ splitId: 'collection', next: this.#next }];
  }
}
