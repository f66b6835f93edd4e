import type { KafkaSupervisorSpec, SupervisorSpec } from '@millrace/druid-client';
import type { DataSchema } from '../commit/ingestion-spec.js';
import { DruidSinkConfigError } from '../errors.js';
import type { RowTransport } from './row-transport.js';
import type { ResolvedSupervisorOptions } from './kafka-options.js';

/** Saved by each task, so that they can be told from rows that are still to come. */
export const MAX_SAVED_PARSE_EXCEPTIONS = 1_000;

/** The supervisor that reads a datasource's topic. Its id is the datasource. */
export function supervisorSpec(
  dataSchema: DataSchema,
  transport: RowTransport,
  options: ResolvedSupervisorOptions,
): KafkaSupervisorSpec {
  const { taskCount, replicas, taskDuration, ioConfig, tuningConfig, taskContext } = options;
  return {
    type: 'kafka',
    spec: {
      dataSchema: { ...dataSchema, metricsSpec: dataSchema.metricsSpec.map((metric) => ({ ...metric })) },
      ioConfig: {
        period: 'PT5S',
        startDelay: 'PT1S',
        ...ioConfig,
        topic: transport.topicOf(dataSchema.dataSource),
        // A record holds several rows: a bad one must not take the others with it.
        inputFormat: { type: 'json', assumeNewlineDelimited: true },
        consumerProperties: { ...transport.consumerProperties, 'isolation.level': 'read_committed' },
        // For the first start: afterwards Druid goes on where its stored offsets say.
        useEarliestOffset: true,
        taskCount,
        replicas,
        taskDuration,
      },
      tuningConfig: {
        // The shortest that Druid takes: how old the offsets in its status may be.
        offsetFetchPeriod: 'PT5S',
        logParseExceptions: true,
        ...tuningConfig,
        type: 'kafka',
        // The sink counts rows and finds out which were rejected; a task that fails would read the same row for ever.
        maxParseExceptions: 2_147_483_647,
        maxSavedParseExceptions: MAX_SAVED_PARSE_EXCEPTIONS,
        reportParseExceptions: false,
      },
    },
    context: { useConcurrentLocks: true, ...taskContext },
    suspended: false,
  };
}

/**
 * Whether the supervisor that is there reads the same topic: then it may be updated, and goes on with its offsets.
 * @throws DruidSinkConfigError
 */
export function requireSameStream(found: SupervisorSpec, wanted: KafkaSupervisorSpec): void {
  const { dataSource } = wanted.spec.dataSchema;
  const { topic } = wanted.spec.ioConfig;
  const { spec } = found as { readonly spec?: { readonly ioConfig?: { readonly topic?: unknown } } };
  const foundTopic = spec?.ioConfig?.topic;
  if (found.type === 'kafka' && foundTopic === topic) return;
  throw new DruidSinkConfigError(
    `'${dataSource}' has a supervisor already, of type '${found.type}' that reads ` +
      `${typeof foundTopic === 'string' ? `'${foundTopic}'` : 'something else'}, not the topic '${String(topic)}'. ` +
      'Druid keeps offsets by datasource: name its topic in the transport, write to another datasource, or terminate the ' +
      'supervisor and reset its offsets, if nothing in its topic is needed any more.',
    { details: { dataSource, topic, foundTopic: typeof foundTopic === 'string' ? foundTopic : undefined } },
  );
}
