/**
 * Commits the transactions of durable checkpoints, waits for Druid as far as is asked for, and watches its supervisor.
 *
 * Invariants:
 * 1. Transactions are committed before anything is asked of Druid, all at once after a restore: one that waits for Druid, or
 *    for the commit before it, may be given up by the broker.
 * 2. A commit can be repeated by any process: transactions as the transport says, rows are only counted.
 * 3. The supervisor is taken down only when the input has ended and nothing is left to commit.
 */
import {
  sleep,
  type CommitRequest,
  type Committer,
  type CommitterContext,
  type Counter,
  type Histogram,
} from '@millrace/core-stream';
import { DruidSinkRecordError } from '../errors.js';
import type { KafkaRowsCommittable } from './kafka-committable.js';
import type { ResolvedKafkaOptions } from './kafka-options.js';
import type { JobProgress } from './kafka-row-writer.js';
import type { LagGate } from './lag-gate.js';
import type { RowArrivals } from './row-arrivals.js';
import type { TransportCommittable } from './row-transport.js';
import { isRead, readOffsets, type RejectedByDruid, type Supervisor } from './supervisor.js';

export interface KafkaRowCommitterOptions {
  readonly context: CommitterContext;
  readonly options: Pick<
    ResolvedKafkaOptions<never>,
    'waitUntil' | 'onCommit' | 'onRejectedRow' | 'supervisor' | 'supervisorPollIntervalMs'
  >;
  readonly transport: Committer<TransportCommittable, never>;
  readonly supervisor: Supervisor;
  readonly arrivals: RowArrivals;
  readonly gate: LagGate;
  readonly progress: JobProgress;
  /** Checks the datasource, and sees to it that topic and supervisor are there. */
  readonly prepare: () => Promise<void>;
  /** Called once, at the end of `close`. */
  readonly onClose: () => void;
}

export class KafkaRowCommitter implements Committer<KafkaRowsCommittable, never> {
  readonly #options: KafkaRowCommitterOptions;
  readonly #stop = new AbortController();
  #isTakenDown = false;
  #watching: Promise<void> | undefined;
  readonly #rows: Counter;
  readonly #rejectedRows: Counter;
  readonly #submitted: Histogram;
  readonly #done: Histogram | undefined;
  #lastState = '';
  /** By partition the end of what is committed. */
  readonly #ends: Record<string, number> = {};

