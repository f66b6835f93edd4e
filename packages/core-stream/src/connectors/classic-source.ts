import { decodeState } from '../state/canonical-decoding.js';
import { encodeState } from '../state/canonical-encoding.js';
import type { SourceFunction } from './classic.js';
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

/** The whole source is one split; its position is what the function says. */
interface ClassicSplit extends SourceSplit {
  /** Absent before the first record. */
  readonly position?: unknown;
}

/** Adapts a `SourceFunction` to a source with one reader. */
export class ClassicSource<T> implements Source<T, ClassicSplit, boolean> {
  readonly boundedness: Boundedness;
  readonly #function: SourceFunction<T>;
  /** Where the function was before its first record, encoded. A job that is restarted has the same object again. */
  readonly #start: { position?: Uint8Array | undefined } = {};

  constructor(sourceFunction: SourceFunction<T>) {
    this.boundedness = sourceFunction.boundedness ?? 'unbounded';
    this.#function = sourceFunction;
  }

  createEnumerator(
    context: SplitEnumeratorContext<ClassicSplit>,
    isAssigned = false,
  ): SplitEnumerator<ClassicSplit, boolean> {
    return singleSplitEnumerator(context, { splitId: 'classic' }, isAssigned);
  }

  createReader(context: SourceReaderContext): SourceReader<T, ClassicSplit> {
    return new ClassicReader(this.#function, context, this.#start);
  }
}

class ClassicReader<T> implements SourceReader<T, ClassicSplit> {
  readonly #function: SourceFunction<T>;
  readonly #context: SourceReaderContext;
  readonly #start: { position?: Uint8Array | undefined };
  #split: ClassicSplit | undefined;
  #noMoreSplits = false;
  #isOpen = false;
  #pending: Promise<void> | undefined;
  #onAvailable: (() => void) | undefined;
  /** What `collect` emitted, in its turn or later; handed on by the next poll. */
  readonly #buffer: { value: T; timestamp: number | undefined }[] = [];
  #isExhausted = false;
  /** The position before the latest `collect`, encoded. */
  #before: Uint8Array | undefined;

  constructor(
    sourceFunction: SourceFunction<T>,
    context: SourceReaderContext,
    start: { position?: Uint8Array | undefined },
  ) {
    this.#function = sourceFunction;
    this.#context = context;
    this.#start = start;
  }

  start(): void {
    if (this.#split === undefined) this.#context.requestSplit();
  }

  pollNext(output: ReaderOutput<T>): PollStatus {
    // Nothing of a `collect` is handed on before it has ended: until then a checkpoint has the position before it.
    if (this.#pending !== undefined) return 'wait';
    for (const { value, timestamp } of this.#buffer.splice(0)) output.collect(value, timestamp);
    if (this.#split === undefined) return this.#noMoreSplits ? 'end' : 'wait';
    if (this.#isExhausted) {
      this.#split = undefined;
      this.#noMoreSplits = true; // there was only this one; a restored reader has not asked for another
      return 'end';
    }
    if (!this.#isOpen) {
      this.#pending = this.#open(this.#split);
      return 'wait';
    }
    this.#before = this.#encodePosition();
    const collected = this.#function.collect({
      collect: (value, timestamp) => void this.#buffer.push({ value, timestamp }),
    });
    if (typeof collected === 'boolean') {
      this.#isExhausted = !collected;
      for (const { value, timestamp } of this.#buffer.splice(0)) output.collect(value, timestamp);
      return 'more';
    }
    this.#pending = collected.then((hasMore) => {
      this.#isExhausted = !hasMore;
      this.#pending = undefined;
    });
    return 'wait';
  }

  async #open(split: ClassicSplit): Promise<void> {
    const { subtaskIndex, parallelism, clock, logger, metrics, signal } = this.#context;
    await this.#function.open?.({ subtaskIndex, parallelism, clock, logger, metrics, signal });
    if (split.position !== undefined) this.#function.restoreState?.(split.position);
    else this.#begin();
    this.#isOpen = true;
    this.#pending = undefined;
  }

  /** Without a checkpoint: at the beginning, also where an earlier start of the job has gone on from there. */
  #begin(): void {
    const { position } = this.#start;
    if (position === undefined) this.#start.position = this.#encodePosition();
    else this.#function.restoreState?.(decodeState(position));
  }

  isAvailable(): Promise<void> {
    return this.#pending ?? new Promise((resolve) => (this.#onAvailable = resolve));
  }

  addSplits(splits: readonly ClassicSplit[]): void {
    this.#split = splits[0];
    this.#onAvailable?.();
  }

  notifyNoMoreSplits(): void {
    this.#noMoreSplits = true;
    this.#onAvailable?.();
  }

  snapshotState(): readonly ClassicSplit[] {
    if (this.#split === undefined) return [];
    if (!this.#isOpen) return [this.#split];
    // The last record is handed on: a restored function must not be asked again after it has said false.
    if (this.#isExhausted && this.#buffer.length === 0) return [];
    const isBetween = this.#pending === undefined && this.#buffer.length === 0;
    const position = isBetween ? this.#encodePosition() : this.#before;
    return [{ splitId: 'classic', ...(position === undefined ? {} : { position: decodeState(position) }) }];
  }

  /** Encoded at once, because the function may go on changing the object that it returns. */
  #encodePosition(): Uint8Array | undefined {
    const position = this.#function.snapshotState?.();
    return position === undefined ? undefined : encodeState(position);
  }

  async close(): Promise<void> {
    // A function that is still opening is not closed under its feet. What it throws has been reported.
    if (!this.#isOpen) await this.#pending?.catch(() => undefined);
    await this.#function.close?.();
  }
}
