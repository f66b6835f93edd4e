export { DruidSink } from './druid-sink.js';
export type { DruidSinkOptions } from './sink-options.js';
export type { ChunkReplaced, LateRow, ReplaceSinkOptions } from './replace/replace-options.js';
export { druidSchema } from './schema/druid-schema.js';
export type { DimensionColumn, DruidSchema, DruidSchemaInput, MetricColumn } from './schema/druid-schema.js';
export type {
  ColumnTypes,
  DimensionType,
  DimensionTypeOf,
  MetricSpec,
  TimestampInput,
  TimestampUnit,
} from './schema/column-types.js';
export type { RowOptions } from './row-options.js';
export type { PreAggregateOptions } from './rollup/pre-aggregation.js';
export type { OnSchemaConflict } from './druid/datasource-check.js';
export type { Granularity, TimeRange } from './schema/time-chunks.js';
export type { SpoolCommittable } from './commit/committable.js';
export type { KafkaCommitDone, KafkaRows, KafkaRowsCommittable } from './kafka/kafka-committable.js';
export type { KafkaModeOptions, KafkaSupervisorOptions, RejectedKafkaRow } from './kafka/kafka-options.js';
export type { EndOffsets, RowBlock, RowTransport, TransportCommittable } from './kafka/row-transport.js';
export type { DataSchema } from './commit/ingestion-spec.js';
export type { InvalidRecord } from './spool/invalid-records.js';
export { druidRoutes } from './spool/record-routes.js';
export type { DruidRoutes } from './spool/record-routes.js';
export type { DeadLetterOptions } from './spool/dead-letters.js';
export type { OpenSpoolFile } from './spool/open-rows.js';
export type { SpoolCompression } from './spool/spool-encoding.js';
export type { RejectedValue } from './schema/row-encoder.js';
export type { CommitDone, CommitTimings } from './commit/commit-event.js';
export type { RejectedRow } from './commit/rejected-rows.js';
export {
  DruidSinkCheckpointError,
  DruidSinkConfigError,
  DruidSinkConnectionError,
  DruidSinkError,
  DruidSinkInvariantError,
  DruidSinkRecordError,
  DruidSinkSpoolError,
  DruidSinkTaskError,
  DruidSinkTimeoutError,
} from './errors.js';
export type { DruidSinkErrorCode, DruidSinkErrorDetails } from './errors.js';
