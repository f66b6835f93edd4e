/**
 * A bounded first-in-first-out queue from one subtask to another.
 *
 * Invariants
 * 1. Elements arrive in the order in which they were put: a barrier separates the records before it from those after.
 * 2. `size` counts records that were put and not yet taken. Writers stop at `capacity`; control elements always fit.
 */

import { Fifo } from './fifo.js';

/** Records travel in batches: two parallel arrays, no object per record. */
export interface RecordBatch {
  readonly type: 'records';
  readonly values: unknown[];
  readonly timestamps: number[];
}

export type ControlElement =
  | { readonly type: 'watermark'; readonly timestamp: number }
  | { readonly type: 'idle'; readonly isIdle: boolean }
  | { readonly type: 'barrier'; readonly checkpointId: number }
  | { readonly type: 'end' };

export type StreamElement = RecordBatch | ControlElement;

/** Records in flight between two subtasks before the writer has to wait. */
export const CHANNEL_CAPACITY = 4096;

export class Channel {
  readonly #queue = new Fifo<StreamElement>();
  #size = 0;
  #barriers = 0;

  get isEmpty(): boolean {
    return this.#queue.size === 0;
  }

  get hasRoom(): boolean {
    return this.#size < CHANNEL_CAPACITY;
  }

  put(element: StreamElement): void {
    if (element.type === 'records') this.#size += element.values.length;
    else if (element.type === 'barrier') this.#barriers++;
    this.#queue.push(element);
  }

  take(): StreamElement | undefined {
    const element = this.#queue.shift();
    if (element?.type === 'records') this.#size -= element.values.length;
    else if (element?.type === 'barrier') this.#barriers--;
    return element;
  }

  /** What waits before a checkpoint's barrier; `undefined` where the barrier does not wait in here. */
  elementsBefore(checkpointId: number): readonly StreamElement[] | undefined {
    if (this.#barriers === 0) return undefined;
    const elements: StreamElement[] = [];
    for (const element of this.#queue) {
      if (element.type === 'barrier' && element.checkpointId === checkpointId) return elements;
      elements.push(element);
    }
    return undefined;
  }
}
