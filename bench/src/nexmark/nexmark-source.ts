import {
  sleep,
  type PollStatus,
  type ReaderOutput,
  type Source,
  type SourceReader,
  type SourceReaderContext,
  type SourceSplit,
  type SplitEnumerator,
  type SplitEnumeratorContext,
} from '@millrace/core-stream';
import type { NexmarkEvent } from './events.js';
import { EVENTS_PER_EPOCH, Generator } from './generator.js';

/** Every `of`-th block of events, from event `next` on. */
export interface NexmarkSplit extends SourceSplit {
  readonly next: number;
  readonly of: number;
}

export interface NexmarkSourceOptions {
  readonly events: number;
  readonly seed: number;
  /** Told how many events were made, poll by poll. */
  readonly onMade: (count: number) => void;
  /**
   * Keeps the stream open after the last event until the clock has passed the next multiple of this: what waits for
   * processing time is lost at the end of the input.
   */
  readonly lingerMs?: number;
}

/** What a timer set for a multiple of `lingerMs` may be late. */
const LINGER_MARGIN_MS = 200;

/**
 * The generator as a source: of p subtasks, the i-th emits the blocks b of 50 events with b mod p = i, in order. Unbounded
 * to the engine, so that jobs run as on an endless stream.
 */
export class NexmarkSource implements Source<NexmarkEvent, NexmarkSplit, boolean> {
  readonly boundedness = 'unbounded';
  readonly #options: NexmarkSourceOptions;

  constructor(options: NexmarkSourceOptions) {
    this.#options = options;
  }

  /** The enumerator's state is whether the splits were handed out. */
  createEnumerator(
    context: SplitEnumeratorContext<NexmarkSplit>,
    isAssigned = false,
  ): SplitEnumerator<NexmarkSplit, boolean> {
    const { parallelism } = context;
    let unassigned: NexmarkSplit[] = isAssigned
      ? []
      : Array.from({ length: parallelism }, (_, index) => ({
          splitId: `blocks-${index}`,
          next: index * EVENTS_PER_EPOCH,
          of: parallelism,
        }));
    return {
      start: () => undefined,
      handleSplitRequest(subtaskIndex) {
        const split = unassigned.shift();
        if (split === undefined) context.signalNoMoreSplits(subtaskIndex);
        else context.assignSplit(split, subtaskIndex);
      },
      addSplitsBack(splits) {
        unassigned = [...unassigned, ...splits];
      },
      snapshotState: () => unassigned.length === 0,
    };
  }

  createReader(context: SourceReaderContext): SourceReader<NexmarkEvent, NexmarkSplit> {
    return new NexmarkReader(this.#options, context);
  }
}

class NexmarkReader implements SourceReader<NexmarkEvent, NexmarkSplit> {
  readonly #options: NexmarkSourceOptions;
  readonly #context: SourceReaderContext;
  readonly #generator: Generator;
  #split: NexmarkSplit | undefined;
  #next = 0;
  #hasAllSplits = false;
  #lingering: Promise<void> | undefined;
  #hasLingered = false;
  #onAvailable: (() => void) | undefined;

  constructor(options: NexmarkSourceOptions, context: SourceReaderContext) {
    this.#options = options;
    this.#context = context;
    this.#generator = new Generator(options.seed);
  }

  start(): void {
    if (this.#split === undefined) this.#context.requestSplit();
  }

  pollNext(output: ReaderOutput<NexmarkEvent>, maxRecords: number): PollStatus {
    if (this.#split === undefined) return this.#hasAllSplits ? this.#end() : 'wait';
    const { events, onMade } = this.#options;
    const generator = this.#generator;
    const skipped = (this.#split.of - 1) * EVENTS_PER_EPOCH;
    let n = this.#next;
    let left = maxRecords;
    while (left > 0 && n < events) {
      const blockEnd = n - (n % EVENTS_PER_EPOCH) + EVENTS_PER_EPOCH;
      const end = Math.min(blockEnd, n + left, events);
      left -= end - n;
      for (; n < end; n++) {
        const event = generator.event(n);
        output.collect(event, event.dateTime);
      }
      if (n === blockEnd) n += skipped;
    }
    this.#next = n;
    onMade(maxRecords - left);
    if (n >= events) {
      this.#split = undefined;
      this.#context.requestSplit();
    }
    return 'more';
  }

  #end(): PollStatus {
    return this.#options.lingerMs === undefined || this.#hasLingered ? 'end' : 'wait';
  }

  isAvailable(): Promise<void> {
    const { lingerMs } = this.#options;
    if (!this.#hasAllSplits || lingerMs === undefined)
      return new Promise((resolve) => (this.#onAvailable = resolve));
    this.#lingering ??= this.#linger(lingerMs);
    return this.#lingering;
  }

  async #linger(lingerMs: number): Promise<void> {
    const { clock, signal } = this.#context;
    await sleep(clock, lingerMs - (clock.now() % lingerMs) + LINGER_MARGIN_MS, signal);
    this.#hasLingered = true;
  }

  addSplits(splits: readonly NexmarkSplit[]): void {
    this.#split = splits[0];
    this.#next = this.#split?.next ?? 0;
    this.#onAvailable?.();
  }

  notifyNoMoreSplits(): void {
    this.#hasAllSplits = true;
    this.#onAvailable?.();
  }

  snapshotState(): readonly NexmarkSplit[] {
    return this.#split === undefined ? [] : [{ ...this.#split, next: this.#next }];
  }
}
