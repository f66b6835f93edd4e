import type { Generator } from './generator.js';
import type { RowHash } from './row-hash.js';

/**
 * A query as one would write it by hand for these events alone, on one thread: no engine, no general anything, and it
 * knows that timestamps ascend. The floor that an engine is measured against.
 */
export interface QueryLoop {
  /** Makes and processes the events from `from` to before `to`. Called for one range after the other. */
  run(from: number, to: number): void;
  /** Emits what is still open. */
  finish(): void;
}

export type CreateQueryLoop = (generator: Generator, hash: RowHash) => QueryLoop;
