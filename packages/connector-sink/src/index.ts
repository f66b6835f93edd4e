export { DruidSink } from './druid-sink.js';
export type { DruidSinkOptions } from './sink-options.js';
export { druidSchema } from './schema/druid-schema.js';
export type { DimensionColumn, DruidSchema, DruidSchemaInput, MetricColumn } from './schema/druid-schema.js';
export type { ColumnTypes, DimensionType, DimensionTypeOf, MetricSpec } from './schema/column-types.js';
export type { Granularity, TimeRange } from './schema/time-chunks.js';
export type { SpoolCommittable } from './commit/committable.js';
export type { DataSchema } from './commit/ingestion-spec.js';
export type { InvalidRecord } from './spool/spool-writer.js';
export type { RejectedValue } from './schema/row-encoder.js';
export type { CommitDone, CommitTimings } from './commit/commit-event.js';
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
