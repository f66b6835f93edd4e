export { DruidSource } from './druid-source.js';
export type {
  DruidRow,
  DruidSourceMode,
  DruidSourceOptions,
  DruidSourceRows,
  DruidSourceSettings,
  Moment,
} from './druid-source.js';
export type { DruidColumns, DruidColumnType, Int64, RowOf } from './druid-columns.js';
export { and, equals, isIn, isNull, like, not, or, range } from './filters.js';
export type { DruidFilter, FilterValue, MatchValueType, RangeBounds } from './filters.js';
export type { DruidSplit, SegmentDescriptor } from './druid-split.js';
export type { DruidEnumeratorState } from './segment-enumerator.js';
export type { OnReplaced } from './poll-segments.js';
export type { SeenSegment } from './segment-replacement.js';
export type { OnInvalidRow, RejectedRow } from './row-decoder.js';
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
