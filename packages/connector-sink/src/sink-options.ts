import type { DruidClient, DruidClientOptions } from '@millrace/druid-client';
import type { CommitDone } from './commit/commit-event.js';
import type { RejectedRow } from './commit/rejected-rows.js';
import type { DruidSchema } from './schema/druid-schema.js';
import { oneOf, positive, reject, whole } from './option-checks.js';
import { resolveCommitIdColumn, resolveSchemaConflict, type RowOptions } from './row-options.js';
import { commitSize } from './spool/commit-size.js';
import type { DeadLetterOptions } from './spool/dead-letters.js';
import type { DruidRoutes } from './spool/record-routes.js';
import { spoolEncoding, type SpoolCompression } from './spool/spool-encoding.js';
import type { InvalidRecord } from './spool/invalid-records.js';

/** Options of {@link DruidSink} in mode `append`. */
export interface DruidSinkOptions<T> extends RowOptions {
  /** Every checkpoint's rows are added to the datasource. Default; `replace` has options of its own. */
  readonly mode?: 'append';
  /** A client, or what to make one from; the sink closes only a client that it has made. */
  readonly druid: DruidClient | DruidClientOptions;
  /** Made by `druidSchema`, or, for many datasources, by `druidRoutes`. */
  readonly schema: DruidSchema<T> | DruidRoutes<T>;
  /** A local directory that survives a restart of the process. Sinks and jobs may share it. */
  readonly spoolDirectory: string;
  /** The host name or address that Druid reaches this process under. Default `127.0.0.1`. */
  readonly advertisedHost?: string;
  /** Where files are served to Druid. Default 0: any free port, after a restart preferably the same. */
  readonly port?: number;
  /** Files up to this size travel inside the task instead of being served. Default 64 KiB; at most 10 MB. */
  readonly inlineMaxBytes?: number;
  /** A file whose rows reach this size ends; the next row begins another. Each file is one task. Default 256 MiB. */
  readonly maxSpoolFileBytes?: number;
  /** Rows from which a file is committed at a barrier. Default: every barrier commits what there is. See the README. */
  readonly minCommitRows?: number;
  /** Bytes of rows from which a file is committed at a barrier. */
  readonly minCommitBytes?: number;
  /** Milliseconds after which a smaller file is committed, too. Default, where a `minCommit…` is given: a minute. */
  readonly maxCommitAgeMs?: number;
  /** How files are compressed on disk and on their way to Druid. Default `none`. `zstd` needs Node 22.15 or newer. */
  readonly compression?: SpoolCompression;
  /** Bytes on disk from which writers wait for commits under way. Default 10 GiB. See the README on its limits. */
  readonly maxSpoolBytes?: number;
  /** Bytes per writer that are not on disk yet, from which it waits. Default 16 MiB. */
  readonly maxBufferedBytes?: number;
  /** The column that marks every row with its file, so that a failed task can be checked. Default `__commit_id`. */
  readonly commitIdColumn?: string | false;
  /** Added to the context of every task, such as `{ priority: 60 }`. */
  readonly taskContext?: Readonly<Record<string, unknown>>;
  /** Added to the tuning configuration of every task, such as `{ maxRowsInMemory: 500_000 }`. */
  readonly tuningConfig?: Readonly<Record<string, unknown>>;
  /**
   * What a commit waits for. Default `queryable`: the Broker answers with the rows. `published`: the task's SUCCESS.
   * `submitted`: Druid has the task; the sink sees it through, also after a restart.
   */
  readonly waitUntil?: 'submitted' | 'published' | 'queryable';
  /** What becomes of a record that its columns cannot hold exactly. Default `fail`: the job stops with its reason. */
  readonly onInvalidRecord?: 'fail' | ((rejected: InvalidRecord<T>) => void);
  /**
   * What becomes of a row that Druid cannot read. Default `fail`: the job stops with Druid's reason, and nothing of the file is
   * in Druid. A function is given each row; it may be told of a row again after a crash, with the same `id`.
   */
  readonly onRejectedRow?: 'fail' | ((row: RejectedRow) => void | Promise<void>);
  /** A datasource for records that are no rows, instead of `onInvalidRecord`, and for rows that Druid cannot read. */
  readonly deadLetters?: DeadLetterOptions;
  /** Milliseconds between looks at a task or at rows to come. Default 250. */
  readonly taskPollIntervalMs?: number;
  /** How many tasks this sink has in Druid at once, where Druid has as many slots to spare. Default 4. */
  readonly maxConcurrentTasks?: number;
  /** How many tasks are submitted for one file before the job fails. Default 5. */
  readonly maxAttempts?: number;
  /** How long an outage of Druid is waited out. Default 120,000. */
  readonly unavailableTimeoutMs?: number;
  /** How long published rows may take until they can be queried. Default 300,000. */
  readonly queryableTimeoutMs?: number;
  /** Called once for each file that is in Druid, with the time each stage took. */
  readonly onCommit?: (event: CommitDone) => void;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Jackson takes strings of up to 20,000,000 characters; escaping may double a row's quotes. */
const INLINE_LIMIT = 10_000_000;

/** The options with their defaults. */
export type ResolvedSinkOptions<T> = ReturnType<typeof resolveSinkOptions<T>>;

/** @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`) */
export function resolveSinkOptions<T>(options: DruidSinkOptions<T>) {
  const { schema } = options;
  const commitIdColumn = resolveCommitIdColumn(options);
  if (options.spoolDirectory === '')
    reject('spoolDirectory', "''", 'name a directory that survives a restart');
  const inlineMaxBytes = positive('inlineMaxBytes', options.inlineMaxBytes, 64 * KIB, 0);
  if (inlineMaxBytes > INLINE_LIMIT)
    reject('inlineMaxBytes', inlineMaxBytes, `it must not exceed ${INLINE_LIMIT}`);
  const port = positive('port', options.port, 0, 0);
  if (!Number.isInteger(port) || port > 65_535)
    reject('port', port, 'it must be a port number, or 0 for any');
  const waitUntil = oneOf('waitUntil', options.waitUntil ?? 'queryable', [
    'submitted',
    'published',
    'queryable',
  ]);
  if (typeof options.onRejectedRow === 'function' && commitIdColumn === null)
    reject('onRejectedRow', 'a function', "it needs the 'commitIdColumn': give that a name, or leave it out");
  if (options.deadLetters !== undefined && options.onInvalidRecord !== undefined)
    reject(
      'onInvalidRecord',
      'given beside deadLetters',
      'leave one of them out: each record has one way to go',
    );
  const compression = oneOf('compression', options.compression ?? 'none', ['none', 'gzip', 'zstd']);
  for (const option of ['minCommitRows', 'minCommitBytes', 'maxCommitAgeMs'] as const)
    positive(option, options[option], 0);
  return {
    schema,
    schemaConflict: resolveSchemaConflict(options),
    encoding: spoolEncoding(compression),
    commitSize: commitSize(options),
    deadLetters: options.deadLetters,
    druid: options.druid,
    spoolDirectory: options.spoolDirectory,
    advertisedHost: options.advertisedHost ?? '127.0.0.1',
    port,
    inlineMaxBytes,
    maxSpoolFileBytes: positive('maxSpoolFileBytes', options.maxSpoolFileBytes, 256 * MIB),
    maxSpoolBytes: positive('maxSpoolBytes', options.maxSpoolBytes, 10 * 1024 * MIB),
    maxBufferedBytes: positive('maxBufferedBytes', options.maxBufferedBytes, 16 * MIB),
    commitIdColumn,
    taskContext: options.taskContext ?? {},
    tuningConfig: options.tuningConfig ?? {},
    waitUntil,
    onInvalidRecord: options.onInvalidRecord ?? ('fail' as const),
    onRejectedRow: options.onRejectedRow,
    taskPollIntervalMs: positive('taskPollIntervalMs', options.taskPollIntervalMs, 250),
    maxConcurrentTasks: whole('maxConcurrentTasks', options.maxConcurrentTasks, 4),
    maxAttempts: whole('maxAttempts', options.maxAttempts, 5),
    unavailableTimeoutMs: positive('unavailableTimeoutMs', options.unavailableTimeoutMs, 120_000, 0),
    queryableTimeoutMs: positive('queryableTimeoutMs', options.queryableTimeoutMs, 300_000),
    onCommit: options.onCommit,
  };
}
