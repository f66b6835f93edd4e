import { DruidClient, type DruidClientOptions } from '@millrace/druid-client';
import type { CommitterContext, Sink, SinkWriterContext } from '@millrace/core-stream';
import type { DataSchema } from '../commit/ingestion-spec.js';
import { checkDatasource } from '../druid/datasource-check.js';
import { DruidSinkConfigError, DruidSinkInvariantError } from '../errors.js';
import { InvalidRecords } from '../spool/invalid-records.js';
import { SpoolTargets, type SpoolTarget } from '../spool/spool-target.js';
import type { KafkaRowsCommittable } from './kafka-committable.js';
import {
  resolveKafkaOptions,
  type KafkaModeOptions,
  type ResolvedKafkaOptions,
  type ResolvedSupervisorOptions,
} from './kafka-options.js';
import { KafkaRowCommitter } from './kafka-row-committer.js';
import { KafkaRowWriter, type JobProgress } from './kafka-row-writer.js';
import { LagGate } from './lag-gate.js';
import { RejectedLetters } from './rejected-letters.js';
import { RowArrivals } from './row-arrivals.js';
import { Supervisor } from './supervisor.js';
import { supervisorSpec } from './supervisor-spec.js';

/** What the committer of one run of the job tells its writers, which are made after it has recovered. */
interface Run {
  /** Of each target's topic. */
  readonly partitionCounts: readonly number[];
  readonly gate: LagGate;
  readonly progress: JobProgress;
}

/** Mode `kafka`: rows go to topics in transactions that are bound to checkpoints; supervisors of Druid's read them. */
export class KafkaMode<T> implements Sink<T, KafkaRowsCommittable, never> {
  readonly #options: ResolvedKafkaOptions<T>;
  readonly #targets: SpoolTargets<T>;
  #run: Run | undefined;

  constructor(options: KafkaModeOptions<T>) {
    this.#options = resolveKafkaOptions(options);
    this.#targets = new SpoolTargets(this.#options.schema, this.#options);
    requireOwnTopics(this.#targets.all.map((target) => this.#topicOf(target)));
  }

  async createWriter(context: SinkWriterContext): Promise<KafkaRowWriter<T>> {
    const { transport, commitIdColumn, onInvalidRecord } = this.#options;
    const run = this.#run;
    if (run === undefined)
      throw new DruidSinkInvariantError('A writer was made before the committer. Please report this.');
    return new KafkaRowWriter<T>({
      targets: this.#targets,
      partitions: this.#targets.all.map((target) => ({
        topic: this.#topicOf(target),
        partitions: partitionsOf(context, run.partitionCounts[target.index]!),
      })),
      transport: await transport.createWriter(context),
      commitIdColumn,
      maxRecordBytes: transport.maxRecordBytes,
      gate: run.gate,
      now: () => context.clock.now(),
      invalidRecords: new InvalidRecords(onInvalidRecord, context),
      progress: run.progress,
      subtaskIndex: context.subtaskIndex,
    });
  }

  createCommitter(context: CommitterContext): KafkaRowCommitter {
    const options = this.#options;
    const { transport, commitIdColumn } = options;
    const { clock, signal, logger } = context;
    const patience = { clock, signal, logger, unavailableTimeoutMs: options.unavailableTimeoutMs };
    const druid = isClient(options.druid) ? options.druid : new DruidClient(options.druid);
    const { replicas } = options.supervisor;
    const all = this.#targets.all.map(
      ({ dataSchema }) => new Supervisor(druid, dataSchema.dataSource, patience, replicas),
    );
    // Restored rows may be of a datasource that the options do not name any more.
    const supervisorOf = (dataSource: string) =>
      all.find(({ id }) => id === dataSource) ?? new Supervisor(druid, dataSource, patience, replicas);
    const gate = new LagGate(options.maxLagRecords);
    const progress: JobProgress = { endedSubtasks: new Set(), unconfirmed: 0, begunMs: [] };
    const target = this.#targets.deadLetters;
    return new KafkaRowCommitter({
      context,
      options,
      transport: transport.createCommitter(context),
      supervisors: all,
      arrivals: new RowArrivals({
        ...patience,
        druid,
        supervisorOf,
        pollIntervalMs: options.pollIntervalMs,
        queryableTimeoutMs: options.queryableTimeoutMs,
        oldestBegunMs: () => Math.min(...progress.begunMs),
        transactionTimeoutMs: transport.transactionTimeoutMs,
      }),
      letters:
        target !== undefined && commitIdColumn !== null && options.onRejectedRow === 'dead-letter'
          ? new RejectedLetters({ target, transport, commitIdColumn, context })
          : undefined,
      gate,
      progress,
      prepare: async () => {
        const partitionCounts: number[] = [];
        for (const [index, { dataSchema }] of this.#targets.all.entries()) {
          const topic = transport.topicOf(dataSchema.dataSource);
          const partitionCount = await transport.prepareTopic(topic, context);
          requirePartitions(topic, partitionCount, context.parallelism);
          partitionCounts.push(partitionCount);
          const onConflict = options.schemaConflict;
          await checkDatasource(druid, dataSchema, patience, { onConflict, logger });
          await all[index]!.ensure(supervisorSpec(dataSchema, transport, this.#reading(dataSchema)), logger);
        }
        this.#run = { partitionCounts, gate, progress };
      },
      onClose: () => {
        if (druid !== options.druid) druid.close();
      },
    });
  }

  /** There are few dead letters. */
  #reading({ dataSource }: DataSchema): ResolvedSupervisorOptions {
    const { supervisor, deadLetters } = this.#options;
    return dataSource === deadLetters?.dataSource ? { ...supervisor, taskCount: 1 } : supervisor;
  }

  #topicOf({ dataSchema }: SpoolTarget): string {
    return this.#options.transport.topicOf(dataSchema.dataSource);
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

/** @throws DruidSinkConfigError */
function requireOwnTopics(topics: readonly string[]): void {
  const twice = topics.find((topic, index) => topics.indexOf(topic) !== index);
  if (twice === undefined) return;
  throw new DruidSinkConfigError(
    `Two datasources share the topic '${twice}', and a supervisor reads all of a topic. Let the transport's 'topic' be a ` +
      "function that gives each datasource one of its own, 'deadLetters' included.",
    { details: { topic: twice } },
  );
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
