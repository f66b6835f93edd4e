/** Numbers that only rise, and that no other subtask gives: before and after a change of parallelism they are compared. */

export interface Subtask {
  readonly subtaskIndex: number;
  readonly parallelism: number;
}

export class SubtaskOrders {
  /** Each subtask has its own remainder of `step`. */
  readonly #step: number;
  #next: number;

  constructor({ subtaskIndex, parallelism }: Subtask) {
    this.#step = parallelism;
    this.#next = subtaskIndex;
  }

  get nextOrder(): number {
    return this.#next;
  }

  next(): number {
    const order = this.#next;
    this.#next += this.#step;
    return order;
  }

  /** `restored` is what `nextOrder` was in each subtask of the restored checkpoint: all that was given is below. */
  continueAt(restored: readonly number[]): void {
    const behind = Math.max(0, ...restored) - this.#next;
    if (behind > 0) this.#next += Math.ceil(behind / this.#step) * this.#step;
  }
}
