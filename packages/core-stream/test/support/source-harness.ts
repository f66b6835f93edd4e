import {
  silentLogger,
  type PollStatus,
  type ReaderOutput,
  type Source,
  type SourceReader,
  type SourceSplit,
  type SplitEnumerator,
} from '../../src/index.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { TestMetrics } from '../../src/testing/index.js';
import { turn } from './conditions.js';
import { ManualClock } from './manual-clock.js';

/** What a checkpoint has of a source, as it comes back from a file. */
export interface SourceCheckpoint<SplitT, EnumT> {
  readonly enumerator: EnumT;
  readonly readers: readonly (readonly SplitT[])[];
}

/** Runs a source without a job: the test decides when which reader is polled, and when a checkpoint is taken. */
export class SourceHarness<T, SplitT extends SourceSplit, EnumT> {
  readonly clock: ManualClock;
  readonly records: T[] = [];
  readonly byReader: T[][];
  readonly released: string[] = [];
  readonly #enumerator: SplitEnumerator<SplitT, EnumT>;
  readonly #readers: SourceReader<T, SplitT>[];
  readonly #ended = new Set<number>();
  readonly #abort = new AbortController();
  readonly metrics = new TestMetrics();
  /** What the enumerator threw. */
  failure: Error | undefined;
  /** Results that the enumerator has got from `callAsync`. */
  asyncCalls = 0;

  constructor(
    source: Source<T, SplitT, EnumT>,
    options: {
      parallelism?: number;
      restored?: SourceCheckpoint<SplitT, EnumT>;
      clock?: ManualClock;
    } = {},
  ) {
    const { parallelism = 1, restored, clock = new ManualClock() } = options;
    this.clock = clock;
    const base = {
      parallelism,
      operatorUid: 'source',
      clock,
      logger: silentLogger,
      signal: this.#abort.signal,
    };
    this.#enumerator = source.createEnumerator(
      {
        ...base,
        metrics: this.metrics.group,
        assignSplit: (split, subtaskIndex) => this.#readers[subtaskIndex]!.addSplits([split]),
        signalNoMoreSplits: (subtaskIndex) => this.#readers[subtaskIndex]!.notifyNoMoreSplits(),
        callAsync: (work, handler, schedule = {}) => {
          const run = (): void => {
            work(this.#abort.signal).then(
              (result) => {
                if (this.#abort.signal.aborted) return;
                this.asyncCalls++;
                try {
                  handler(result);
                } catch (error) {
                  this.failure = error as Error;
                  return;
                }
                if (schedule.periodMs !== undefined) clock.schedule(schedule.periodMs, run);
              },
              (error: unknown) => (this.failure = error as Error),
            );
          };
          run();
        },
      },
      ...(restored === undefined ? [] : [restored.enumerator]),
    );
    this.byReader = Array.from({ length: parallelism }, () => []);
    this.#readers = this.byReader.map((_, subtaskIndex) =>
      source.createReader({
        ...base,
        subtaskIndex,
        metrics: this.metrics.group,
        requestSplit: () => queueMicrotask(() => this.#enumerator.handleSplitRequest(subtaskIndex)),
      }),
    );
    if (restored !== undefined) {
      if (restored.readers.length === parallelism)
        restored.readers.forEach(
          (splits, index) => splits.length > 0 && this.#readers[index]!.addSplits(splits),
        );
      else this.#enumerator.addSplitsBack(restored.readers.flat());
    }
    this.#enumerator.start();
    for (const reader of this.#readers) reader.start();
  }

  get hasEnded(): boolean {
    return this.#ended.size === this.#readers.length;
  }

  /** Polls one reader once; waits for what it waits for, at most some turns. */
  async poll(subtaskIndex: number, maxRecords = 256): Promise<PollStatus> {
    if (this.#ended.has(subtaskIndex)) return 'end';
    const output: ReaderOutput<T> = {
      collect: (value) => {
        this.records.push(value);
        this.byReader[subtaskIndex]!.push(value);
      },
      advanceTo: () => undefined,
      sideOutput: () => undefined,
      forSplit: () => output,
      releaseSplit: (splitId) => void this.released.push(splitId),
    };
    const reader = this.#readers[subtaskIndex]!;
    const status = reader.pollNext(output, maxRecords);
    if (status === 'end') this.#ended.add(subtaskIndex);
    if (status === 'wait') {
      let isSettled = false;
      const settle = () => void (isSettled = true);
      const available = reader.isAvailable();
      available.then(settle, settle);
      for (let turns = 0; turns < 1000 && !isSettled; turns++) {
        if (this.clock.pending > 0) this.clock.advance(1);
        await turn();
      }
      if (isSettled) await available;
    }
    return status;
  }

  /** Polls the readers in turn to the end of all of them, or until `count` records have come. */
  async run(count = Infinity, maxRecords = 256): Promise<T[]> {
    while (!this.hasEnded && this.records.length < count) {
      if (this.failure !== undefined) throw this.failure;
      for (let index = 0; index < this.#readers.length && this.records.length < count; index++) {
        await this.poll(index, Math.min(maxRecords, count - this.records.length));
      }
    }
    return this.records;
  }

  checkpoint(): SourceCheckpoint<SplitT, EnumT> {
    return decodeState(
      encodeState({
        enumerator: this.#enumerator.snapshotState(1),
        readers: this.#readers.map((reader) => reader.snapshotState(1)),
      }),
    ) as SourceCheckpoint<SplitT, EnumT>;
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the test has ended'));
    for (const reader of this.#readers) await reader.close?.();
    await this.#enumerator.close?.();
  }
}
