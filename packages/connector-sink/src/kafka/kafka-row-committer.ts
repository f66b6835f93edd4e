/**
 * Commits the transactions of durable checkpoints, waits for Druid as far as is asked for, and watches its supervisors.
 *
 * Invariants:
 * 1. Transactions are committed before anything is asked of Druid, all at once after a restore: one that waits for Druid, or
 *    for the commit before it, may be given up by the broker.
 * 2. A commit can be repeated by any process: transactions as the transport says, dead letters are written once, rows are
 *    only counted.
 * 3. Supervisors are taken down only when the input has ended and nothing is left to commit.
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
import { notOurs } from '../spool/open-rows.js';
import type { KafkaRows, KafkaRowsCommittable } from './kafka-committable.js';
import type { ResolvedKafkaOptions } from './kafka-options.js';
import type { JobProgress } from './kafka-row-writer.js';
import type { LagGate } from './lag-gate.js';
import type { RejectedLetters } from './rejected-letters.js';
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
  readonly supervisors: readonly Supervisor[];
  readonly arrivals: RowArrivals;
  /** Where rejected rows go that nothing else is said about. */
  readonly letters: RejectedLetters | undefined;
  readonly gate: LagGate;
  readonly progress: JobProgress;
  /** Checks the datasources, and sees to it that topics and supervisors are there. */
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
  /** By supervisor. */
  readonly #lastStates = new Map<string, string>();
  /** By datasource and partition the end of what is committed. */
  readonly #ends = new Map<string, Record<string, number>>();
  /** The last dead letters of rejected rows, which nobody has waited for; those before them are read earlier. */
  #uncounted: KafkaRows[] = [];

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

  /** @throws DruidSinkCheckpointError, DruidSinkConfigError, DruidSinkConnectionError, and what the transport throws */
  async recover(
    pending: readonly CommitRequest<KafkaRowsCommittable>[],
    writerStates: readonly never[],
  ): Promise<void> {
    // Rows of another mode's open files would be left behind without a word.
    if (writerStates.length > 0 || !pending.every(isKafkaRequest)) throw notOurs();
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
    const written = requests.flatMap(({ committable }) => committable.parts);
    if (waitUntil === 'published') await arrivals.untilRead(written);
    if (waitUntil === 'queryable') await this.#handOn(written, await arrivals.untilCounted(written));
    const timings = { submittedMs, doneMs: sinceMs() };
    this.#submitted.update(submittedMs);
    this.#done?.update(timings.doneMs - submittedMs);
    for (const { checkpointId, subtaskIndex, committable } of requests) {
      for (const { dataSource, rows, bytes } of committable.parts) {
        this.#rows.inc(rows);
        onCommit?.({ dataSource, checkpointId, subtaskIndex, rows, bytes, timings });
      }
    }
    progress.unconfirmed -= requests.length;
    if (!this.#isAtEnd) return;
    // Here, since Druid may take a minute for it, which closing has not. No open transaction hides dead letters by now.
    await arrivals.untilCounted(this.#uncounted);
    await this.#takeDown();
  }

  async close(): Promise<void> {
    const { transport, onClose } = this.#options;
    this.#stop.abort();
    await this.#watching;
    try {
      await transport.close?.();
      if (this.#isAtEnd) await this.#takeDown(); // where the last checkpoint had nothing to commit
    } finally {
      onClose();
    }
  }

  /** Whether supervisors are to be taken down now (invariant 3). */
  get #isAtEnd(): boolean {
    const { options, progress, context } = this.#options;
    const isDone = progress.endedSubtasks.size === context.parallelism && progress.unconfirmed === 0;
    return options.supervisor.atEnd !== 'keep' && isDone && !this.#isTakenDown;
  }

  async #takeDown(): Promise<void> {
    const { supervisors, options } = this.#options;
    const { atEnd } = options.supervisor;
    if (atEnd === 'keep') return;
    this.#stop.abort();
    await this.#watching;
    await Promise.all(supervisors.map((supervisor) => supervisor.takeDown(atEnd)));
    this.#isTakenDown = true;
  }

  async #submit(requests: readonly CommitRequest<KafkaRowsCommittable>[]): Promise<void> {
    const { transport, progress } = this.#options;
    await transport.commit(requests.map(transportRequest)); // invariants 1 and 2
    for (const { committable } of requests) {
      const index = progress.begunMs.indexOf(committable.begunMs ?? NaN);
      if (index >= 0) progress.begunMs.splice(index, 1);
      for (const { dataSource, endOffsets } of committable.parts) {
        const ends = this.#ends.get(dataSource) ?? {};
        for (const [partition, end] of Object.entries(endOffsets))
          ends[partition] = Math.max(end, ends[partition] ?? 0);
        this.#ends.set(dataSource, ends);
      }
    }
  }

  async #handOn(written: readonly KafkaRows[], rejected: readonly RejectedByDruid[]): Promise<void> {
    const [first] = rejected;
    if (first === undefined) return;
    const { options, letters } = this.#options;
    this.#rejectedRows.inc(rejected.length);
    const { onRejectedRow } = options;
    if (typeof onRejectedRow === 'function') {
      for (const { dataSource, text, reason } of rejected) onRejectedRow({ dataSource, text, reason });
      return;
    }
    // The next checkpoint's transaction may hide them for now: whoever waited for them would wait for what waits for this.
    if (letters?.takes(rejected) === true) {
      this.#uncounted = await letters.write(written, rejected); // invariant 2
      return;
    }
    const { dataSource, reason } = first;
    throw new DruidSinkRecordError(
      `Druid rejected ${rejected.length} rows for datasource '${dataSource}', the first because: ${reason}. They are in the ` +
        "topic, but not in the datasource. Collect such rows by 'onRejectedRow' or 'deadLetters'.",
      { details: { dataSource, reason, rows: rejected.length } },
    );
  }

  /** Never rejects: an outage is for those to report who wait for Druid. */
  async #watch(): Promise<void> {
    const { context, options, supervisors } = this.#options;
    const signal = AbortSignal.any([context.signal, this.#stop.signal]);
    while (!signal.aborted) {
      await Promise.all(supervisors.map((supervisor) => this.#look(supervisor, signal)));
      await sleep(context.clock, options.supervisorPollIntervalMs, signal).catch(() => undefined);
    }
    for (const { id } of supervisors) this.#options.gate.report(id, undefined);
  }

  async #look(supervisor: Supervisor, signal: AbortSignal): Promise<void> {
    const { gate } = this.#options;
    const { id } = supervisor;
    try {
      const status = await supervisor.status(signal);
      gate.report(id, status?.aggregateLag, isRead(readOffsets(status), this.#ends.get(id) ?? {}));
      this.#tell(id, status === undefined ? 'GONE' : status.detailedState, status?.healthy ?? false);
    } catch (error) {
      if (signal.aborted) return;
      gate.report(id, undefined);
      this.#tell(id, `unknown: ${error instanceof Error ? error.message : String(error)}`, false);
    }
  }

  #tell(supervisor: string, state: string, isHealthy: boolean): void {
    if (state === this.#lastStates.get(supervisor)) return;
    this.#lastStates.set(supervisor, state);
    const { logger } = this.#options.context;
    const fields = { supervisor, state };
    if (isHealthy && state !== 'SUSPENDED') logger.info('The supervisor has another state', fields);
    else logger.warn('The supervisor does not read; rows wait in the topic', fields);
  }
}

function isKafkaRequest({ committable }: CommitRequest<KafkaRowsCommittable>): boolean {
  const { version, transport, parts } = committable as Partial<KafkaRowsCommittable>;
  return version === 1 && transport !== undefined && Array.isArray(parts);
}

function transportRequest({
  committable,
  ...origin
}: CommitRequest<KafkaRowsCommittable>): CommitRequest<TransportCommittable> {
  return { ...origin, committable: committable.transport };
}
