import { join } from 'node:path';
import { DruidClient, type DruidClientOptions } from '@millrace/druid-client';
import type {
  Committer,
  CommitterContext,
  Sink,
  SinkContext,
  SinkWriterContext,
} from '@millrace/core-stream';
import { CommitMetrics, type PendingCommits } from './commit/commit-metrics.js';
import type { CommitRunEnvironment } from './commit/commit-environment.js';
import type { SpoolCommittable } from './commit/committable.js';
import { checkDatasource } from './druid/datasource-check.js';
import { DruidCommitter } from './commit/druid-committer.js';
import { OpenCommits } from './commit/open-commits.js';
import { PublishedRows } from './commit/published-rows.js';
import { RejectedRowFile } from './commit/rejected-row-file.js';
import { TaskSlots } from './commit/task-slots.js';
import { resolveSinkOptions, type DruidSinkOptions, type ResolvedSinkOptions } from './sink-options.js';
import type { OpenSpoolFile } from './spool/open-rows.js';
import { SpoolDirectory } from './spool/spool-directory.js';
import { SpoolLedger } from './spool/spool-ledger.js';
import { SpoolServer } from './spool/spool-server.js';
import { SpoolTargets } from './spool/spool-target.js';
import { SpoolWriter } from './spool/spool-writer.js';

/** Characters per chunk that goes to disk. */
const CHUNK_SIZE = 256 * 1024;

/** How often one attempt is posted when Druid neither takes it nor knows it. */
const MAX_POSTS = 10;

/** Mode `append`: each spool file of a durable checkpoint becomes one append task. */
export class AppendMode<T> implements Sink<T, SpoolCommittable, OpenSpoolFile> {
  readonly #options: ResolvedSinkOptions<T>;
  readonly #targets: SpoolTargets<T>;
  readonly #ledger: SpoolLedger;
  readonly #openCommits = new OpenCommits();

  constructor(options: DruidSinkOptions<T>) {
    this.#options = resolveSinkOptions(options);
    this.#targets = new SpoolTargets(this.#options.schema, this.#options);
    this.#ledger = new SpoolLedger(this.#options.maxSpoolBytes);
  }

  async createWriter(
    context: SinkWriterContext,
    restored: readonly OpenSpoolFile[],
  ): Promise<SpoolWriter<T>> {
    const options = this.#options;
    const directory = this.#directory(context);
    await directory.prepare();
    const writer = new SpoolWriter<T>({
      targets: this.#targets,
      commitIdColumn: options.commitIdColumn,
      directory,
      encoding: options.encoding,
      ledger: this.#ledger,
      context,
      chunkSize: CHUNK_SIZE,
      maxFileBytes: options.maxSpoolFileBytes,
      maxBufferedBytes: options.maxBufferedBytes,
      commitSize: options.commitSize,
      endCommits: (checkpointId) => this.#openCommits.endAll(checkpointId),
      onInvalidRecord: options.deadLetters === undefined ? options.onInvalidRecord : 'dead-letter',
    });
    await writer.restore(restored);
    return writer;
  }

  /**
   * Checks Druid and the datasource before a record is read, and begins to listen for Druid.
   * @throws DruidSinkConfigError, DruidSinkConnectionError, DruidSinkSpoolError
   */
  async createCommitter(context: CommitterContext): Promise<Committer<SpoolCommittable, OpenSpoolFile>> {
    const options = this.#options;
    const { clock, logger, signal } = context;
    let pending = (): PendingCommits => ({ files: 0, bytes: 0, tasks: 0 });
    const metrics = new CommitMetrics(context.metrics, () => pending());
    const patience = {
      clock,
      signal,
      logger,
      unavailableTimeoutMs: options.unavailableTimeoutMs,
      onOutage: () => metrics.outages.inc(),
    };
    const directory = this.#directory(context);
    await directory.prepare();
    const druid = isClient(options.druid) ? options.druid : new DruidClient(options.druid);
    const release = () => {
      if (druid !== options.druid) druid.close();
    };
    try {
      const check = { onConflict: options.schemaConflict, logger };
      for (const { dataSchema } of this.#targets.all)
        await checkDatasource(druid, dataSchema, patience, check);
      const server = await SpoolServer.start({
        advertisedHost: options.advertisedHost,
        port: options.port,
        identityFile: join(directory.path, 'server.json'),
      });
      const environment: CommitRunEnvironment = {
        ...patience,
        druid,
        metrics,
        directory,
        server,
        publishedRows: new PublishedRows({
          ...patience,
          druid,
          pollIntervalMs: options.taskPollIntervalMs,
          queryableTimeoutMs: options.queryableTimeoutMs,
        }),
        slots: new TaskSlots({
          ...patience,
          druid,
          maxConcurrentTasks: options.maxConcurrentTasks,
          pollIntervalMs: options.taskPollIntervalMs,
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
      const committer = new DruidCommitter({
        context,
        environment,
        ledger: this.#ledger,
        open: this.#openCommits,
        untilSubmitted: options.waitUntil === 'submitted',
        maxConcurrentTasks: options.maxConcurrentTasks,
        rejectedRows: this.#rejectedRows(context, directory),
        onCommit: options.onCommit,
        onClose: release,
      });
      pending = () => committer.pending;
      return committer;
    } catch (error) {
      release();
      throw error;
    }
  }

  #rejectedRows({ describer }: CommitterContext, directory: SpoolDirectory) {
    const { onRejectedRow, commitIdColumn } = this.#options;
    const target = this.#targets.deadLetters;
    if (onRejectedRow !== undefined) return onRejectedRow === 'fail' ? undefined : onRejectedRow;
    if (target === undefined) return undefined;
    return new RejectedRowFile({ target, commitIdColumn, directory, describer });
  }

  #directory({ operatorUid, jobId }: SinkContext): SpoolDirectory {
    return new SpoolDirectory(this.#options.spoolDirectory, { operatorUid, jobId });
  }
}

function isClient(druid: DruidClient | DruidClientOptions): druid is DruidClient {
  return 'sql' in druid && 'tasks' in druid;
}
