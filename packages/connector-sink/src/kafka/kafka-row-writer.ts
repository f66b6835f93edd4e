/**
 * Encodes one subtask's records as rows, gathers them into blocks, and hands those to the transport.
 *
 * Invariants:
 * 1. A partition is written by one writer. Transactions of several writers in one partition would hide each other's rows:
 *    consumers see nothing behind an open one, and the next checkpoint's is open while this one's commit waits for its rows.
 * 2. All rows between two barriers carry one commit id that no other rows have.
 */
import { randomBytes } from 'node:crypto';
import type { SinkWriteContext, SinkWriter } from '@millrace/core-stream';
import { formatInterval } from '../commit/ingestion-spec.js';
import type { EncodedRow, RowEncoder } from '../schema/row-encoder.js';
import { chunkOf, type Granularity } from '../schema/time-chunks.js';
import type { InvalidRecords } from '../spool/invalid-records.js';
import type { KafkaRowsCommittable } from './kafka-committable.js';
import type { LagGate } from './lag-gate.js';
import type { RowBlock, TransportCommittable } from './row-transport.js';

/** All times that Druid knows. */
const ETERNITY = '-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z';

/** What the writers of a run tell its committer. */
export interface JobProgress {
  /** Whose input has ended. */
  readonly endedSubtasks: Set<number>;
  /** Committables that are prepared and not committed. */
  unconfirmed: number;
  /** When each transaction began that is not committed, epoch milliseconds. Brokers abort those that are too old. */
  readonly begunMs: number[];
}

export interface KafkaRowWriterOptions<T> {
  readonly encoder: RowEncoder<T>;
  readonly transport: SinkWriter<RowBlock, TransportCommittable, never>;
  readonly dataSource: string;
  readonly segmentGranularity: Granularity;
  readonly commitIdColumn: string | null;
  readonly countMetric: string | null;
  readonly maxRecordBytes: number;
  /** The partitions that are this writer's alone; at least one. */
  readonly partitions: readonly number[];
  readonly gate: LagGate;
  readonly now: () => number;
  readonly invalidRecords: InvalidRecords<T>;
  readonly progress: JobProgress;
  readonly subtaskIndex: number;
}

export class KafkaRowWriter<T> implements SinkWriter<T, KafkaRowsCommittable, never> {
  readonly #options: KafkaRowWriterOptions<T>;
  readonly #row: EncodedRow = { text: '', time: 0 };
  #commitId: string | null = null;
  #rowEnd = '}';
  #block = '';
  #blocks = 0;
  #rows = 0;
  #bytes = 0;
  #minTime = Infinity;
  #maxTime = -Infinity;
  /** Of the transaction that is open. */
  #begunMs: number | undefined;

  constructor(options: KafkaRowWriterOptions<T>) {
    this.#options = options;
    this.#begin();
  }

  write(value: T, context: SinkWriteContext): void {
    const row = this.#row;
    const rejected = this.#options.encoder.encode(value, row);
    if (rejected !== undefined) {
      this.#options.invalidRecords.reject(value, rejected, this.#options.dataSource);
      return;
    }
    this.#rows += 1;
    if (row.time < this.#minTime) this.#minTime = row.time;
    if (row.time > this.#maxTime) this.#maxTime = row.time;
    this.#block += this.#block === '' ? row.text + this.#rowEnd : `\n${row.text}${this.#rowEnd}`;
    if (this.#block.length >= this.#options.maxRecordBytes) this.#seal(context);
  }

  backPressure(): Promise<void> | undefined {
    const sending = this.#options.transport.backPressure?.();
    const behind = this.#options.gate.backPressure();
    if (sending === undefined || behind === undefined) return sending ?? behind;
    return Promise.all([sending, behind]).then(() => undefined);
  }

  async flush(endOfInput: boolean): Promise<void> {
    this.#seal({ timestamp: undefined, currentWatermark: -Infinity });
    await this.#options.transport.flush(endOfInput);
    if (endOfInput) this.#options.progress.endedSubtasks.add(this.#options.subtaskIndex);
  }

  async prepareCommit(checkpointId: number, isSavepoint: boolean): Promise<readonly KafkaRowsCommittable[]> {
    const prepared = (await this.#options.transport.prepareCommit?.(checkpointId, isSavepoint)) ?? [];
    const { dataSource, commitIdColumn, countMetric } = this.#options;
    const committables = prepared.map((transport): KafkaRowsCommittable => ({
      version: 1,
      transport,
      dataSource,
      rows: this.#rows,
      bytes: this.#bytes,
      commitId: this.#commitId,
      commitIdColumn,
      countMetric,
      interval: this.#interval(),
      begunMs: this.#begunMs,
    }));
    this.#options.progress.unconfirmed += committables.length;
    this.#begin();
    return committables;
  }

  async close(): Promise<void> {
    await this.#options.transport.close();
  }

  #begin(): void {
    const { commitIdColumn } = this.#options;
    this.#rows = 0;
    this.#bytes = 0;
    this.#minTime = Infinity;
    this.#maxTime = -Infinity;
    this.#begunMs = undefined;
    if (commitIdColumn === null) return;
    this.#commitId = randomBytes(12).toString('base64url'); // invariant 2
    this.#rowEnd = `,${JSON.stringify(commitIdColumn)}:"${this.#commitId}"}`;
  }

  #seal(context: SinkWriteContext): void {
    if (this.#block === '') return;
    const { transport, partitions, now, progress } = this.#options;
    const value = Buffer.from(this.#block, 'utf8');
    this.#block = '';
    this.#bytes += value.length;
    const partition = partitions[this.#blocks++ % partitions.length]!; // invariant 1
    const timestamp = now();
    if (this.#begunMs === undefined) progress.begunMs.push((this.#begunMs = timestamp));
    transport.write({ partition, value, timestamp }, context);
  }

  /** Chunks rather than times: Druid rounds times down, to the query granularity. */
  #interval(): string {
    const granularity = this.#options.segmentGranularity;
    if (granularity === 'all') return ETERNITY;
    return formatInterval({
      start: chunkOf(granularity, this.#minTime).start,
      end: chunkOf(granularity, this.#maxTime).end,
    });
  }
}
