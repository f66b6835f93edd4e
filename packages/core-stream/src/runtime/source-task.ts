import type { ReaderOutput, SourceReader, SourceSplit } from '../connectors/source.js';
import type { OutputTag } from '../functions/functions.js';
import type { TaskTimes } from '../metrics/task-times.js';
import type { Output, StreamOperator } from '../operators/operator.js';
import type { Clock } from '../time/clock.js';
import { MAX_WATERMARK, MIN_TIMESTAMP, type WatermarkAlignment } from '../time/watermark-strategy.js';
import type { SplitWatermark, WatermarkTracker } from '../time/watermark-tracker.js';
import type { CheckpointableSourceTask } from './checkpointable-task.js';
import { FreeTime } from './free-time.js';
import { operatorError } from './operator-error.js';
import type { RecordWriter } from './record-writer.js';
import type { Turn } from './turn.js';
import { Task, type TaskListener, type TaskOperator } from './task.js';
import { maxAllowedWatermark, type AlignmentReport } from './watermark-alignment.js';

/** Records that a source may emit in one turn. */
const POLL_SIZE = 256;

/** What a source's subtask stores. The watermark it had reached is stored as every operator's. */
export interface SourceSubtaskState {
  readonly splits: readonly SourceSplit[];
  readonly isIdle: boolean;
}

/** The head of a source's chain: the reader, with timestamps and watermarks. */
export class SourceOperator implements StreamOperator, ReaderOutput<unknown> {
  readonly #createReader: () => SourceReader<unknown, SourceSplit>;
  #reader: SourceReader<unknown, SourceSplit> | undefined;
  readonly tracker: WatermarkTracker;
  readonly #output: Output;
  readonly #restoredWatermark: number;
  readonly #restoredSplits: readonly SourceSplit[];
  /** The timestamp of the last record; `MIN_TIMESTAMP` where it has none. */
  lastEventTime = MIN_TIMESTAMP;

  constructor(
    createReader: () => SourceReader<unknown, SourceSplit>,
    output: Output,
    tracker: WatermarkTracker,
    restoredWatermark: number,
    restoredSplits: readonly SourceSplit[],
  ) {
    this.#createReader = createReader;
    this.#output = output;
    this.tracker = tracker;
    this.#restoredWatermark = restoredWatermark;
    this.#restoredSplits = restoredSplits;
  }

  get hasRestoredSplits(): boolean {
    return this.#restoredSplits.length > 0;
  }

  /** There from `start` on. */
  get reader(): SourceReader<unknown, SourceSplit> {
    return this.#reader!;
  }

  start(): void {
    this.#reader = this.#createReader();
    this.tracker.restoreWatermark(this.#restoredWatermark);
    if (this.hasRestoredSplits) this.reader.addSplits(this.#restoredSplits);
    this.reader.start();
  }

  collect(value: unknown, timestamp?: number): void {
    const assigned = this.tracker.assignTimestamp(value, timestamp);
    this.lastEventTime = assigned;
    this.#output.collect(value, assigned);
    this.tracker.onEvent(value, assigned);
  }

  collectOf(split: SplitWatermark, value: unknown, timestamp: number | undefined): void {
    const assigned = this.tracker.assignTimestamp(value, timestamp);
    this.lastEventTime = assigned;
    this.#output.collect(value, assigned);
    this.tracker.onEvent(value, assigned, split);
  }

  sideOutput(tag: OutputTag<unknown>, value: unknown, timestamp = MIN_TIMESTAMP): void {
    this.#output.sideOutput(tag.id, value, timestamp);
  }

  advanceTo(timestamp: number): void {
    this.tracker.onProgress(timestamp);
  }

  forSplit(splitId: string): ReaderOutput<unknown> {
    const split = this.tracker.addSplit(splitId);
    return {
      collect: (value, timestamp) => this.collectOf(split, value, timestamp),
      sideOutput: (tag, value, timestamp) => this.sideOutput(tag, value, timestamp),
      advanceTo: (timestamp) => this.tracker.onProgress(timestamp, split),
      forSplit: (other) => this.forSplit(other),
      releaseSplit: (other) => this.releaseSplit(other),
    };
  }

  releaseSplit(splitId: string): void {
    this.tracker.removeSplit(splitId);
  }

  snapshotState(checkpointId: number): SourceSubtaskState {
    return { splits: this.reader.snapshotState(checkpointId), isIdle: this.tracker.isIdle };
  }

  close(): void | Promise<void> {
    return this.#reader?.close?.();
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
  readonly clock: Clock;
  readonly turn: Turn;
  readonly times: TaskTimes;
}

/**
 * A task that reads from a source.
 *
 * Invariants
 * 1. A reader is polled only where downstream has room, it has not said that it has nothing, and its watermark is not
 *    ahead of its alignment group.
 * 2. Only time in which the reader could have emitted counts for idleness.
 * 3. While it is suspended nothing is emitted, no watermark either: after the barrier of a job's last checkpoint comes nothing.
 */
export class SourceTask extends Task implements CheckpointableSourceTask {
  readonly #source: SourceOperator;
  readonly #head: TaskOperator;
  readonly #options: SourceTaskOptions;
  #isWaiting = false;
  #waits = 0;
  #isExhausted = false;
  #isSuspended = false;
  /** Asked to end as if its input had. */
  #isDrained = false;
  /** The newest checkpoint that was aborted: its trigger may be mail that was not read yet. */
  #abortedId = 0;
  #hasSplits: boolean;
  #cancelTick: (() => void) | undefined;
  readonly #freeTime: FreeTime;
  #alignment: (WatermarkAlignment & { readonly members: readonly SourceTask[] }) | undefined;
  #maxWatermark = MAX_WATERMARK;
  #cancelAlignment: (() => void) | undefined;

  constructor(
    id: string,
    operators: readonly TaskOperator[],
    writers: readonly RecordWriter[],
    listener: TaskListener,
    source: SourceOperator,
    options: SourceTaskOptions,
  ) {
    super(id, operators, writers, listener, options.turn, options.times);
    this.#source = source;
    this.#head = operators[0]!;
    this.#options = options;
    this.#hasSplits = source.hasRestoredSplits;
    this.#freeTime = new FreeTime(options.clock, options.watermarkIntervalMs);
  }

  protected override onStart(): void {
    this.#scheduleTick();
    this.#scheduleAlignment();
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#options.clock.schedule(this.#options.watermarkIntervalMs, () => {
      this.post(() => {
        if (this.#isExhausted) return;
        const freeMs = this.#freeTime.take();
        if (!this.#isSuspended) this.#emitPeriodically(freeMs);
        this.#scheduleTick();
      });
    });
  }

  #emitPeriodically(freeMs: number): void {
    this.#reading(() => this.#source.tracker.onPeriodicEmit(this.#isAhead ? 0 : freeMs)); // invariant 2
  }

  /** Called before `start`. `members` are all tasks of the group, this one included. */
  alignWith(members: readonly SourceTask[], alignment: WatermarkAlignment): void {
    this.#alignment = { ...alignment, members };
  }

  get alignmentReport(): AlignmentReport {
    const { watermark, isIdle } = this.#source.tracker;
    return { watermark, isIdle, hasSplits: this.#hasSplits, hasEnded: this.#isExhausted };
  }

  /** Looks at the group again before it says yes: the others may have gone on since. */
  get #isAhead(): boolean {
    const { watermark } = this.#source.tracker;
    if (watermark <= this.#maxWatermark) return false;
    this.#lookAtGroup();
    return watermark > this.#maxWatermark;
  }

  #lookAtGroup(): void {
    if (this.#alignment === undefined) return;
    const { members, maxDriftMs } = this.#alignment;
    this.#maxWatermark = maxAllowedWatermark(
      members.map((member) => member.alignmentReport),
      maxDriftMs,
    );
  }

  #scheduleAlignment(): void {
    const alignment = this.#alignment;
    if (alignment === undefined) return;
    this.#cancelAlignment = this.#options.clock.schedule(alignment.updateIntervalMs, () => {
      this.post(() => {
        if (this.#isExhausted) return;
        this.#lookAtGroup();
        this.#pauseSplits();
        this.#scheduleAlignment();
      });
    });
  }

