import { MAX_WATERMARK } from '../time/watermark-strategy.js';
import { processElement, processWatermark } from './chain-output.js';
import type { Channel } from './channel.js';
import type { RecordWriter } from './record-writer.js';
import { Task, type TaskListener, type TaskOperator } from './task.js';
import { WatermarkValve } from './watermark-valve.js';

/**
 * A task that reads from other tasks.
 *
 * Invariants
 * 1. Barriers are aligned: after a channel's barrier nothing is read from it until the barriers of all channels are there.
 * 2. The watermark +∞ comes before the end; the task ends when all its channels have.
 */
export class InputTask extends Task {
  readonly #channels: readonly Channel[];
  readonly #restoredWatermark: number;
  readonly #valve: WatermarkValve;
  readonly #isAligned: boolean[];
  #alignedCount = 0;
  #endedCount = 0;
  #next = 0;

  constructor(
    id: string,
    operators: readonly TaskOperator[],
    writers: readonly RecordWriter[],
    listener: TaskListener,
    channels: readonly Channel[],
    restoredWatermark: number,
  ) {
    super(id, operators, writers, listener);
    this.#channels = channels;
    this.#restoredWatermark = restoredWatermark;
    this.#isAligned = channels.map(() => false);
    const head = operators[0]!;
    this.#valve = new WatermarkValve(channels.length, {
      onWatermark: (timestamp) => processWatermark(head, timestamp),
      onIdle: (isIdle) => head.operator.processIdle(isIdle),
    });
  }

  override async open(): Promise<void> {
    await super.open();
    this.#valve.restoreWatermark(this.#restoredWatermark);
  }

  protected override processBatch(): boolean {
    const count = this.#channels.length;
    for (let tried = 0; tried < count; tried++) {
      const index = this.#next;
      this.#next = index + 1 === count ? 0 : index + 1;
      if (this.#isAligned[index]) continue; // invariant 1
      const element = this.#channels[index]!.take();
      if (element === undefined) continue;
      switch (element.type) {
        case 'records': {
          const { values, timestamps } = element;
          const head = this.chained[0]!;
          for (let i = 0; i < values.length; i++) processElement(head, values[i], timestamps[i]!);
          break;
        }
        case 'watermark':
          this.#valve.watermark(index, element.timestamp);
          break;
        case 'idle':
          this.#valve.idle(index, element.isIdle);
          break;
        case 'barrier':
          this.#isAligned[index] = true;
          if (++this.#alignedCount === count) {
            this.#alignedCount = 0;
            this.#isAligned.fill(false);
            this.snapshot(element.checkpointId);
          }
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
}
