export { DruidSink } from './druid-sink.js';
export type { DruidSinkOptions } from './sink-options.js';
export { druidSchema } from './druid-schema.js';
export type { DimensionColumn, DruidSchema, DruidSchemaInput, MetricColumn } from './druid-schema.js';
export type { ColumnTypes, DimensionType, DimensionTypeOf, MetricSpec } from './column-types.js';
export type { Granularity, TimeRange } from './time-chunks.js';
export type { SpoolCommittable } from './committable.js';
export type { DataSchema } from './ingestion-spec.js';
export type { InvalidRecord } from './spool-writer.js';
export type { RejectedValue } from './row-encoder.js';
export type { CommitDone, CommitTimings } from './commit-event.js';
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
