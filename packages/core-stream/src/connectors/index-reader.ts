import type { PollStatus, ReaderOutput, SourceReader, SourceReaderContext, SourceSplit } from './source.js';
import type { RateLimiter } from './rate-limiter.js';

/** The indexes `next`, `next + step`, … below `end`. */
export interface IndexSplit extends SourceSplit {
  readonly next: number;
  readonly end: number;
  readonly step: number;
}

/** Makes records from the indexes of its splits, one split after the other, in order. */
export class IndexReader<T> implements SourceReader<T, IndexSplit> {
  readonly #generate: (index: number) => T;
  readonly #context: SourceReaderContext;
  readonly #limiter: RateLimiter | undefined;
  readonly #splits: IndexSplit[] = [];
  #noMoreSplits = false;
  #wake: (() => void) | undefined;
  #cancelWait: (() => void) | undefined;

  constructor(generate: (index: number) => T, context: SourceReaderContext, limiter?: RateLimiter) {
    this.#generate = generate;
    this.#context = context;
    this.#limiter = limiter;
  }

  start(): void {
    if (this.#splits.length === 0) this.#context.requestSplit();
  }

  pollNext(output: ReaderOutput<T>, maxRecords: number): PollStatus {
    const split = this.#splits[0];
    if (split === undefined) return this.#noMoreSplits ? 'end' : 'wait';
    const granted = this.#limiter === undefined ? maxRecords : this.#limiter.take(maxRecords);
    if (granted === 0) return 'wait';
    const { next, step } = split;
    const end = Math.min(split.end, next + granted * step);
    let index = next;
    for (; index < end; index += step) output.collect(this.#generate(index));
    if (index < split.end) {
      this.#splits[0] = { ...split, next: index };
      return 'more';
    }
    this.#splits.shift();
    if (this.#splits.length > 0) return 'more';
    if (this.#noMoreSplits) return 'end';
    this.#context.requestSplit();
    return 'wait';
  }

  isAvailable(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#splits.length > 0 && this.#limiter !== undefined) {
        this.#cancelWait?.();
        this.#cancelWait = this.#context.clock.schedule(this.#limiter.waitMs, resolve);
      }
    });
  }

  addSplits(splits: readonly IndexSplit[]): void {
    this.#splits.push(...splits);
    this.#wake?.();
  }

  notifyNoMoreSplits(): void {
    this.#noMoreSplits = true;
    this.#wake?.();
  }

  snapshotState(): readonly IndexSplit[] {
    return [...this.#splits];
  }

  close(): void {
    this.#cancelWait?.();
  }
}
