/** The parts of a supervisor's specification that all streams share. Members that are not listed are sent as they are. */
interface StreamIoConfig {
  /** Such as `{ type: 'json' }`. */
  readonly inputFormat: Readonly<{ type: string; [key: string]: unknown }>;
  /** Readers side by side; Druid's default: 1. */
  readonly taskCount?: number;
  /** Copies of each reader; Druid's default: 1. */
  readonly replicas?: number;
  /** How long a task reads before it publishes, such as `PT1H`. */
  readonly taskDuration?: string;
  readonly startDelay?: string;
  readonly period?: string;
  readonly completionTimeout?: string;
  /** Rows older than the task's start by more than this are dropped. */
  readonly lateMessageRejectionPeriod?: string;
  readonly earlyMessageRejectionPeriod?: string;
  readonly lateMessageRejectionStartDateTime?: string;
  readonly autoScalerConfig?: Readonly<Record<string, unknown>>;
  readonly idleConfig?: Readonly<Record<string, unknown>>;
  readonly stopTaskCount?: number;
  readonly [key: string]: unknown;
}

/** `ioConfig` of a Kafka supervisor: `topic`, or `topicPattern` (since Druid 28). */
export interface KafkaIoConfig extends StreamIoConfig {
  readonly topic?: string;
  readonly topicPattern?: string;
  /** At least `bootstrap.servers`. */
  readonly consumerProperties: Readonly<{ 'bootstrap.servers': string; [key: string]: unknown }>;
  /** Where to begin without stored offsets; Druid's default: the latest. */
  readonly useEarliestOffset?: boolean;
  /** Milliseconds that a task waits for records. */
  readonly pollTimeout?: number;
}

/** `ioConfig` of a Kinesis supervisor. */
export interface KinesisIoConfig extends StreamIoConfig {
  readonly stream: string;
  readonly endpoint?: string;
  readonly useEarliestSequenceNumber?: boolean;
  /** Milliseconds between two reads of a shard. */
  readonly fetchDelayMillis?: number;
  readonly awsAssumedRoleArn?: string;
  readonly awsExternalId?: string;
}

/** `dataSchema`: what becomes of a record. */
export interface DataSchema {
  readonly dataSource: string;
  readonly timestampSpec: Readonly<{ column?: string; format?: string; [key: string]: unknown }>;
  readonly dimensionsSpec: Readonly<Record<string, unknown>>;
  readonly metricsSpec?: readonly Readonly<Record<string, unknown>>[];
  readonly granularitySpec?: Readonly<Record<string, unknown>>;
  readonly transformSpec?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

interface StreamSpec<Io> {
  readonly dataSchema: DataSchema;
  readonly ioConfig: Io;
  readonly tuningConfig?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

interface StreamSupervisor<Io> {
  /** Default: the datasource. */
  readonly id?: string;
  readonly spec: StreamSpec<Io>;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly suspended?: boolean;
  readonly [key: string]: unknown;
}

/** A supervisor that reads Kafka ("Apache Kafka ingestion" in Druid's documentation). */
export interface KafkaSupervisorSpec extends StreamSupervisor<KafkaIoConfig> {
  readonly type: 'kafka';
}

/** A supervisor that reads Kinesis ("Amazon Kinesis ingestion" in Druid's documentation). From the documentation, not run. */
export interface KinesisSupervisorSpec extends StreamSupervisor<KinesisIoConfig> {
  readonly type: 'kinesis';
}

/** A supervisor as Druid's Overlord takes it; its id is the datasource unless `id` is set. */
export interface SupervisorSpec {
  readonly type: string;
  readonly [key: string]: unknown;
}
