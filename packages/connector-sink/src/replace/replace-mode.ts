import { join } from 'node:path';
import { DruidClient, type DruidClientOptions } from '@millrace/druid-client';
import type {
  Committer,
  CommitterContext,
  Sink,
  SinkContext,
  SinkWriter,
  SinkWriterContext,
} from '@millrace/core-stream';
import { AppendMode } from '../append-mode.js';
import { CommitMetrics, type PendingCommits } from '../commit/commit-metrics.js';
import { dataSchemaOf, type DataSchema } from '../commit/ingestion-spec.js';
import { TaskSlots } from '../commit/task-slots.js';
import { checkDatasource } from '../druid/datasource-check.js';
import { timestampEncoder } from '../schema/encode-timestamp.js';
import { RowEncoder } from '../schema/row-encoder.js';
import { chunkOf } from '../schema/time-chunks.js';
import { deadLetterSchema, type DeadLetter } from '../spool/dead-letters.js';
import { requireDistinct } from '../spool/record-routes.js';
import { SpoolDirectory } from '../spool/spool-directory.js';
import { SpoolLedger } from '../spool/spool-ledger.js';
import { SpoolServer } from '../spool/spool-server.js';
import type { ReplaceWriterState } from './chunk-committable.js';
import { ChunkRows } from './chunk-rows.js';
import { ChunkWriter } from './chunk-writer.js';
import {
  CommitterWithLetters,
  deadLetterContext,
  shareOfLetters,
  statesOfChunks,
  WriterWithLetters,
  type MixedCommittable,
  type MixedState,
} from './dead-letter-parts.js';
import { RefusedRows } from './refused-rows.js';
import { ReplaceCommitter } from './replace-committer.js';
import {
  resolveReplaceOptions,
  type ReplaceSinkOptions,
  type ResolvedReplaceOptions,
} from './replace-options.js';
import { requireQueryable, slotsPerTask } from './replace-task.js';
import { restoreChunks } from './restored-chunks.js';

/** Spool files that one writer has open at a time. */
const MAX_OPEN_FILES = 64;

/** How often one attempt is posted when Druid neither takes it nor knows it. */
const MAX_POSTS = 10;

/** Mode `replace`: whole chunks of time are overwritten, each by the one writer that has all of its records. */
export class ReplaceMode<T> implements Sink<T, MixedCommittable, MixedState> {
  /** The start of the chunk that a record belongs to. */
  readonly partitionKey: (record: T) => number;
  readonly #options: ResolvedReplaceOptions<T>;
  readonly #encoder: RowEncoder<T>;
  readonly #dataSchema: DataSchema;
  readonly #ledger: SpoolLedger;
  readonly #written = new Set<string>();
  readonly #letters: AppendMode<DeadLetter> | undefined;

  constructor(options: ReplaceSinkOptions<T>) {
    this.#options = resolveReplaceOptions(options);
    const { schema, via, maxSpoolBytes } = this.#options;
    this.#encoder = new RowEncoder(schema);
    this.#dataSchema = dataSchemaOf(schema, null);
    if (via === 'msq') requireQueryable(this.#dataSchema);
    this.#ledger = new SpoolLedger(maxSpoolBytes);
    this.partitionKey = chunkStart(options);
    this.#letters = letterMode(options);
  }

  async createWriter(
    context: SinkWriterContext,
    restored: readonly MixedState[],
  ): Promise<SinkWriter<T, MixedCommittable, MixedState>> {
    const states = statesOfChunks(restored);
    if (this.#letters === undefined) {
      return this.#createChunks(context, states, () => undefined);
    }
    const letters = await this.#letters.createWriter(
      deadLetterContext(context),
      shareOfLetters(restored, context),
    );
    const writeLetter = (letter: DeadLetter) => {
      letters.write(letter);
    };
    return new WriterWithLetters(await this.#createChunks(context, states, writeLetter), letters);
  }

  async #createChunks(
    context: SinkWriterContext,
    restored: readonly ReplaceWriterState[],
    writeLetter: (letter: DeadLetter) => void,
  ): Promise<ChunkWriter<T>> {
    const options = this.#options;
    const { onLateRow, allowedLatenessMs, retainChunksMs } = options;
    const directory = this.#directory(context);
    await directory.prepare();
    const { subtaskIndex, parallelism, metrics } = context;
    const ownsKey = (key: unknown) => context.ownsKey(key);
    const chunks = await restoreChunks(restored, {
      directory,
      ledger: this.#ledger,
      dataSchema: this.#dataSchema,
      subtaskIndex,
      parallelism,
      ownsKey,
    });
    return new ChunkWriter<T>(
      {
        ...options,
        encoder: this.#encoder,
        dataSchema: this.#dataSchema,
        granularity: options.schema.segmentGranularity,
        directory,
        ledger: this.#ledger,
        metrics,
        subtaskIndex,
        parallelism,
        maxFileBytes: options.maxSpoolFileBytes,
        maxOpenFiles: MAX_OPEN_FILES,
        written: this.#written,
        refused: new RefusedRows<T>({
          dataSource: this.#dataSchema.dataSource,
          context,
          takenMs: allowedLatenessMs + retainChunksMs,
          onInvalidRecord: options.deadLetters === undefined ? options.onInvalidRecord : 'dead-letter',
          onLateRow,
          writeLetter,
        }),
      },
      chunks,
    );
  }

