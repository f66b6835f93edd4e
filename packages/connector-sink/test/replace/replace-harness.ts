import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommitRequest, Committer, SinkWriter, SinkWriterContext } from '@millrace/core-stream';
import type { DruidClient } from '@millrace/druid-client';
import { DruidSink } from '../../src/index.js';
import type {
  ChunkRevision,
  ReplaceCommittable,
  ReplaceWriterState,
} from '../../src/replace/chunk-committable.js';
import type { ReplaceSinkOptions } from '../../src/replace/replace-options.js';
import { flightSchema, SinkJob, type Flight, type JobOptions } from '../support/sink-harness.js';

export const DAY = 86_400_000;

export type ReplaceRequest = CommitRequest<ReplaceCommittable>;
export type ReplaceWriter = SinkWriter<Flight, ReplaceCommittable, ReplaceWriterState>;

/** What a checkpoint stores, as data. */
export interface StoredCheckpoint {
  readonly pending: readonly ReplaceRequest[];
  readonly states: readonly ReplaceWriterState[];
}

export const NOTHING_STORED: StoredCheckpoint = { pending: [], states: [] };

export type ReplaceOptions = Partial<ReplaceSinkOptions<Flight>> &
  Pick<ReplaceSinkOptions<Flight>, 'spoolDirectory'>;

export function replaceSink(client: DruidClient, dataSource: string, options: ReplaceOptions) {
  return new DruidSink<Flight>({
    mode: 'replace',
    druid: client,
    schema: flightSchema(dataSource),
    inlineMaxBytes: 0,
    ...options,
  });
}

/** One run of a job with `parallelism` writers, driven as the runtime drives a sink. */
export class ReplaceRun {
  readonly job: SinkJob;
  readonly writers: ReplaceWriter[] = [];
  readonly #sink: DruidSink<Flight>;
  readonly #parallelism: number;
  #prepared: Omit<ReplaceRequest, 'checkpointId'>[] = [];

  constructor(sink: DruidSink<Flight>, parallelism = 1, options: JobOptions = {}) {
    this.#sink = sink;
    this.#parallelism = parallelism;
    this.job = new SinkJob(sink, options);
  }

  context(subtaskIndex: number): SinkWriterContext {
    const parallelism = this.#parallelism;
    const ownsKey = (key: unknown) => this.#writerOf(key as number) === subtaskIndex;
    return { ...this.job.context(subtaskIndex), parallelism, ownsKey };
  }

  #writerOf(chunkStart: number): number {
    return Math.abs(Math.floor(chunkStart / DAY)) % this.#parallelism;
  }

  async committer({ pending, states }: StoredCheckpoint): Promise<Committer<ReplaceCommittable>> {
    const committer = (await this.#sink.createCommitter(this.context(0))) as Committer<
      ReplaceCommittable,
      ReplaceWriterState
    >;
    await committer.recover?.(pending, states);
    return committer;
  }

  async createWriters({ states }: StoredCheckpoint = NOTHING_STORED): Promise<void> {
    for (let index = 0; index < this.#parallelism; index++)
      this.writers.push((await this.#sink.createWriter(this.context(index), states)) as ReplaceWriter);
  }

  async write(rows: readonly Flight[]): Promise<void> {
    for (const row of rows) {
      const key = this.#sink.partitionKey?.(row) as number;
      const writer = this.writers[this.#writerOf(key)];
      writer?.write(row, { timestamp: row.date, currentWatermark: -Infinity });
      await writer?.backPressure?.();
    }
  }

  watermark(to: number): void {
    for (const writer of this.writers) writer.writeWatermark?.(to);
  }

  /** A barrier passes; the checkpoint is durable unless `isAborted`: then its committables go with the next one. */
  async barrier(
    checkpointId: number,
    options: { readonly isAborted?: boolean; readonly isSavepoint?: boolean; readonly isEnd?: boolean } = {},
  ): Promise<StoredCheckpoint> {
    const { isAborted = false, isSavepoint = false, isEnd = false } = options;
    const states: ReplaceWriterState[] = [];
    for (const [subtaskIndex, writer] of this.writers.entries()) {
      await writer.flush(isEnd);
      for (const committable of (await writer.prepareCommit?.(checkpointId, isSavepoint)) ?? [])
        this.#prepared.push({ subtaskIndex, committable });
      states.push(...(writer.snapshotState?.(checkpointId) ?? []));
    }
    const pending = this.#prepared.map((request) => ({ ...request, checkpointId }));
    if (!isAborted) this.#prepared = [];
    return structuredClone({ pending, states });
  }

  async close(): Promise<void> {
    for (const writer of this.writers) await writer.close();
  }
}

export async function rowsOf(spoolDirectory: string, { parts }: ChunkRevision): Promise<string[]> {
  const texts = await Promise.all(parts.map(({ file }) => readFile(join(spoolDirectory, file), 'utf8')));
  return texts.join('').split('\n').slice(0, -1);
}
