import type { DruidClient, DruidClientOptions } from '@millrace/druid-client';
import { oneOf, positive, reject, whole } from '../option-checks.js';
import { resolveCommitIdColumn, resolveSchemaConflict, type RowOptions } from '../row-options.js';
import type { DruidSchema } from '../schema/druid-schema.js';
import type { DeadLetterOptions } from '../spool/dead-letters.js';
import type { InvalidRecord } from '../spool/invalid-records.js';
import type { DruidRoutes } from '../spool/record-routes.js';
import { schemasOf } from '../spool/spool-target.js';
import type { KafkaCommitDone } from './kafka-committable.js';
import type { RowTransport } from './row-transport.js';

/** How Druid reads the topic. */
export interface KafkaSupervisorOptions {
  /** Reading tasks side by side; no more than partitions. Each holds a slot. Default 1. */
  readonly taskCount?: number;
  /** Copies of each reading task. Default 1. */
  readonly replicas?: number;
  /** How long a task reads before it publishes: ISO 8601, `PT1M` at least. Default `PT1H`. */
  readonly taskDuration?: string;
  /** Added to the specification's `ioConfig`, such as `{ pollTimeout: 50 }`. */
  readonly ioConfig?: Readonly<Record<string, unknown>>;
  /** Added to `tuningConfig`, such as `{ maxRowsPerSegment: 1_000_000 }`. */
  readonly tuningConfig?: Readonly<Record<string, unknown>>;
  /** Added to the context of every task. */
  readonly taskContext?: Readonly<Record<string, unknown>>;
  /**
   * What becomes of the supervisor when the input has ended and all is committed. Default `keep`. `suspend` and `terminate`
   * make its tasks publish; it is made or resumed again by the next job, and goes on where it was.
   */
  readonly atEnd?: 'keep' | 'suspend' | 'terminate';
}

/** A row that Druid could not parse: it is in the topic, and will never be in the datasource. */
export interface RejectedKafkaRow {
  readonly dataSource: string;
  /** As Druid tells it: JSON where it could not be parsed, else Java's text of a map. */
  readonly text: string;
  readonly reason: string;
}

/** Options of `DruidSink` in mode `kafka`. */
export interface KafkaModeOptions<T> extends RowOptions {
  readonly mode: 'kafka';
  /** A client, or what to make one from; the sink closes only a client that it has made. */
  readonly druid: DruidClient | DruidClientOptions;
  /** Made by `druidSchema`, or, for many datasources, by `druidRoutes`: each has a topic and a supervisor of its own. */
  readonly schema: DruidSchema<T> | DruidRoutes<T>;
  /** Made by `kafkaTransport` of `@millrace/connector-sink/kafka`. */
  readonly transport: RowTransport;
  /** Of each supervisor; that of `deadLetters` has one task. */
  readonly supervisor?: KafkaSupervisorOptions;
  /** The column that marks every row with its writer and checkpoint, so that rows can be counted. Default `__commit_id`. */
  readonly commitIdColumn?: string | false;
  /**
   * What a commit waits for. `submitted`: the transaction is committed. `published`: Druid's tasks have read it, as the
   * supervisor says, which is up to 5 s later, and 15 s after its start at first. Default `queryable`: the Broker counts all its rows.
   */
  readonly waitUntil?: 'submitted' | 'published' | 'queryable';
  /** Kafka records that Druid has not read, from which writers wait. A record holds many rows. Default 100,000. */
  readonly maxLagRecords?: number;
  /** What becomes of a record that its columns cannot hold exactly. Default `fail`: the job stops with its reason. */
  readonly onInvalidRecord?: 'fail' | ((rejected: InvalidRecord<T>) => void);
  /**
   * What becomes of a row that Druid has rejected; found with `waitUntil: 'queryable'` only. Default `fail`. A function is
   * called before the commit counts as done: again, where the job fails in between.
   */
  readonly onRejectedRow?: 'fail' | ((rejected: RejectedKafkaRow) => void);
  /** A datasource for records that are no rows, instead of `onInvalidRecord`, and for rows that Druid has rejected. */
  readonly deadLetters?: DeadLetterOptions;
  /** Milliseconds between looks at rows to come. Default 100. */
  readonly pollIntervalMs?: number;
  /** Milliseconds between looks at the supervisor. Default 5,000. */
  readonly supervisorPollIntervalMs?: number;
  /** How long an outage of Druid is waited out, where something waits for it. Default 120,000. */
  readonly unavailableTimeoutMs?: number;
  /** How long committed rows may take until they are read, or can be queried. Default 300,000. */
  readonly queryableTimeoutMs?: number;
  /** Called once for each writer's rows of a checkpoint, when they are where `waitUntil` says. */
  readonly onCommit?: (event: KafkaCommitDone) => void;
}