  /** @throws DruidSinkConfigError, DruidSinkConnectionError, DruidSinkSpoolError */
  async createCommitter(context: CommitterContext): Promise<Committer<MixedCommittable, MixedState>> {
    const chunks = await this.#createCommitter(context);
    if (this.#letters === undefined) return chunks;
    try {
      const letters = await this.#letters.createCommitter(deadLetterContext(context));
      return new CommitterWithLetters(chunks, letters);
    } catch (error) {
      await chunks.close();
      throw error;
    }
  }

  async #createCommitter(context: CommitterContext): Promise<ReplaceCommitter> {
    const options = this.#options;
    const { maxAttempts, maxConcurrentTasks, queryableTimeoutMs, unavailableTimeoutMs, onCommit } = options;
    const { clock, signal, logger } = context;
    let pending = (): PendingCommits => ({ files: 0, bytes: 0, tasks: 0 });
    const metrics = new CommitMetrics(context.metrics, () => pending());
    const onOutage = () => {
      metrics.outages.inc();
    };
    const patience = { clock, signal, logger, unavailableTimeoutMs, onOutage };
    const directory = this.#directory(context);
    await directory.prepare();
    const druid = isClient(options.druid) ? options.druid : new DruidClient(options.druid);
    const onClose = () => {
      if (druid !== options.druid) druid.close();
    };
    try {
      await checkDatasource(druid, this.#dataSchema, patience, {
        onConflict: options.schemaConflict,
        logger,
      });
      const identityFile = join(directory.path, 'server.json');
      const server = await SpoolServer.start({ ...options, identityFile });
      const pollIntervalMs = options.taskPollIntervalMs;
      const environment = {
        ...options,
        ...patience,
        druid,
        directory,
        server,
        chunkRows: new ChunkRows({ ...patience, druid, pollIntervalMs, queryableTimeoutMs }),
        metrics,
        slots: new TaskSlots({
          ...patience,
          druid,
          maxConcurrentTasks,
          slotsPerTask: slotsPerTask(options),
          pollIntervalMs,
        }),
        written: this.#written,
        rules: { untilQueryable: options.waitUntil === 'queryable', maxAttempts, maxPosts: MAX_POSTS },
      };
      const committer = new ReplaceCommitter({
        context,
        environment,
        ledger: this.#ledger,
        written: this.#written,
        maxConcurrentTasks,
        onCommit,
        onClose,
      });
      pending = () => committer.pending;
      return committer;
    } catch (error) {
      onClose();
      throw error;
    }
  }

  #directory({ operatorUid, jobId }: SinkContext): SpoolDirectory {
    return new SpoolDirectory(this.#options.spoolDirectory, { operatorUid, jobId });
  }
}

/** How dead letters are written: appended, since none replaces another. */
function letterMode<T>(options: ReplaceSinkOptions<T>): AppendMode<DeadLetter> | undefined {
  const { deadLetters, schema, druid, spoolDirectory, advertisedHost, waitUntil } = options;
  if (deadLetters === undefined) return undefined;
  requireDistinct([schema.dataSource, deadLetters.dataSource]);
  return new AppendMode<DeadLetter>({
    schema: deadLetterSchema(deadLetters),
    druid,
    spoolDirectory,
    ...(advertisedHost !== undefined && { advertisedHost }),
    ...(waitUntil !== undefined && { waitUntil }),
  });
}

/** Records without a time belong to no chunk; whoever gets them rejects them. */
function chunkStart<T>({ schema }: ReplaceSinkOptions<T>): (record: T) => number {
  const { timestampField, segmentGranularity } = schema;
  const encode = timestampEncoder(schema.timestampFormat);
  let last = { start: Infinity, end: -Infinity };
  return (record) => {
    const time = encode((record as Readonly<Record<string, unknown>>)[timestampField]);
    if (typeof time !== 'number') return 0;
    if (time < last.start || time >= last.end) last = chunkOf(segmentGranularity, time);
    return last.start;
  };
}

function isClient(druid: DruidClient | DruidClientOptions): druid is DruidClient {
  return 'sql' in druid && 'tasks' in druid;
}
