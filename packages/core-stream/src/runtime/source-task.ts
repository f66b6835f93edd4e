import type { ReaderOutput, SourceReader, SourceSplit } from '../connectors/source.js';
import type { Output, StreamOperator } from '../operators/operator.js';
import { MAX_WATERMARK, MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import type { WatermarkTracker } from '../time/watermark-tracker.js';
import { operatorError } from './operator-error.js';
import type { RecordWriter } from './record-writer.js';
import { Task, type TaskListener, type TaskOperator } from './task.js';

/** Records that a source may emit in one turn. */
const POLL_SIZE = 256;

/** What a source's subtask stores: its splits. The watermark it had reached is stored as every operator's. */
export interface SourceSubtaskState {
  readonly splits: readonly SourceSplit[];
}

/** The head of a source's chain: the reader, with timestamps and watermarks. */
export class SourceOperator implements StreamOperator, ReaderOutput<unknown> {
  readonly reader: SourceReader<unknown, SourceSplit>;
  readonly #output: Output;
  readonly #tracker: WatermarkTracker;
  readonly #restoredWatermark: number;
  readonly #restoredSplits: readonly SourceSplit[];

  constructor(
    reader: SourceReader<unknown, SourceSplit>,
    output: Output,
    tracker: WatermarkTracker,
    restoredWatermark: number,
    restoredSplits: readonly SourceSplit[],
  ) {
    this.reader = reader;
    this.#output = output;
    this.#tracker = tracker;
    this.#restoredWatermark = restoredWatermark;
    this.#restoredSplits = restoredSplits;
  }

  open(): void {
    this.#tracker.restoreWatermark(this.#restoredWatermark);
    if (this.#restoredSplits.length > 0) this.reader.addSplits(this.#restoredSplits);
    this.reader.start();
  }

  collect(value: unknown, timestamp?: number): void {
    this.#emit(value, timestamp);
  }

  forSplit(splitId: string): ReaderOutput<unknown> {
    this.#tracker.addSplit(splitId);
    return {
      collect: (value, timestamp) => this.#emit(value, timestamp, splitId),
      forSplit: (other) => this.forSplit(other),
      releaseSplit: (other) => this.releaseSplit(other),
    };
  }

  releaseSplit(splitId: string): void {
    this.#tracker.removeSplit(splitId);
  }

  #emit(value: unknown, timestamp: number | undefined, splitId?: string): void {
    const assigned = this.#tracker.assignTimestamp(value, timestamp ?? MIN_TIMESTAMP);
    this.#output.collect(value, assigned);
    this.#tracker.onEvent(value, assigned, splitId);
  }

  onPeriodicEmit(): void {
    this.#tracker.onPeriodicEmit();
  }

  snapshotState(checkpointId: number): SourceSubtaskState {
    return { splits: this.reader.snapshotState(checkpointId) };
  }

  close(): void | Promise<void> {
    return this.reader.close?.();
  }

  emitMaxWatermark(): void {
    this.#output.emitWatermark(MAX_WATERMARK);
  }

  // Nothing is upstream of a source.
  processElement(): void {}
  processWatermark(): void {}
  processIdle(): void {}
}

export interface SourceTaskOptions {
  readonly watermarkIntervalMs: number;
  schedule(delayMs: number, callback: () => void): () => void;
}

/** A task that reads from a source. */
export class SourceTask extends Task {
  readonly #source: SourceOperator;
  readonly #head: TaskOperator;
  readonly #options: SourceTaskOptions;
  #isWaiting = false;
  #isExhausted = false;
  #cancelTick: (() => void) | undefined;

  constructor(
    id: string,
    operators: readonly TaskOperator[],
    writers: readonly RecordWriter[],
    listener: TaskListener,
    source: SourceOperator,
    options: SourceTaskOptions,
  ) {
    super(id, operators, writers, listener);
    this.#source = source;
    this.#head = operators[0]!;
    this.#options = options;
  }

  override async open(): Promise<void> {
    await super.open();
    this.#scheduleTick();
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#options.schedule(this.#options.watermarkIntervalMs, () => {
      this.post(() => {
        if (this.#isExhausted) return;
        this.#reading(() => this.#source.onPeriodicEmit());
        this.#scheduleTick();
      });
    });
  }

  addSplits(splits: readonly SourceSplit[]): void {
    this.post(() => {
      this.#reading(() => this.#source.reader.addSplits(splits));
      this.#isWaiting = false;
    });
  }

  notifyNoMoreSplits(): void {
    this.post(() => {
      this.#reading(() => this.#source.reader.notifyNoMoreSplits());
      this.#isWaiting = false;
    });
  }

  triggerCheckpoint(checkpointId: number): void {
    this.post(() => this.snapshot(checkpointId));
  }

  notifyCheckpointComplete(checkpointId: number): void {
    this.post(() => this.#reading(() => this.#source.reader.notifyCheckpointComplete?.(checkpointId)));
  }

  #reading<R>(work: () => R): R {
    try {
      return work();
    } catch (error) {
      throw operatorError(error, this.#head, 'reading');
    }
  }

  protected override processBatch(): boolean {
    if (this.#isWaiting || this.#isExhausted) return false;
    const status = this.#reading(() => this.#source.reader.pollNext(this.#source, POLL_SIZE));
    if (status === 'wait') this.#wait();
    else if (status === 'end') {
      this.#isExhausted = true;
      this.#cancelTick?.();
      this.#source.emitMaxWatermark();
      this.end();
    }
    return true;
  }

  #wait(): void {
    this.#isWaiting = true;
    const available = this.#reading(() => this.#source.reader.isAvailable());
    available.then(
      () => {
        this.#isWaiting = false;
        this.listener.wake();
      },
      (error: unknown) => this.listener.onFailure(operatorError(error, this.#head, 'reading')),
    );
  }

  override close(): Promise<unknown[]> {
    this.#cancelTick?.();
    return super.close();
  }
}
