import type { Feed, OpenFeed } from './feed.js';
import { singleSplitEnumerator } from './single-split.js';
import type {
  Boundedness,
  PollStatus,
  ReaderOutput,
  Source,
  SourceReader,
  SourceReaderContext,
  SourceSplit,
  SplitEnumerator,
  SplitEnumeratorContext,
} from './source.js';

/** The feed, and the position of the last record that was emitted. */
interface FeedSplit<P> extends SourceSplit {
  readonly position?: P;
}

export interface FeedSourceOptions<T, P> {
  readonly open: OpenFeed<T, P>;
  readonly boundedness: Boundedness;
  /** Called once per batch. Plain data. */
  readonly positionOf: ((record: T) => P) | undefined;
}

/** Adapts a feed to a source with one reader. */
export class FeedSource<T, P> implements Source<T, FeedSplit<P>, boolean> {
  readonly boundedness: Boundedness;
  readonly #options: FeedSourceOptions<T, P>;

  constructor(options: FeedSourceOptions<T, P>) {
    this.boundedness = options.boundedness;
    this.#options = options;
  }

  createEnumerator(
    context: SplitEnumeratorContext<FeedSplit<P>>,
    isAssigned = false,
  ): SplitEnumerator<FeedSplit<P>, boolean> {
    return singleSplitEnumerator(context, { splitId: 'feed' }, isAssigned);
  }

  createReader(context: SourceReaderContext): SourceReader<T, FeedSplit<P>> {
    return new FeedReader(this.#options, context);
  }
}

class FeedReader<T, P> implements SourceReader<T, FeedSplit<P>> {
  readonly #options: FeedSourceOptions<T, P>;
  readonly #context: SourceReaderContext;
  #split: FeedSplit<P> | undefined;
  #feed: Feed<T> | undefined;
  #noMoreSplits = false;
  #wake: (() => void) | undefined;

  constructor(options: FeedSourceOptions<T, P>, context: SourceReaderContext) {
    this.#options = options;
    this.#context = context;
  }

  start(): void {
    if (this.#split === undefined) this.#context.requestSplit();
  }

  pollNext(output: ReaderOutput<T>, maxRecords: number): PollStatus {
    if (this.#split === undefined) return this.#noMoreSplits ? 'end' : 'wait';
    const { open, positionOf } = this.#options;
    const feed = (this.#feed ??= open(this.#split.position, this.#context.signal));
    const records = feed.take(maxRecords);
    const last = records.at(-1);
    // Before they are emitted: whoever gets a record may change it.
    if (positionOf !== undefined && records.length > 0) {
      this.#split = { splitId: 'feed', position: positionOf(last as T) };
    }
    for (const record of records) output.collect(record);
    if (records.length === maxRecords) return 'more';
    if (!feed.hasEnded) return 'wait';
    this.#split = undefined;
    this.#noMoreSplits = true; // there was only this one; a restored reader has not asked for another
    return 'end';
  }

  isAvailable(): Promise<void> {
    return this.#feed?.isAvailable() ?? new Promise((resolve) => (this.#wake = resolve));
  }

  addSplits(splits: readonly FeedSplit<P>[]): void {
    this.#split = splits[0];
    this.#wake?.();
  }

  notifyNoMoreSplits(): void {
    this.#noMoreSplits = true;
    this.#wake?.();
  }

  snapshotState(): readonly FeedSplit<P>[] {
    return this.#split === undefined ? [] : [this.#split];
  }

  close(): void | Promise<void> {
    return this.#feed?.close();
  }
}
