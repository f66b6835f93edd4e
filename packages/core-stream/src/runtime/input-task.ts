import type { TaskTimes } from '../metrics/task-times.js';
import { MAX_WATERMARK } from '../time/watermark-strategy.js';
import { BarrierAlignment } from './barrier-alignment.js';
import { compileCollect, type Collect } from './chain-compiler.js';
import { processWatermark, type ChainOutput } from './chain-output.js';
import type { Channel, RecordBatch, StreamElement } from './channel.js';
import { InFlightCapture, type ChannelName } from './in-flight.js';
import { recordError } from './operator-error.js';
import type { RecordWriter } from './record-writer.js';
import type { RestoredRecords } from './restored-in-flight.js';
import { Task, type TaskListener, type TaskOperator } from './task.js';
import type { Turn } from './turn.js';
import { WatermarkValve } from './watermark-valve.js';

/** A channel, how checkpoints call it, and which input of the head it feeds. */
export interface InputChannel {
  readonly channel: Channel;
  readonly name: ChannelName;
  readonly inputIndex: 0 | 1;
}

export interface InputTaskOptions {
  readonly channels: readonly InputChannel[];
  /** Read before all channels. */
  readonly restoredRecords: readonly RestoredRecords[];
  /** The head's. */
  readonly output: ChainOutput;
  readonly restoredWatermark: number;
  readonly isGenerated: boolean;
  readonly turn: Turn;
  readonly times: TaskTimes;
}

/**
 * A task that reads from other tasks.
 *
 * A checkpoint is aligned until `overtake` is called for it: then the task takes its part as soon as one barrier waits in one of
 * its channels, and passes it on. What the barriers have overtaken, and what still comes before the other barriers, is in
 * flight: it becomes part of the checkpoint, and is processed as ever.
 *
 * Invariants
 * 1. Barriers are aligned: after a channel's barrier nothing is read from it until the barriers of all channels are there
 *    (`BarrierAlignment`).
 * 2. The watermark +∞ comes before the end; the task ends when all its channels have.
 * 3. What a restore has brought to this subtask is read before everything else. It takes no part in alignment, and holds no
 *    watermark back: while there is any, no watermark comes.
 * 4. In a checkpoint that overtakes, what comes before a channel's barrier is either in the state that the task has taken or
 *    in flight, and nothing after it is. A checkpoint that cannot store it is declined before anything is taken, where
 *    that is known by then.
 * 5. Barriers are overtaken also where there is no room downstream; while a sink is at work, once it has ended.
 */
export class InputTask extends Task {
  readonly #channels: readonly Channel[];
  readonly #names: readonly ChannelName[];
  /** By channel. */
  readonly #collect: readonly Collect[];
  readonly #inputs: readonly [Collect, Collect];
  readonly #restoredWatermark: number;
  readonly #valve: WatermarkValve;
  readonly #alignment: BarrierAlignment;
  /** What is left of it; `undefined` when all was read. */
  #restored: RestoredRecords[] | undefined;
  /** The checkpoint whose barriers overtake. */
  #overtaking: number | undefined;
  /** While some barriers of that checkpoint are still to come. */
  #capture: InFlightCapture | undefined;
  #endedCount = 0;
  #next = 0;

