export { DruidSource } from './druid-source.js';
export type {
  DruidRow,
  DruidSourceMode,
  DruidSourceOptions,
  DruidSourceRows,
  DruidSourceSettings,
  Moment,
} from './druid-source-options.js';
export type { DruidColumns, DruidColumnType, Int64, RowOf } from './druid-columns.js';
export { and, equals, isIn, isNull, like, not, or, range } from './filters.js';
export type { DruidFilter, FilterValue, MatchValueType, RangeBounds } from './filters.js';
export { virtualColumn } from '@millrace/druid-client';
export type { VirtualColumn } from '@millrace/druid-client';
export type { DruidSplit, SegmentDescriptor } from './druid-split.js';
export type { DruidEnumeratorState } from './segment-enumerator.js';
export type { OpenDataServer } from './data-servers.js';
export type { ReadPath } from './segment-route.js';
export type { OnReplaced } from './poll-segments.js';
export type { SeenSegment } from './segment-replacement.js';
export type { InvalidRow, OnInvalid } from './invalid-rows.js';
export type { OnInvalidRow, RejectedRow } from './row-decoder.js';
export { DruidLookup } from './lookup/druid-lookup.js';
export type { LookupFound, LookupJoin } from './lookup/druid-lookup.js';
export type {
  DruidLookupOptions,
  DruidLookupSettings,
  LookupBatchOptions,
  LookupCacheOptions,
  LookupMatch,
  LookupRow,
  LookupRows,
} from './lookup/lookup-options.js';
export type { LookupKeyColumns, LookupKeyOf, LookupKeyType } from './lookup/lookup-key.js';
export { loadLookup } from './lookup/load-lookup.js';
export type { LoadedLookup, LoadLookupOptions } from './lookup/load-lookup.js';
export { DruidSqlSource } from './sql/druid-sql-source.js';
export type {
  DruidSqlSourceOptions,
  SqlIncremental,
  SqlOfRange,
  SqlStatementOptions,
  SqlTimeRange,
} from './sql/druid-sql-source.js';
export { DruidStatementSource } from './sql/druid-statement-source.js';
export type { DruidStatementSourceOptions } from './sql/druid-statement-source.js';
export type { StatementEnumeratorState, StatementSplit } from './sql/statement-split.js';
export { DruidSqlChangesSource } from './sql/druid-sql-changes-source.js';
export type { DruidSqlChangesSourceOptions } from './sql/druid-sql-changes-source.js';
export type { SqlChange } from './sql/changes-reader.js';
export type { SqlSourceRow, SqlSourceRows, SqlSourceSettings } from './sql/sql-options.js';
export type { OnInvalidSqlRow, RejectedSqlRow } from './sql/sql-rows.js';
export type { HeldRow, SqlEnumeratorState, SqlSplit } from './sql/sql-split.js';
export {
  DruidSourceConfigError,
  DruidSourceError,
  DruidSourceIncompleteError,
  DruidSourceReadError,
  DruidSourceRecordError,
  DruidSourceReplacedError,
  DruidSourceSchemaError,
  DruidSourceSegmentGoneError,
} from './errors.js';
export type { DruidSourceErrorCode, DruidSourceErrorDetails } from './errors.js';