export type ResolvedSupervisorOptions = Required<KafkaSupervisorOptions>;
export type ResolvedKafkaOptions<T> = ReturnType<typeof resolveKafkaOptions<T>>;

/** @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`) */
export function resolveKafkaOptions<T>(options: KafkaModeOptions<T>) {
  const { schema, transport } = options;
  const waitUntil = oneOf('waitUntil', options.waitUntil ?? 'queryable', [
    'submitted',
    'published',
    'queryable',
  ]);
  const commitIdColumn = resolveCommitIdColumn(options);
  if (waitUntil === 'queryable' && commitIdColumn === null)
    reject(
      'commitIdColumn',
      'false',
      "rows cannot be counted without; wait until 'published', or leave it on",
    );
  const isCountable = schemasOf(schema).every(
    ({ rollup, metrics }) => !rollup || metrics.some(({ spec }) => spec.type === 'count'),
  );
  if (waitUntil === 'queryable' && !isCountable)
    reject(
      'waitUntil',
      `'queryable'`,
      "merged rows cannot be counted without a 'count' metric; add one, or wait until 'published'",
    );
  const otherwise = options.deadLetters === undefined ? ('fail' as const) : ('dead-letter' as const);
  if (options.deadLetters !== undefined && options.onInvalidRecord !== undefined)
    reject(
      'onInvalidRecord',
      'given beside deadLetters',
      'leave one of them out: each record has one way to go',
    );
  const unavailableTimeoutMs = positive('unavailableTimeoutMs', options.unavailableTimeoutMs, 120_000);
  const queryableTimeoutMs = positive('queryableTimeoutMs', options.queryableTimeoutMs, 300_000);
  positive('transport.maxRecordBytes', transport.maxRecordBytes, 0);
  const longestMs = queryableTimeoutMs + unavailableTimeoutMs;
  if (waitUntil !== 'submitted' && longestMs >= transport.transactionTimeoutMs)
    reject(
      'queryableTimeoutMs',
      queryableTimeoutMs,
      `with 'unavailableTimeoutMs' a commit may take ${longestMs} ms, and the transaction behind it is aborted after ` +
        `${transport.transactionTimeoutMs} ms; lower it, or raise the transport's 'transactionTimeoutMs'`,
    );
  return {
    schema,
    schemaConflict: resolveSchemaConflict(options),
    transport,
    druid: options.druid,
    commitIdColumn,
    deadLetters: options.deadLetters,
    waitUntil,
    supervisor: resolveSupervisor(options.supervisor ?? {}, waitUntil),
    maxLagRecords: positive('maxLagRecords', options.maxLagRecords, 100_000),
    onInvalidRecord: options.onInvalidRecord ?? otherwise,
    onRejectedRow: options.onRejectedRow ?? otherwise,
    pollIntervalMs: positive('pollIntervalMs', options.pollIntervalMs, 100),
    supervisorPollIntervalMs: positive('supervisorPollIntervalMs', options.supervisorPollIntervalMs, 5_000),
    unavailableTimeoutMs,
    queryableTimeoutMs,
    onCommit: options.onCommit,
  };
}

function resolveSupervisor(options: KafkaSupervisorOptions, waitUntil: string): ResolvedSupervisorOptions {
  const atEnd = oneOf('supervisor.atEnd', options.atEnd ?? 'keep', ['keep', 'suspend', 'terminate']);
  if (atEnd !== 'keep' && waitUntil === 'submitted')
    reject(
      'supervisor.atEnd',
      `'${atEnd}'`,
      "with waitUntil: 'submitted' Druid may not have read all by then; wait until 'published' or 'queryable'",
    );
  const { ioConfig = {} } = options;
  for (const name of [
    'lateMessageRejectionPeriod',
    'earlyMessageRejectionPeriod',
    'lateMessageRejectionStartDateTime',
  ]) {
    if (ioConfig[name] !== undefined)
      reject(
        `supervisor.ioConfig.${name}`,
        `'${String(ioConfig[name])}'`,
        'Druid would drop rows without a word; filter the stream instead',
      );
  }
  if (options.tuningConfig?.['resetOffsetAutomatically'] === true)
    reject(
      'supervisor.tuningConfig.resetOffsetAutomatically',
      'true',
      'Druid would skip rows without a word where their offsets are gone; leave it out',
    );
  return {
    taskCount: whole('supervisor.taskCount', options.taskCount, 1),
    replicas: whole('supervisor.replicas', options.replicas, 1),
    taskDuration: options.taskDuration ?? 'PT1H',
    ioConfig,
    tuningConfig: options.tuningConfig ?? {},
    taskContext: options.taskContext ?? {},
    atEnd,
  };
}
