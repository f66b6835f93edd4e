/**
 * Joins each left record of time `t` with the version of its key that is valid at `t`: the latest right record whose
 * timestamp is `t` or below, unless that is a deletion.
 *
 * Invariants
 * 1. A left record is joined when the watermark reaches its timestamp, so that versions which come out of order are seen.
 * 2. A left record is late when its timestamp is below the watermark: the version that was valid then may be gone.
 * 3. A version is kept while a record that is not late can need it: for each key the latest one up to the watermark, and
 *    all later ones. A deletion is forgotten when it would be the one kept.
 * 4. A version that comes late counts from then on, unless a later one up to the watermark is there.
 */
import type { OutputTag } from '../functions/functions.js';
import type { ProcessJoinFunction } from '../functions/join-functions.js';
import type { AnyKeySelector } from '../graph/stream-graph.js';
import type { StateSchema } from '../state/state-schema.js';
import { MIN_TIMESTAMP } from '../time/watermark-strategy.js';
import { JoinOutput } from './join-output.js';
import type { KeptVersions } from './kept-schemas.js';
import { KeyedBuffers, type KeyBuffers } from './keyed-buffers.js';
import type { OperatorContext, OperatorFactory, Output, StreamOperator } from './operator.js';

export interface TemporalJoinOptions {
  readonly type: 'inner' | 'left';
  readonly leftKeySelector: AnyKeySelector;
  readonly rightKeySelector: AnyKeySelector;
  /** Whether a right record says that from its time on there is no version. */
  readonly isDeletion: (version: unknown) => boolean;
  readonly lateOutput: OutputTag<unknown> | undefined;
  readonly join: ProcessJoinFunction<unknown, unknown, unknown>;
  readonly leftSchema: StateSchema<unknown> | undefined;
  readonly rightSchema: StateSchema<unknown> | undefined;
}

export function temporalJoinOperator(options: TemporalJoinOptions): OperatorFactory {
  return (context, output) => new TemporalJoinOperator(context, output, options);
}

class TemporalJoinOperator implements StreamOperator {
  readonly #output: Output;
  readonly #options: TemporalJoinOptions;
  readonly #buffers: KeyedBuffers;
  readonly #join: JoinOutput;
  #watermark = MIN_TIMESTAMP;

  constructor(context: OperatorContext, output: Output, options: TemporalJoinOptions) {
    this.#output = output;
    this.#options = options;
    this.#join = new JoinOutput(context, output, options.join);
    const restored = (context.restored ?? []) as readonly KeptVersions[];
    this.#buffers = new KeyedBuffers(context, (buffers, time) => this.#advanceKey(buffers, time), {
      ...options,
      restored,
    });
  }

  get lateRecordsDropped(): number {
    return this.#join.lateRecordsDropped;
  }

  processElement(value: unknown, timestamp: number): void {
    this.#join.requireTimestamp(timestamp);
    if (timestamp < this.#watermark) {
      this.#join.late(this.#options.lateOutput, value, timestamp); // invariant 2
      return;
    }
    const buffers = this.#buffers.of(this.#options.leftKeySelector(value));
    buffers.left.add({ timestamp, value, isMatched: false });
    this.#settle(buffers, timestamp);
  }

  processElement2(value: unknown, timestamp: number): void {
    this.#join.requireTimestamp(timestamp);
    const buffers = this.#buffers.of(this.#options.rightKeySelector(value));
    buffers.right.add({ timestamp, value, isMatched: false }); // invariant 4
    this.#settle(buffers, timestamp);
  }

  processWatermark(timestamp: number): void {
    this.#watermark = timestamp;
    this.#buffers.advance(timestamp); // invariant 1
    this.#output.emitWatermark(timestamp);
  }

  processIdle(isIdle: boolean): void {
    this.#output.emitIdle(isIdle);
  }

  finishKey(): void {
    this.#buffers.finishKey();
  }

  snapshotState(): KeptVersions {
    return this.#buffers.versions;
  }

  #settle(buffers: KeyBuffers, timestamp: number): void {
    const isDue = timestamp <= this.#watermark;
    this.#buffers.settle(buffers, isDue ? this.#advanceKey(buffers, this.#watermark) : this.#dueAt(buffers));
  }

  #advanceKey(buffers: KeyBuffers, time: number): number {
    const { left, right: versions } = buffers;
    const { isDeletion, type } = this.#options;
    const count = left.countUpTo(time);
    for (let i = 0; i < count; i++) {
      const item = left.at(i)!;
      const known = versions.countUpTo(item.timestamp);
      const latest = known === 0 ? undefined : versions.at(known - 1);
      const version = latest === undefined || isDeletion(latest.value) ? undefined : latest;
      if (version !== undefined || type === 'left') this.#join.emit(item, version, item.timestamp);
    }
    left.removeFirst(count);

    // invariant 3
    const reached = versions.countUpTo(time);
    const isGone = reached > 0 && isDeletion(versions.at(reached - 1)!.value);
    versions.removeFirst(isGone ? reached : Math.max(0, reached - 1));
    return this.#dueAt(buffers);
  }

  /** When the first left record can be joined, or the first version is not needed any more. */
  #dueAt({ left, right: versions }: KeyBuffers): number {
    const first = versions.first;
    const isDeletion = first !== undefined && this.#options.isDeletion(first.value);
    const unneeded = isDeletion ? first : versions.at(1);
    return Math.min(left.first?.timestamp ?? Infinity, unneeded?.timestamp ?? Infinity);
  }
}
