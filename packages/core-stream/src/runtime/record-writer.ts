import { recordError, type FailingOperator } from './operator-error.js';
import type { Channel, ControlElement } from './channel.js';
import type { ChannelSelector } from './channel-selector.js';

/** Records that are collected for a channel before they are put into it as one batch. */
const BATCH_SIZE = 256;

/** Spreads one subtask's output over the channels of one edge. Control elements go to all of them, after the records. */
export class RecordWriter {
  readonly #channels: readonly Channel[];
  readonly #select: ChannelSelector;
  readonly #at: FailingOperator;
  readonly #values: unknown[][];
  readonly #timestamps: number[][];

  /** `at` is the writing operator. */
  constructor(channels: readonly Channel[], select: ChannelSelector, at: FailingOperator) {
    this.#channels = channels;
    this.#select = select;
    this.#at = at;
    this.#values = channels.map(() => []);
    this.#timestamps = channels.map(() => []);
  }

  get hasRoom(): boolean {
    for (const channel of this.#channels) if (!channel.hasRoom) return false;
    return true;
  }

  write(value: unknown, timestamp: number): void {
    if (this.#select === 'all') {
      for (let index = 0; index < this.#channels.length; index++) this.#add(index, value, timestamp);
      return;
    }
    let index: number;
    try {
      index = this.#select(value);
    } catch (error) {
      throw recordError(error, this.#at, value, 'choosing the subtask of the record');
    }
    this.#add(index, value, timestamp);
  }

  #add(index: number, value: unknown, timestamp: number): void {
    const values = this.#values[index]!;
    values.push(value);
    this.#timestamps[index]!.push(timestamp);
    if (values.length >= BATCH_SIZE) this.#flushChannel(index);
  }

  broadcast(element: ControlElement): void {
    this.flush();
    for (const channel of this.#channels) channel.put(element);
  }

  flush(): void {
    for (let i = 0; i < this.#channels.length; i++) if (this.#values[i]!.length > 0) this.#flushChannel(i);
  }

  #flushChannel(index: number): void {
    this.#channels[index]!.put({
      type: 'records',
      values: this.#values[index]!,
      timestamps: this.#timestamps[index]!,
    });
    this.#values[index] = [];
    this.#timestamps[index] = [];
  }
}
