import type { OutputTag } from '../functions/functions.js';
import type { Clock } from '../time/clock.js';
import type { MetricGroup } from '../metrics/metric-group.js';
import type { Logger } from '../runtime/logger.js';

/** Whether a source ends by itself. A job whose sources are all bounded ends by itself too. */
export type Boundedness = 'bounded' | 'unbounded';

/**
 * A part of a source that one reader reads, with its position: what a checkpoint stores.
 * Splits are plain data: they are written to checkpoints and sent to readers.
 */
export interface SourceSplit {
  /** Unique within the source, stable across restarts. */
  readonly splitId: string;
}

/**
 * A source in Flink's shape (FLIP-27): an enumerator finds splits and hands them out, one reader per subtask reads them.
 *
 * @typeParam T records
 * @typeParam SplitT splits, with the reading position inside
 * @typeParam EnumStateT what the enumerator stores in a checkpoint
 */
export interface Source<T, SplitT extends SourceSplit = SourceSplit, EnumStateT = unknown> {
  readonly boundedness: Boundedness;
  /** One per job. `restored` is what `snapshotState` returned in the checkpoint that is restored. */
  createEnumerator(
    context: SplitEnumeratorContext<SplitT>,
    restored?: EnumStateT,
  ): SplitEnumerator<SplitT, EnumStateT>;
  /** One per subtask. Restored splits arrive through `addSplits` before the first poll. */
  createReader(context: SourceReaderContext): SourceReader<T, SplitT>;
  /** The side outputs that its readers may emit to; others cannot be read. */
  readonly sideOutputs?: readonly OutputTag<unknown>[];
  /** Reads `T` back from the type only; never set. */
  readonly recordType?: T;
}

/** What an enumerator can do. Everything it does is serialised: no two of its methods run at the same time. */
export interface SplitEnumeratorContext<SplitT extends SourceSplit> {
  /** Number of readers. */
  readonly parallelism: number;
  /** The uid of the source's node. */
  readonly operatorUid: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For metrics of the source as a whole, such as how many splits there are: told apart by operator, not by subtask. */
  readonly metrics: MetricGroup;
  /** Aborted when the job ends, for whatever reason. */
  readonly signal: AbortSignal;
  /** Hands a split to reader `subtaskIndex`. From here on the split is part of that reader's state. */
  assignSplit(split: SplitT, subtaskIndex: number): void;
  /** Tells a reader that it will get no further split; a reader without splits then ends. */
  signalNoMoreSplits(subtaskIndex: number): void;
  /**
   * Runs `work` off the enumerator's turn and gives its result to `handler` in a turn of its own, so that a checkpoint
   * never sees half of it. With `periodMs` it is repeated, that long after the previous run has ended.
   * A rejection fails the job.
   */
  callAsync<R>(
    work: (signal: AbortSignal) => Promise<R>,
    handler: (result: R) => void,
    schedule?: { readonly delayMs?: number; readonly periodMs?: number },
  ): void;
}

/** Finds splits and hands them out. */
export interface SplitEnumerator<SplitT extends SourceSplit, EnumStateT> {
  /** Called once, before any split request. Network work belongs into `context.callAsync`. */
  start(): void;
  /** A reader has nothing to read and asks for a split. Answer now or later by `assignSplit` / `signalNoMoreSplits`. */
  handleSplitRequest(subtaskIndex: number): void;
  /**
   * Takes back splits that no reader holds any more: after a restore, every split that was in the readers' state, when
   * the enumerator is to distribute them anew because the parallelism has changed. Not called otherwise.
   */
  addSplitsBack(splits: readonly SplitT[]): void;
  /** The splits that are not assigned, and how to find more. Plain data, copied before the call returns. */
  snapshotState(checkpointId: number): EnumStateT;
  close?(): void | Promise<void>;
}

/** What a reader knows of its subtask, and can ask for. */
export interface SourceReaderContext {
  readonly subtaskIndex: number;
  readonly parallelism: number;
  readonly operatorUid: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For metrics of the source's own. By convention `numBytesIn` counts the bytes that it has read, where it knows them. */
  readonly metrics: MetricGroup;
  /** Aborted when the job ends, for whatever reason. */
  readonly signal: AbortSignal;
  /** Asks the enumerator for a split. */
  requestSplit(): void;
}

/**
 * What a poll found: `more` (poll again), `wait` (nothing now: the runtime waits for `isAvailable()`), or
 * `end` (no splits left and none will come).
 */
export type PollStatus = 'more' | 'wait' | 'end';

/**
 * Reads the splits of one subtask.
 *
 * No promise per record: `pollNext` is synchronous and emits a batch from what is buffered already; waiting happens once
 * per batch, in `isAvailable`.
 */
export interface SourceReader<T, SplitT extends SourceSplit> {
  /** Called once, before the first poll and after restored splits were added. */
  start(): void;
  /** Emits at most `maxRecords` records. A thrown error fails the job. */
  pollNext(output: ReaderOutput<T>, maxRecords: number): PollStatus;
  /** Resolves when polling again makes sense; rejects when reading has failed. Only called after `wait`. */
  isAvailable(): Promise<void>;
  addSplits(splits: readonly SplitT[]): void;
  notifyNoMoreSplits(): void;
  /**
   * The splits this reader has not finished, with the position after the last emitted record. Plain data.
   * Called between two polls.
   */
  snapshotState(checkpointId: number): readonly SplitT[];
  /**
   * For a reader that reads several splits at a time: what it reads from which is to wait, or to go on, because it is
   * ahead of its alignment group (`WatermarkStrategy.withWatermarkAlignment`). A split that goes on makes the reader
   * available. Without it a reader is stopped as a whole only.
   */
  pauseOrResumeSplits?(toPause: readonly string[], toResume: readonly string[]): void;
  /** The checkpoint is durable: what it covers may be acknowledged upstream. */
  notifyCheckpointComplete?(checkpointId: number): void;
  close?(): void | Promise<void>;
}

/** Where a reader puts records. */
export interface ReaderOutput<T> {
  /** `timestamp` is the event time in epoch milliseconds where the source knows it; a timestamp assigner may replace it. */
  collect(value: T, timestamp?: number): void;
  /**
   * Emits to a side output of the source (`Source.sideOutputs`), for `getSideOutput` of the stream. The timestamp is taken as
   * it is, and event time does not advance by it.
   */
  sideOutput<S>(tag: OutputTag<S>, value: S, timestamp?: number): void;
  /**
   * An output with a watermark of its own. The subtask's watermark is the minimum over the splits that are not idle.
   * Fetch it once per split, not per record.
   */
  forSplit(splitId: string): ReaderOutput<T>;
  /**
   * Lets event time go on without a record, as if there had been one with this timestamp: for a source that knows that it
   * has read as far as that and found nothing. Nothing happens where the strategy assigns timestamps of its own, or its
   * generator has no `onProgress`. (Flink's `SourceOutput.emitWatermark` passes over what the strategy allows for disorder.)
   */
  advanceTo(timestamp: number): void;
  /** The split is finished: it no longer holds the watermark back. */
  releaseSplit(splitId: string): void;
}
