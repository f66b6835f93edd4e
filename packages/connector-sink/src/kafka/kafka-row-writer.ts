/**
 * Encodes one subtask's records as rows, gathers those of each datasource into blocks, and hands these to the transport.
 *
 * Invariants:
 * 1. A partition is written by one writer. Transactions of several writers in one partition would hide each other's rows:
 *    consumers see nothing behind an open one, and the next checkpoint's is open while this one's commit waits for its rows.
 * 2. All rows between two barriers carry one commit id that no other rows have.
 * 3. Rows of all datasources between two barriers, dead letters too, are one transaction.
 * 4. A record becomes a row, a dead letter or a call, or fails the job.
 */
import { randomBytes } from 'node:crypto';
import type { SinkWriteContext, SinkWriter } from '@millrace/core-stream';
import { DruidSinkInvariantError } from '../errors.js';
import type { EncodedRow, RejectedValue } from '../schema/row-encoder.js';
import type { InvalidRecords } from '../spool/invalid-records.js';
import type { SpoolTarget, SpoolTargets } from '../spool/spool-target.js';
import type { KafkaRowsCommittable } from './kafka-committable.js';
import type { LagGate } from './lag-gate.js';
import type { RowBlock, TransportCommittable } from './row-transport.js';
import { RowsOfTopic, type OwnPartitions } from './rows-of-topic.js';

/** What the writers of a run tell its committer. */
export interface JobProgress {
  /** Whose input has ended, with all rows prepared. */
  readonly endedSubtasks: Set<number>;
  /** Committables that are prepared and not committed. */
  unconfirmed: number;
  /** When each transaction began that is not committed, epoch milliseconds. Brokers abort those that are too old. */
  readonly begunMs: number[];
}

export interface KafkaRowWriterOptions<T> {
  readonly targets: SpoolTargets<T>;
  /** Of each target. */
  readonly partitions: readonly OwnPartitions[];
  readonly transport: SinkWriter<RowBlock, TransportCommittable, never>;
  readonly commitIdColumn: string | null;
  readonly maxRecordBytes: number;
  readonly gate: LagGate;
  readonly now: () => number;
  readonly invalidRecords: InvalidRecords<T>;
  readonly progress: JobProgress;
  readonly subtaskIndex: number;
}

export class KafkaRowWriter<T> implements SinkWriter<T, KafkaRowsCommittable, never> {
  readonly #options: KafkaRowWriterOptions<T>;
  /** By the target's index. */
  readonly #topics: readonly RowsOfTopic[];
  readonly #row: EncodedRow = { text: '', time: 0 };
  #commitId: string | null = null;
  #rowEnd = '}';
  #hasEnded = false;
  /** Of the transaction that is open. */
  #begunMs: number | undefined;

  constructor(options: KafkaRowWriterOptions<T>) {
    this.#options = options;
    const { targets, partitions } = options;
    this.#topics = targets.all.map(
      (target) => new RowsOfTopic({ ...options, ...partitions[target.index]!, target }), // invariant 1
    );
    this.#begin();
  }

  write(value: T, context: SinkWriteContext): void {
    const { targets } = this.#options;
    const target = targets.only ?? targets.of(value);
    if (typeof target === 'string') {
      const reason = `its route is '${target}', and there is no such schema`;
      this.#reject(value, { column: '', reason }, target, context);
      return;
    }
    const rejected = target.encode(value, this.#row);
    if (rejected === undefined) this.#add(target, context);
    else this.#reject(value, rejected, target.dataSchema.dataSource, context);
  }

  backPressure(): Promise<void> | undefined {
    const sending = this.#options.transport.backPressure?.();
    const behind = this.#options.gate.backPressure();
    if (sending === undefined || behind === undefined) return sending ?? behind;
    return Promise.all([sending, behind]).then(() => undefined);
  }

  async flush(endOfInput: boolean): Promise<void> {
    for (const rows of this.#topics) this.#send(rows, { timestamp: undefined, currentWatermark: -Infinity });
    await this.#options.transport.flush(endOfInput);
    this.#hasEnded ||= endOfInput;
  }

  async prepareCommit(checkpointId: number, isSavepoint: boolean): Promise<readonly KafkaRowsCommittable[]> {
    const { transport, progress, subtaskIndex } = this.#options;
    const prepared = (await transport.prepareCommit?.(checkpointId, isSavepoint)) ?? [];
    const committables = prepared.map((transaction): KafkaRowsCommittable => ({
      version: 1,
      transport: transaction,
      parts: this.#topics.flatMap((rows) => rows.takeRows(this.#commitId, transaction.endOffsets) ?? []),
      begunMs: this.#begunMs,
    }));
    progress.unconfirmed += committables.length;
    // Not before: a commit that ends between the end of input and its barrier would find nothing left to do.
    if (this.#hasEnded) progress.endedSubtasks.add(subtaskIndex);
    this.#begin();
    return committables;
  }

  async close(): Promise<void> {
    await this.#options.transport.close();
  }

  #begin(): void {
    const { commitIdColumn } = this.#options;
    this.#begunMs = undefined;
    if (commitIdColumn === null) return;
    this.#commitId = randomBytes(12).toString('base64url'); // invariant 2
    this.#rowEnd = `,${JSON.stringify(commitIdColumn)}:"${this.#commitId}"}`;
  }

  #reject(record: T, rejected: RejectedValue, dataSource: string, context: SinkWriteContext): void {
    const { invalidRecords, targets } = this.#options;
    const letter = invalidRecords.reject(record, rejected, dataSource);
    if (letter === undefined) return;
    const { deadLetters } = targets;
    if (deadLetters === undefined || deadLetters.encode(letter, this.#row) !== undefined) {
      const message = `A dead letter for datasource '${dataSource}' has no place, or cannot be a row. Please report this.`;
      throw new DruidSinkInvariantError(message, { details: { invariant: 4, reason: rejected.reason } });
    }
    this.#add(deadLetters, context);
  }

  /** Adds the row that was encoded last. */
  #add(target: SpoolTarget, context: SinkWriteContext): void {
    const rows = this.#topics[target.index]!;
    if (rows.add(this.#row, this.#rowEnd)) this.#send(rows, context);
  }

  #send(rows: RowsOfTopic, context: SinkWriteContext): void {
    const { transport, now, progress } = this.#options;
    const block = rows.takeBlock(now());
    if (block === undefined) return;
    if (this.#begunMs === undefined) progress.begunMs.push((this.#begunMs = block.timestamp));
    transport.write(block, context); // invariant 3
  }
}
