import type { Collector } from '../functions/functions.js';
import type { Output } from './operator.js';

/** The collector that user functions get: gives what they emit the timestamp that the operator has set. */
export class TimestampedCollector implements Collector<unknown> {
  readonly #output: Output;
  timestamp = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  collect(value: unknown): void {
    this.#output.collect(value, this.timestamp);
  }
}
