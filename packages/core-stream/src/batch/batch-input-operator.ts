/**
 * The input of an operator in batch mode: kept until it has ended, then handed on in order.
 *
 * Role: sorts the records of keyed inputs by key and time, and lets the operator work on one key at a time; reads a broadcast
 * input before the others. Boundary: what happens at a key's end is the operator's (`finishKey`).
 *
 * Invariants
 * 1. The operator sees all records of a key, of both inputs, before the first of the next key; `finishKey` follows the
 *    last one. Their order is that of `KeySorter`.
 * 2. The operator sees no watermark but +∞, after its last record and its last `finishKey`.
 * 3. Processing time stands still for a keyed operator: nothing that it schedules is called. `finishKey` fires what it
 *    waits for.
 * 4. Nothing of the sorted input is in a checkpoint: a batch job takes its only one after the end.
 */
import { InvariantError } from '../errors.js';
import type { AnyKeySelector, OperatorSpec } from '../graph/stream-graph.js';
import type {
  DrainStatus,
  OperatorContext,
  OperatorFactory,
  OperatorState,
  StreamOperator,
} from '../operators/operator.js';
import { operatorError, recordError, type FailingOperator } from '../runtime/operator-error.js';
import { MAX_WATERMARK } from '../time/watermark-strategy.js';
import type { BatchOptions } from './batch-options.js';
import { KeySorter } from './key-sorter.js';
import type { SortedCursor } from './sorted-cursor.js';

/** Records that one call of `drain` hands on. */
const DRAIN_SIZE = 256;

/** The operator of `spec` as it runs in batch mode; as it is, where it has no keys and no input to read first. */
export function batchOperator(spec: OperatorSpec, options: BatchOptions): OperatorFactory {
  const { factory, keySelectors, needs } = spec;
  if (keySelectors === undefined) {
    if (needs?.readFirst === undefined) return factory;
    return (context, output) => new BatchInputOperator(factory(context, output), context, spec, options);
  }
  const schedule = () => () => undefined; // invariant 3
  return (context, output) =>
    new BatchInputOperator(factory({ ...context, schedule }, output), context, spec, options);
}

class BatchInputOperator implements StreamOperator {
  readonly #inner: StreamOperator;
  readonly #at: FailingOperator;
  readonly #isKeyed: boolean;
  readonly #keySelectors: readonly AnyKeySelector[];
  readonly #readFirst: 0 | 1 | undefined;
  readonly #sorter: KeySorter;
  #isSorting = true;
  #sorted: SortedCursor | undefined;
  /** Of the last record that was handed on. */
  #sortKey: string | undefined;

  constructor(inner: StreamOperator, context: OperatorContext, spec: OperatorSpec, options: BatchOptions) {
    const { operatorName, subtaskIndex, describer } = context;
    this.#inner = inner;
    this.#at = { name: operatorName, subtaskIndex, describer };
    this.#isKeyed = spec.keySelectors !== undefined;
    this.#keySelectors = spec.keySelectors ?? [];
    this.#readFirst = spec.needs?.readFirst;
    this.#sorter = new KeySorter({
      operatorName,
      describer,
      order: this.#isKeyed ? 'key-and-time' : 'arrival',
      maxRecords: options.sortBufferRecords,
      directory: options.spillDirectory,
    });
  }

  open(): void | Promise<void> {
    return this.#inner.open?.();
  }

  start(): void {
    this.#inner.start?.();
  }

  processElement(value: unknown, timestamp: number): void {
    if (this.#readFirst === 0) this.#inner.processElement(value, timestamp);
    else this.#keep(value, timestamp, 0);
  }

  processElement2(value: unknown, timestamp: number): void {
    if (this.#readFirst === 1) this.#inner.processElement2!(value, timestamp);
    else this.#keep(value, timestamp, 1);
  }

  #keep(value: unknown, timestamp: number, input: 0 | 1): void {
    const key = this.#keySelectors[input]?.(value);
    try {
      this.#sorter.add(key, timestamp, input, value);
    } catch (error) {
      // It may be another record that cannot be written: the error says which.
      throw operatorError(error, this.#at, 'sorting its input');
    }
  }

  processWatermark(): void {
    // invariant 2: +∞ is passed on when the last key is done
  }

  processIdle(): void {
    // Without watermarks nothing waits for anybody.
  }

  drain(): DrainStatus {
    if (this.#isSorting) {
      if (this.#handOn()) return 'more';
      this.#isSorting = false;
      this.#sorted = undefined;
      this.#sorter.close();
      this.#inner.processWatermark(MAX_WATERMARK);
    }
    return this.#inner.drain?.() ?? 'done';
  }

  /** Hands on a bounded number of records; false after the last one. */
  #handOn(): boolean {
    const sorted = (this.#sorted ??= this.#sorter.sorted());
    for (let count = 0; count < DRAIN_SIZE; count++) {
      const sortKey = sorted.advance() ? sorted.sortKey : undefined;
      if (sortKey !== this.#sortKey) {
        if (this.#sortKey !== undefined && this.#isKeyed) this.#inner.finishKey?.(); // invariant 1
        this.#sortKey = sortKey;
      }
      if (sortKey === undefined) return false;
      this.#process(sorted.value, sorted.timestamp, sorted.input);
    }
    return true;
  }

  #process(value: unknown, timestamp: number, input: 0 | 1): void {
    try {
      if (input === 0) this.#inner.processElement(value, timestamp);
      else this.#inner.processElement2!(value, timestamp);
    } catch (error) {
      throw recordError(error, this.#at, value);
    }
  }

  get isFull(): boolean {
    return this.#inner.isFull === true;
  }

  get lateRecordsDropped(): number {
    return this.#inner.lateRecordsDropped ?? 0;
  }

  snapshotState(checkpointId: number): OperatorState | undefined {
    if (this.#isSorting) {
      throw new InvariantError(`Checkpoint ${checkpointId} of a batch job was taken before its end`, {
        details: { invariant: 4 },
      });
    }
    return this.#inner.snapshotState?.(checkpointId);
  }

  finish(): void {
    this.#inner.finish?.();
  }

  async close(): Promise<void> {
    try {
      this.#sorter.close();
    } finally {
      await this.#inner.close?.();
    }
  }
}
