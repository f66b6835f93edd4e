import { join } from 'node:path';
import { DruidClient, type DruidClientOptions } from '@millrace/druid-client';
import type {
  Committer,
  CommitterContext,
  Sink,
  SinkContext,
  SinkWriterContext,
} from '@millrace/core-stream';
import type { CommitRunEnvironment } from './commit/commit-run.js';
import type { SpoolCommittable } from './commit/committable.js';
import { checkDatasource } from './druid/datasource-check.js';
import { DruidCommitter } from './commit/druid-committer.js';
import { dataSchemaOf, type DataSchema } from './commit/ingestion-spec.js';
import { PublishedRows } from './commit/published-rows.js';
import { RowEncoder } from './schema/row-encoder.js';
import { resolveSinkOptions, type DruidSinkOptions, type ResolvedSinkOptions } from './sink-options.js';
import { SpoolDirectory } from './spool/spool-directory.js';
import { SpoolLedger } from './spool/spool-ledger.js';
import { SpoolServer } from './spool/spool-server.js';
import { SpoolWriter } from './spool/spool-writer.js';

/** Characters per chunk that goes to disk. */
const CHUNK_SIZE = 256 * 1024;

/** How often one attempt is posted when Druid neither takes it nor knows it. */
const MAX_POSTS = 10;

/**
 * Writes records into a Druid datasource exactly once, without Kafka.
 *
 * Rows go to local files; once a checkpoint is durable, each of its files becomes one append task, which reads the file
 * from this process over HTTP. See the README for the guarantee and its limits.
 *
 * @example
 * const sink = new DruidSink({ druid: { url: 'http://localhost:8888' }, schema: flights, spoolDirectory: '/var/lib/job/spool' });
 * @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`)
 */
export class DruidSink<T> implements Sink<T, SpoolCommittable, never> {
  readonly #options: ResolvedSinkOptions<T>;
  readonly #encoder: RowEncoder<T>;
  readonly #dataSchema: DataSchema;
  readonly #ledger: SpoolLedger;

  constructor(options: DruidSinkOptions<T>) {
    this.#options = resolveSinkOptions(options);
    this.#encoder = new RowEncoder(this.#options.schema);
    this.#dataSchema = dataSchemaOf(this.#options.schema, this.#options.commitIdColumn);
    this.#ledger = new SpoolLedger(this.#options.maxSpoolBytes);
  }

  async createWriter(context: SinkWriterContext): Promise<SpoolWriter<T>> {
    const options = this.#options;
    const directory = this.#directory(context);
    await directory.prepare();
    return new SpoolWriter<T>({
      encoder: this.#encoder,
      dataSchema: this.#dataSchema,
      segmentGranularity: options.schema.segmentGranularity,
      commitIdColumn: options.commitIdColumn,
      directory,
      ledger: this.#ledger,
      subtaskIndex: context.subtaskIndex,
      chunkSize: CHUNK_SIZE,
      maxFileBytes: options.maxSpoolFileBytes,
      maxBufferedBytes: options.maxBufferedBytes,
      onInvalidRecord: options.onInvalidRecord,
    });
  }

  /**
   * Checks Druid and the datasource before a record is read, and begins to listen for Druid.
   * @throws DruidSinkConfigError, DruidSinkConnectionError, DruidSinkSpoolError
   */
  async createCommitter(context: CommitterContext): Promise<Committer<SpoolCommittable>> {
    const options = this.#options;
    const patience = {
      clock: context.clock,
      signal: context.signal,
      unavailableTimeoutMs: options.unavailableTimeoutMs,
    };
    const directory = this.#directory(context);
    await directory.prepare();
    const druid = isClient(options.druid) ? options.druid : new DruidClient(options.druid);
    const release = () => {
      if (druid !== options.druid) druid.close();
    };
    try {
      await checkDatasource(druid, this.#dataSchema, patience);
      const server = await SpoolServer.start({
        advertisedHost: options.advertisedHost,
        port: options.port,
        identityFile: join(directory.path, 'server.json'),
      });
      const environment: CommitRunEnvironment = {
        ...patience,
        druid,
        logger: context.logger,
        directory,
        server,
        publishedRows: new PublishedRows({
          ...patience,
          druid,
          pollIntervalMs: options.taskPollIntervalMs,
          queryableTimeoutMs: options.queryableTimeoutMs,
        }),
        rules: {
          untilQueryable: options.waitUntil === 'queryable',
          maxAttempts: options.maxAttempts,
          maxPosts: MAX_POSTS,
        },
        taskPollIntervalMs: options.taskPollIntervalMs,
        inlineMaxBytes: options.inlineMaxBytes,
        taskContext: options.taskContext,
        tuningConfig: options.tuningConfig,
      };
      return new DruidCommitter({
        context,
        environment,
        ledger: this.#ledger,
        maxConcurrentTasks: options.maxConcurrentTasks,
        onCommit: options.onCommit,
        onClose: release,
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  #directory({ operatorUid, jobId }: SinkContext): SpoolDirectory {
    return new SpoolDirectory(this.#options.spoolDirectory, { operatorUid, jobId });
  }
}

function isClient(druid: DruidClient | DruidClientOptions): druid is DruidClient {
  return 'sql' in druid && 'tasks' in druid;
}
