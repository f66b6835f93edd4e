/** Runs a source's enumerator: gives it its context, keeps its calls apart, and delivers splits to the readers. */
import type { OperatorError } from '../errors.js';
import type { Source, SourceSplit, SplitEnumerator } from '../connectors/source.js';
import type { MetricGroup } from '../metrics/metric-group.js';
import { encodeState } from '../state/canonical-encoding.js';
import { sleep, type Clock } from '../time/clock.js';
import type { Describer } from './describe-value.js';
import { describeCall, operatorError } from './operator-error.js';
import type { PendingCalls } from './pending-calls.js';
import type { Logger } from './logger.js';
import type { SourceTask } from './source-task.js';

export interface SourceCoordinatorOptions {
  readonly uid: string;
  readonly name: string;
  readonly source: Source<unknown, SourceSplit>;
  readonly parallelism: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricGroup;
  readonly signal: AbortSignal;
  readonly onFailure: (error: unknown) => void;
  readonly describer: Describer;
  readonly pending: PendingCalls;
}

export class SourceCoordinator {
  readonly #options: SourceCoordinatorOptions;
  readonly #enumerator: SplitEnumerator<SourceSplit, unknown>;
  #readers: readonly SourceTask[] = [];

  constructor(options: SourceCoordinatorOptions, restored: { readonly state: unknown } | undefined) {
    this.#options = options;
    const context = {
      parallelism: options.parallelism,
      operatorUid: options.uid,
      clock: options.clock,
      logger: options.logger,
      metrics: options.metrics,
      signal: options.signal,
      assignSplit: (split: SourceSplit, subtaskIndex: number) =>
        this.#reader(subtaskIndex).addSplits([split]),
      signalNoMoreSplits: (subtaskIndex: number) => this.#reader(subtaskIndex).notifyNoMoreSplits(),
      callAsync: <R>(
        work: (signal: AbortSignal) => Promise<R>,
        handler: (result: R) => void,
        schedule: { readonly delayMs?: number; readonly periodMs?: number } = {},
      ) => void this.#callAsync(work, handler, schedule),
    };
    try {
      this.#enumerator = options.source.createEnumerator(
        context,
        ...(restored === undefined ? [] : [restored.state]),
      );
    } catch (error) {
      throw this.#named(error, 'creating its enumerator');
    }
  }

  /** `returned` are restored splits that no reader holds, because the parallelism has changed. */
  start(readers: readonly SourceTask[], returned: readonly SourceSplit[]): void {
    this.#readers = readers;
    this.#guard(() => {
      if (returned.length > 0) this.#enumerator.addSplitsBack(returned);
      this.#enumerator.start();
    });
  }

  requestSplit(subtaskIndex: number): void {
    // Not within the reader's call: an enumerator must be free to answer at once.
    queueMicrotask(() => this.#guard(() => this.#enumerator.handleSplitRequest(subtaskIndex)));
  }

  /** Its state, encoded. */
  snapshotState(checkpointId: number): Uint8Array {
    try {
      return encodeState(this.#enumerator.snapshotState(checkpointId));
    } catch (error) {
      throw this.#named(error, `taking checkpoint ${checkpointId} of its enumerator`);
    }
  }

  async close(): Promise<void> {
    const { name, pending } = this.#options;
    const doing = 'closing its enumerator';
    try {
      const call = describeCall({ name, subtaskIndex: 0 }, doing);
      await pending.run(call, () => this.#enumerator.close?.());
    } catch (error) {
      throw this.#named(error, doing);
    }
  }

  #reader(subtaskIndex: number): SourceTask {
    const reader = this.#readers[subtaskIndex];
    if (reader === undefined)
      throw new RangeError(`there is no reader ${subtaskIndex}, only 0 to ${this.#readers.length - 1}`);
    return reader;
  }

  async #callAsync<R>(
    work: (signal: AbortSignal) => Promise<R>,
    handler: (result: R) => void,
    schedule: { readonly delayMs?: number; readonly periodMs?: number },
  ): Promise<void> {
    const { clock, name, pending, signal } = this.#options;
    const call = describeCall({ name, subtaskIndex: 0 }, 'finding splits');
    try {
      if (schedule.delayMs !== undefined) await sleep(clock, schedule.delayMs, signal);
      while (!signal.aborted) {
        const result = await pending.run(call, () => work(signal));
        if (signal.aborted) return;
        handler(result);
        if (schedule.periodMs === undefined) return;
        await sleep(clock, schedule.periodMs, signal);
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  #guard(call: () => void): void {
    if (this.#options.signal.aborted) return;
    try {
      call();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#options.onFailure(this.#named(error, 'finding splits'));
  }

  #named(error: unknown, doing: string): OperatorError {
    const { name, describer } = this.#options;
    return operatorError(error, { name, subtaskIndex: 0, describer }, doing);
  }
}
