/**
 * A first-in-first-out queue in a ring: it holds no more slots than twice what was in it at one time, also when it is never
 * empty.
 */
export class Fifo<T> {
  /** The length is a power of two. */
  #slots: (T | undefined)[] = new Array<T | undefined>(8).fill(undefined);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How many elements fit before it grows. */
  get slots(): number {
    return this.#slots.length;
  }

  push(element: T): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = element;
    this.#size++;
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const element = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size--;
    return element;
  }

  /** From the oldest on; nothing may be added or taken meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    for (let i = 0; i < this.#size; i++) yield this.#slots[(this.#head + i) & (this.#slots.length - 1)]!;
  }

  clear(): void {
    while (this.#size > 0) this.shift();
  }

  #grow(): void {
    const slots = [...this.#slots.slice(this.#head), ...this.#slots.slice(0, this.#head)];
    this.#head = 0;
    this.#slots = slots.concat(new Array<T | undefined>(slots.length).fill(undefined));
  }
}
