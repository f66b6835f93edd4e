import { DruidClient, type DruidClientOptions } from '@millrace/druid-client';
import type { CommitterContext, Sink, SinkWriterContext } from '@millrace/core-stream';
import { dataSchemaOf, type DataSchema } from '../commit/ingestion-spec.js';
import { checkDatasource } from '../druid/datasource-check.js';
import { DruidSinkConfigError, DruidSinkInvariantError } from '../errors.js';
import { RowEncoder } from '../schema/row-encoder.js';
import { InvalidRecords } from '../spool/invalid-records.js';
import type { KafkaRowsCommittable } from './kafka-committable.js';
import { resolveKafkaOptions, type KafkaModeOptions, type ResolvedKafkaOptions } from './kafka-options.js';
import { KafkaRowCommitter } from './kafka-row-committer.js';
import { KafkaRowWriter, type JobProgress } from './kafka-row-writer.js';
import { LagGate } from './lag-gate.js';
import { RowArrivals } from './row-arrivals.js';
import { Supervisor } from './supervisor.js';
import { supervisorSpec } from './supervisor-spec.js';

/** What the committer of one run of the job tells its writers, which are made after it has recovered. */
interface Run {
  readonly partitionCount: number;
  readonly gate: LagGate;
  readonly progress: JobProgress;
}

/** Mode `kafka`: rows go to a topic in transactions that are bound to checkpoints; a supervisor of Druid's reads it. */
export class KafkaMode<T> implements Sink<T, KafkaRowsCommittable, never> {
  readonly #options: ResolvedKafkaOptions<T>;
  readonly #encoder: RowEncoder<T>;
  readonly #dataSchema: DataSchema;
  #run: Run | undefined;

  constructor(options: KafkaModeOptions<T>) {
    this.#options = resolveKafkaOptions(options);
    this.#encoder = new RowEncoder(this.#options.schema);
    this.#dataSchema = dataSchemaOf(this.#options.schema, this.#options.commitIdColumn);
  }

  async createWriter(context: SinkWriterContext): Promise<KafkaRowWriter<T>> {
    const { schema, transport, commitIdColumn, countMetric, onInvalidRecord } = this.#options;
    const run = this.#run;
    if (run === undefined)
      throw new DruidSinkInvariantError('A writer was made before the committer. Please report this.');
    return new KafkaRowWriter<T>({
      encoder: this.#encoder,
      transport: await transport.createWriter(context),
      dataSource: schema.dataSource,
      segmentGranularity: schema.segmentGranularity,
      commitIdColumn,
      countMetric,
      maxRecordBytes: transport.maxRecordBytes,
      partitions: partitionsOf(context, run.partitionCount),
      gate: run.gate,
      now: () => context.clock.now(),
      invalidRecords: new InvalidRecords(onInvalidRecord, context),
      progress: run.progress,
      subtaskIndex: context.subtaskIndex,
    });
  }

  createCommitter(context: CommitterContext): KafkaRowCommitter {
    const options = this.#options;
    const { transport, schema } = options;
    const { clock, signal, logger } = context;
    const patience = { clock, signal, logger, unavailableTimeoutMs: options.unavailableTimeoutMs };
    const druid = isClient(options.druid) ? options.druid : new DruidClient(options.druid);
    const supervisor = new Supervisor(druid, schema.dataSource, patience, options.supervisor.replicas);
    const gate = new LagGate(options.maxLagRecords);
    const progress: JobProgress = { endedSubtasks: new Set(), unconfirmed: 0, begunMs: [] };
    return new KafkaRowCommitter({
      context,
      options,
      transport: transport.createCommitter(context),
      supervisor,
      arrivals: new RowArrivals({
        ...patience,
        druid,
        supervisor,
        pollIntervalMs: options.pollIntervalMs,
        queryableTimeoutMs: options.queryableTimeoutMs,
        oldestBegunMs: () => Math.min(...progress.begunMs),
        transactionTimeoutMs: transport.transactionTimeoutMs,
      }),
      gate,
      progress,
      prepare: async () => {
        const partitionCount = await transport.prepareTopic(context);
        requirePartitions(transport.topic, partitionCount, context.parallelism);
        await checkDatasource(druid, this.#dataSchema, patience, {
          onConflict: options.schemaConflict,
          logger,
        });
        await supervisor.ensure(supervisorSpec(this.#dataSchema, transport, options.supervisor), logger);
        this.#run = { partitionCount, gate, progress };
      },
      onClose: () => {
        if (druid !== options.druid) druid.close();
      },
    });
  }
}

/** Each partition is one writer's. */
export function partitionsOf(
  { subtaskIndex, parallelism }: Pick<SinkWriterContext, 'subtaskIndex' | 'parallelism'>,
  partitionCount: number,
): number[] {
  const count = Math.ceil((partitionCount - subtaskIndex) / parallelism);
  return Array.from({ length: count }, (_, n) => subtaskIndex + n * parallelism);
}

function requirePartitions(topic: string, partitionCount: number, parallelism: number): void {
  if (partitionCount >= parallelism) return;
  throw new DruidSinkConfigError(
    `The topic '${topic}' has ${partitionCount} partitions, but ${parallelism} writers need one each: rows behind another ` +
      "writer's open transaction would not become visible. Add partitions, or lower the sink's parallelism.",
    { details: { topic, partitionCount, parallelism } },
  );
}

function isClient(druid: DruidClient | DruidClientOptions): druid is DruidClient {
  return 'sql' in druid && 'tasks' in druid;
}
