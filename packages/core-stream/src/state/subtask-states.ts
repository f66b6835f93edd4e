/**
 * The states of one subtask of an operator: what its backends hold, and how that fits what was restored.
 *
 * Invariants
 * 1. While a start is being compared nothing that was restored is changed: migrations wait until the job starts.
 * 2. While a start is being compared a difference does not end it: it is told with all others.
 */
import type { StateSchemaInfo } from '../checkpoint/checkpoint-data.js';
import type { StreamError } from '../errors.js';

/** Is told what a program asks for before its first record. */
export interface StateComparison {
  asks(info: StateSchemaInfo): void;
  /** What was restored cannot be used as it is asked for. */
  differs(difference: StreamError): void;
}

export class SubtaskStates {
  readonly #backends: (() => readonly StateSchemaInfo[])[] = [];
  readonly #waiting: (() => void)[] = [];
  #comparison: StateComparison | undefined;

  /** From now on, until `start`, what is asked for is compared. */
  compareWith(comparison: StateComparison): void {
    this.#comparison = comparison;
  }

  /** The job starts: what has waited for that is done. */
  start(): void {
    this.#comparison = undefined;
    for (const work of this.#waiting.splice(0)) work();
  }

  /** `infos` tells what a backend holds at the time of the call, also of states that nobody has asked for. */
  register(infos: () => readonly StateSchemaInfo[]): void {
    this.#backends.push(infos);
  }

  get infos(): readonly StateSchemaInfo[] {
    return this.#backends.flatMap((infos) => infos());
  }

  /** A backend is asked for a state. */
  asks(info: StateSchemaInfo): void {
    this.#comparison?.asks(info);
  }

  /** @throws the difference, except while a start is being compared (invariant 2) */
  differs(difference: StreamError): void {
    if (this.#comparison === undefined) throw difference;
    this.#comparison.differs(difference);
  }

  /** Changes what was restored: when the job starts, or now where it has (invariant 1). */
  change(work: () => void): void {
    if (this.#comparison === undefined) work();
    else this.#waiting.push(work);
  }
}
