import { MAX_WATERMARK } from '../time/watermark-strategy.js';
import { compileCollect, type Collect } from './chain-compiler.js';
import { processWatermark, type ChainOutput } from './chain-output.js';
import type { Channel } from './channel.js';
import { recordError } from './operator-error.js';
import type { RecordWriter } from './record-writer.js';
import { Task, type TaskListener, type TaskOperator } from './task.js';
import type { Turn } from './turn.js';
import { WatermarkValve } from './watermark-valve.js';

/** A channel, and which input of the head it feeds. */
export interface InputChannel {
  readonly channel: Channel;
  readonly inputIndex: 0 | 1;
}

export interface InputTaskOptions {
  readonly channels: readonly InputChannel[];
  /** The head's. */
  readonly output: ChainOutput;
  readonly restoredWatermark: number;
  readonly isGenerated: boolean;
  readonly turn: Turn;
}

/**
 * A task that reads from other tasks.
 *
 * Invariants
 * 1. Barriers are aligned: after a channel's barrier nothing is read from it until the barriers of all channels are there.
 * 2. The watermark +∞ comes before the end; the task ends when all its channels have.
 */
export class InputTask extends Task {
  readonly #channels: readonly Channel[];
  /** By channel. */
  readonly #collect: readonly Collect[];
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
    options: InputTaskOptions,
  ) {
    super(id, operators, writers, listener, options.turn);
    const { channels, output, isGenerated } = options;
    const head = operators[0]!;
    const inputs = [
      compileCollect([{ kind: 'operator', chained: head, output }], undefined, head.uid, isGenerated),
      secondInput(head),
    ] as const;
    this.#channels = channels.map(({ channel }) => channel);
    this.#collect = channels.map(({ inputIndex }) => inputs[inputIndex]);
    this.#restoredWatermark = options.restoredWatermark;
    this.#isAligned = channels.map(() => false);
    this.#valve = new WatermarkValve(channels.length, {
      onWatermark: (timestamp) => processWatermark(head, timestamp),
      onIdle: (isIdle) => head.operator.processIdle(isIdle),
    });
  }

  protected override onOpen(): void {
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
          const collect = this.#collect[index]!;
          this.chained[0]!.metrics.in.value += values.length;
          for (let i = 0; i < values.length; i++) collect(values[i], timestamps[i]!);
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

function secondInput(head: TaskOperator): Collect {
  return (value, timestamp) => {
    try {
      head.operator.processElement2!(value, timestamp);
    } catch (error) {
      throw recordError(error, head, value);
    }
  };
}