  #pauseSplits(): void {
    const { reader, tracker } = this.#source;
    if (reader.pauseOrResumeSplits === undefined) return;
    const { toPause, toResume } = tracker.pauseSplitsAbove(this.#maxWatermark);
    if (toPause.length + toResume.length === 0) return;
    this.#reading(() => reader.pauseOrResumeSplits?.(toPause, toResume));
  }

  addSplits(splits: readonly SourceSplit[]): void {
    this.post(() => {
      this.#hasSplits = true;
      this.#source.tracker.onSplitsAdded();
      this.#reading(() => this.#source.reader.addSplits(splits));
      this.#stopWaiting();
    });
  }

  notifyNoMoreSplits(): void {
    this.post(() => {
      this.#reading(() => this.#source.reader.notifyNoMoreSplits());
      this.#stopWaiting();
    });
  }

  triggerCheckpoint(checkpointId: number, suspend = false): void {
    this.post(() => {
      this.#isSuspended ||= suspend;
      if (checkpointId > this.#abortedId) this.snapshot(checkpointId);
    });
  }

  /** At once: a task that is slow does not take one checkpoint after the other that nobody waits for any more. */
  override abortCheckpoint(checkpointId: number): void {
    this.#abortedId = checkpointId;
    super.abortCheckpoint(checkpointId);
  }

  /** Nothing: nothing is upstream, and a trigger is mail, which needs no room. */
  overtake(): void {}

  resume(): void {
    this.post(() => (this.#isSuspended = false));
  }

  drain(): void {
    this.post(() => {
      this.#isDrained = true;
      this.#isSuspended = false;
    });
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
    if (this.#isExhausted || this.#isSuspended) return false; // invariant 3; P5
    if (this.#isDrained) {
      this.#exhaust();
      return true;
    }
    if (this.#isWaiting || this.#isAhead) return false; // invariant 1
    this.#freeTime.onPoll();
    const status = this.#reading(() => this.#source.reader.pollNext(this.#source, POLL_SIZE));
    if (status === 'wait') this.#wait();
    else if (status === 'end') this.#exhaust();
    return true;
  }

  #exhaust(): void {
    this.#isExhausted = true;
    this.#cancelTimers();
    this.#source.emitMaxWatermark();
    this.end();
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#freeTime.onWait();
    const wait = ++this.#waits;
    const available = this.#reading(() => this.#source.reader.isAvailable());
    available.then(
      () => {
        if (wait !== this.#waits) return; // of a wait that has ended, by splits for example, and begun again
        this.#stopWaiting();
        this.listener.wake();
      },
      (error: unknown) => this.listener.onFailure(operatorError(error, this.#head, 'reading')),
    );
  }

  #stopWaiting(): void {
    this.#isWaiting = false;
    this.#freeTime.onAvailable();
  }

  #cancelTimers(): void {
    this.#cancelTick?.();
    this.#cancelAlignment?.();
  }

  override stop(): void {
    this.#cancelTimers();
    super.stop();
  }
}