  constructor(
    id: string,
    operators: readonly TaskOperator[],
    writers: readonly RecordWriter[],
    listener: TaskListener,
    options: InputTaskOptions,
  ) {
    super(id, operators, writers, listener, options.turn, options.times);
    const { channels, output, isGenerated } = options;
    const head = operators[0]!;
    this.#inputs = [
      compileCollect([{ kind: 'operator', chained: head, output }], undefined, head.uid, isGenerated),
      secondInput(head),
    ];
    this.#channels = channels.map(({ channel }) => channel);
    this.#names = channels.map(({ name }) => name);
    this.#collect = channels.map(({ inputIndex }) => this.#inputs[inputIndex]);
    this.#restored = options.restoredRecords.length > 0 ? [...options.restoredRecords] : undefined;
    this.#restoredWatermark = options.restoredWatermark;
    this.#alignment = new BarrierAlignment(channels.length);
    this.#valve = new WatermarkValve(channels.length, {
      onWatermark: (timestamp) => processWatermark(head, timestamp),
      onIdle: (isIdle) => head.operator.processIdle(isIdle),
    });
  }

  protected override onStart(): void {
    this.#valve.restoreWatermark(this.#restoredWatermark);
  }

  protected override processBatch(): boolean {
    if (this.#restored !== undefined) return this.#readRestored(this.#restored);
    const count = this.#channels.length;
    for (let tried = 0; tried < count; tried++) {
      const index = this.#next;
      this.#next = index + 1 === count ? 0 : index + 1;
      if (this.#alignment.isBlocked(index)) continue; // invariant 1
      const element = this.#channels[index]!.take();
      if (element === undefined) continue;
      if (this.#capture !== undefined) this.#captureTaken(this.#capture, index, element);
      switch (element.type) {
        case 'records':
          this.#process(this.#collect[index]!, element);
          break;
        case 'watermark':
          this.#valve.watermark(index, element.timestamp);
          break;
        case 'idle':
          this.#valve.idle(index, element.isIdle);
          break;
        case 'barrier':
          this.#onBarrier(index, element.checkpointId);
          break;
        case 'end':
          this.#valve.watermark(index, MAX_WATERMARK);
          if (++this.#endedCount === count) this.end(); // invariant 2
          break;
      }
      return true;
    }
    return false;
  }

  #onBarrier(index: number, checkpointId: number): void {
    const capture = this.#capture;
    if (capture !== undefined && capture.checkpointId < checkpointId)
      this.endCheckpoint(capture.checkpointId);
    if (this.#alignment.onBarrier(index, checkpointId)) this.snapshot(checkpointId);
  }

  #process(collect: Collect, { values, timestamps }: RecordBatch): void {
    this.chained[0]!.metrics.in.value += values.length;
    for (let i = 0; i < values.length; i++) collect(values[i], timestamps[i]!);
  }

  /** One batch at a time (invariant 3). */
  #readRestored(restored: RestoredRecords[]): boolean {
    const [first] = restored;
    const batch = first?.batches.shift();
    if (first !== undefined && batch !== undefined) this.#process(this.#inputs[first.inputIndex], batch);
    else restored.shift();
    if (restored.length === 0) this.#restored = undefined;
    return true;
  }

  /** Not mail: a sink may be asked for room after each, and be full again. */
  overtake(checkpointId: number): void {
    this.#overtaking = checkpointId;
    this.listener.wake();
  }

  override abortCheckpoint(checkpointId: number): void {
    if (this.#overtaking === checkpointId) this.#overtaking = undefined;
    super.abortCheckpoint(checkpointId);
  }

  protected override endCheckpoint(checkpointId: number): void {
    this.#alignment.end(checkpointId);
    if (this.#capture?.checkpointId === checkpointId) this.#capture = undefined;
    super.endCheckpoint(checkpointId);
  }

  protected override lookForBarriers(): boolean {
    if (this.#capture !== undefined) return this.#lookAhead(this.#capture);
    if (this.#overtaking === undefined || this.isBlocked) return false; // invariant 5
    return this.#overtake(this.#overtaking);
  }

  /** Takes the checkpoint if one of its barriers is there. */
  #overtake(checkpointId: number): boolean {
    if (this.#alignment.isOver(checkpointId)) {
      this.#overtaking = undefined;
      return false;
    }
    const isAligned = (index: number) => this.#alignment.hasBarrier(index, checkpointId);
    const overtaken = this.#channels.map((channel, index) =>
      isAligned(index) ? [] : channel.elementsBefore(checkpointId),
    );
    if (overtaken.every((elements) => elements === undefined)) return false;
    let capture: InFlightCapture | undefined;
    if (this.listener.storesState) {
      try {
        capture = this.#captureAll(checkpointId, overtaken);
      } catch (error) {
        this.decline(checkpointId, error); // invariant 4
        return true;
      }
    }
    this.#overtaking = undefined;
    this.#alignment.end(checkpointId);
    if (capture?.isComplete === false) this.#capture = capture;
    this.snapshot(checkpointId, capture);
    return true;
  }

  #captureAll(
    checkpointId: number,
    overtaken: readonly (readonly StreamElement[] | undefined)[],
  ): InFlightCapture {
    const channels = this.#names.map((name, index) => ({ ...name, ...this.#valve.channelState(index) }));
    const capture = new InFlightCapture(checkpointId, this.chained[0]!, channels);
    for (const { name, batches } of this.#restored ?? []) capture.addRestored(name, batches);
    for (const [index, elements] of overtaken.entries()) {
      if (elements !== undefined) capture.addUntilBarrier(index, elements);
    }
    return capture;
  }

  #captureTaken(capture: InFlightCapture, index: number, element: StreamElement): void {
    this.#capturing(capture, () => capture.add(index, element)); // invariant 4
  }

  /** Looks for the barriers that were still to come. */
  #lookAhead(capture: InFlightCapture): boolean {
    const { size } = capture.missing;
    this.#capturing(capture, () => {
      for (const index of capture.missing) {
        const elements = this.#channels[index]!.elementsBefore(capture.checkpointId);
        if (elements !== undefined) capture.addUntilBarrier(index, elements);
      }
    });
    if (this.#capture !== capture) return true; // declined
    if (!capture.isComplete) return capture.missing.size < size;
    this.#capture = undefined;
    this.reportWhenComplete();
    return true;
  }

  #capturing(capture: InFlightCapture, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.decline(capture.checkpointId, error);
    }
  }
}

function secondInput(head: TaskOperator): Collect {
  return (value, timestamp) => {
    try {
      head.operator.processElement2!(value, timestamp);
    } catch (error) {
      throw recordError(error, head, value);
    }
  };
}