  constructor(options: KafkaRowCommitterOptions) {
    this.#options = options;
    const { metrics } = options.context;
    metrics.gauge('supervisorLag', () => options.gate.lag, {
      description: 'Kafka records that Druid has not read.',
    });
    this.#rows = metrics.counter('committedRows', { description: 'Rows whose commit is over.' });
    this.#rejectedRows = metrics.counter('rejectedRows', { description: 'Rows that Druid could not read.' });
    this.#submitted = metrics.histogram('submittedMs', {
      description: 'From the durable checkpoint until its transactions were committed.',
    });
    const { waitUntil } = options.options;
    this.#done =
      waitUntil === 'submitted'
        ? undefined
        : metrics.histogram(`${waitUntil}Ms`, {
            description: 'From then until Druid had read the rows, or queries found them.',
          });
  }

  /** @throws DruidSinkConfigError, DruidSinkConnectionError, and what the transport throws */
  async recover(pending: readonly CommitRequest<KafkaRowsCommittable>[]): Promise<void> {
    this.#options.progress.unconfirmed += pending.length;
    const { transport, prepare } = this.#options;
    await transport.recover?.(pending.map(transportRequest), []);
    await this.#submit(pending);
    await prepare();
    this.#watching = this.#watch();
  }

  async commit(requests: readonly CommitRequest<KafkaRowsCommittable>[]): Promise<void> {
    const { arrivals, context, options, progress } = this.#options;
    const { waitUntil, onCommit } = options;
    const startedMs = context.clock.now();
    const sinceMs = () => context.clock.now() - startedMs;
    await this.#submit(requests);
    const submittedMs = sinceMs();
    const committables = requests.map(({ committable }) => committable);
    if (waitUntil === 'published') await arrivals.untilRead(committables);
    if (waitUntil === 'queryable') this.#handOn(await arrivals.untilCounted(committables));
    const timings = { submittedMs, doneMs: sinceMs() };
    this.#submitted.update(submittedMs);
    this.#done?.update(timings.doneMs - submittedMs);
    for (const { checkpointId, subtaskIndex, committable } of requests) {
      const { dataSource, rows, bytes } = committable;
      this.#rows.inc(rows);
      onCommit?.({ dataSource, checkpointId, subtaskIndex, rows, bytes, timings });
    }
    progress.unconfirmed -= requests.length;
    // Here, since Druid may take a minute for it, which closing has not.
    await this.#takeDownAtEnd();
  }

  async close(): Promise<void> {
    const { transport, onClose } = this.#options;
    this.#stop.abort();
    await this.#watching;
    try {
      await transport.close?.();
      await this.#takeDownAtEnd(); // where the last checkpoint had nothing to commit
    } finally {
      onClose();
    }
  }

  async #takeDownAtEnd(): Promise<void> {
    const { supervisor, options, progress, context } = this.#options;
    const { atEnd } = options.supervisor;
    const isDone = progress.endedSubtasks.size === context.parallelism && progress.unconfirmed === 0;
    if (atEnd === 'keep' || !isDone || this.#isTakenDown) return; // invariant 3
    this.#stop.abort();
    await this.#watching;
    await supervisor.takeDown(atEnd);
    this.#isTakenDown = true;
  }

  async #submit(requests: readonly CommitRequest<KafkaRowsCommittable>[]): Promise<void> {
    const { transport, progress } = this.#options;
    await transport.commit(requests.map(transportRequest)); // invariants 1 and 2
    for (const { committable } of requests) {
      const index = progress.begunMs.indexOf(committable.begunMs ?? NaN);
      if (index >= 0) progress.begunMs.splice(index, 1);
      for (const [partition, end] of Object.entries(committable.transport.endOffsets))
        this.#ends[partition] = Math.max(end, this.#ends[partition] ?? 0);
    }
  }

  #handOn(rejected: readonly RejectedByDruid[]): void {
    if (rejected.length === 0) return;
    const { supervisor, options } = this.#options;
    this.#rejectedRows.inc(rejected.length);
    const { onRejectedRow } = options;
    if (onRejectedRow !== 'fail') {
      for (const { text, reason } of rejected) onRejectedRow({ dataSource: supervisor.id, text, reason });
      return;
    }
    const [{ reason }] = rejected as [RejectedByDruid];
    throw new DruidSinkRecordError(
      `Druid rejected ${rejected.length} rows for datasource '${supervisor.id}', the first because: ${reason}. They are in the ` +
        "topic, but not in the datasource. Set 'onRejectedRow' to collect such rows.",
      { details: { dataSource: supervisor.id, reason, rows: rejected.length } },
    );
  }

  /** Never rejects: an outage is for those to report who wait for Druid. */
  async #watch(): Promise<void> {
    const { context, options, gate, supervisor } = this.#options;
    const signal = AbortSignal.any([context.signal, this.#stop.signal]);
    while (!signal.aborted) {
      try {
        const status = await supervisor.status(signal);
        gate.report(status?.aggregateLag, isRead(readOffsets(status), this.#ends));
        this.#tell(status === undefined ? 'GONE' : status.detailedState, status?.healthy ?? false);
      } catch (error) {
        if (signal.aborted) break;
        gate.report(undefined);
        this.#tell(`unknown: ${error instanceof Error ? error.message : String(error)}`, false);
      }
      await sleep(context.clock, options.supervisorPollIntervalMs, signal).catch(() => undefined);
    }
    gate.report(undefined);
  }

  #tell(state: string, isHealthy: boolean): void {
    if (state === this.#lastState) return;
    this.#lastState = state;
    const { context, supervisor } = this.#options;
    const fields = { supervisor: supervisor.id, state };
    if (isHealthy && state !== 'SUSPENDED') context.logger.info('The supervisor has another state', fields);
    else context.logger.warn('The supervisor does not read; rows wait in the topic', fields);
  }
}

function transportRequest({
  committable,
  ...origin
}: CommitRequest<KafkaRowsCommittable>): CommitRequest<TransportCommittable> {
  return { ...origin, committable: committable.transport };
}
