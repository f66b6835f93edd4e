export { DruidClient } from './druid-client.js';
export type {
  AuthRequest,
  DruidAuth,
  DruidClientOptions,
  DruidLogger,
  DruidTlsOptions,
  PoolOptions,
  ServerChange,
  TokenFunction,
} from './options.js';
export type { DruidServerState } from './transport.js';
export type { CircuitPolicy } from './transport/circuit.js';
export type {
  DruidCircuitEvent,
  DruidEndEvent,
  DruidFailureEvent,
  DruidHooks,
  DruidRequestEvent,
  DruidRequestInfo,
  DruidResponseEvent,
  DruidRetryEvent,
} from './transport/hooks.js';
export type { Sleep } from './sleep.js';
export type { RetryPolicy } from './retry.js';
export type { Int64Mode } from './columns.js';
export type {
  DruidSql,
  SqlArrayOptions,
  SqlBytesOptions,
  SqlCallOptions,
  SqlColumnsOptions,
  SqlQueryOptions,
  SqlRow,
  SqlSchemaOptions,
} from './sql.js';
export { sql, SqlFragment } from './sql-template.js';
export type { SqlQueryText, SqlStatement, SqlTemplateValue } from './sql-template.js';
export type { SqlContext } from './sql-context.js';
export type { SqlColumnKind, SqlColumnType, SqlColumnTypes, SqlRowOf, TimestampMode } from './sql-columns.js';
export type { SqlHeaderOptions, SqlResultFormat } from './sql-bytes-format.js';
export type { ExplainedAttributes, ExplainedQuery, ExplainedResource, SqlPlan } from './sql-explain.js';
export type {
  ColumnRow,
  DruidSystemTables,
  SegmentRow,
  ServerRow,
  SystemTableOptions,
  TableRow,
  TaskRow,
} from './sql-system-tables.js';
export type { SqlColumn } from './sql-rows-format.js';
export type { SqlParameter, SqlTypedParameter } from './sql-parameters.js';
export type { QueryContext } from './query-context.js';
export type { TransferredBytes } from './result-stream.js';
export type {
  DruidNative,
  NativeQueryOptions,
  ScanOptions,
  ScanRecordOptions,
} from './native/druid-native.js';
export type {
  NativeCallOptions,
  NativeQuery,
  NativeResponseInfo,
  NativeRowOptions,
  NativeStreamOptions,
  ResponseContext,
} from './native/native-call.js';
export { groupByQuery, timeseriesQuery, topNQuery } from './native/queries.js';
export type {
  Aggregations,
  DataSourceMetadataQuery,
  Dimensions,
  GroupByQuery,
  PostAggregations,
  ScanQuery,
  SearchQuery,
  SegmentAnalysisType,
  SegmentMetadataQuery,
  SubQuery,
  TimeBound,
  TimeBoundaryQuery,
  TimeseriesQuery,
  TopNMetric,
  TopNQuery,
} from './native/queries.js';
export type {
  GroupByContext,
  NativeContext,
  TimeseriesContext,
  TopNContext,
} from './native/native-context.js';
export type {
  GroupByRow,
  GroupByRowOf,
  ResultMembers,
  ResultTime,
  SearchHit,
  SearchRow,
  TimeBoundary,
  TimeseriesRow,
  TimeseriesRowOf,
  TopNRow,
  TopNRowOf,
} from './native/result-rows.js';
export type { ColumnAnalysis, SegmentAnalysis } from './native/answers.js';
export type { ScanBatch } from './native/scan-format.js';
export type { RecordBatch } from './native/scan-records.js';
export type { RecordColumn, RecordOf } from './smile-records.js';
export { eternity, interval } from './native/intervals.js';
export type { Intervals, SegmentDescriptor } from './native/intervals.js';
export { granularity } from './native/granularity.js';
export type { Granularity, SimpleGranularity } from './native/granularity.js';
export { extension } from './native/extension-spec.js';
export type { ExtensionSpec } from './native/extension-spec.js';
export type { ExtractionFn, InlineLookup, SearchQuerySpec } from './native/extraction.js';
export { dimension } from './native/dimensions.js';
export type {
  DefaultDimension,
  Dimension,
  DimensionSpec,
  DimensionType,
  ExtractionDimension,
  ListFilteredDimension,
  LookupDimension,
  PlainDimension,
  PrefixFilteredDimension,
  RegexFilteredDimension,
} from './native/dimensions.js';
export { filter } from './native/filters.js';
export type {
  Filter,
  FilterValue,
  MatchValueType,
  RangeBounds,
  SortingOrder,
  SpatialBound,
} from './native/filters.js';
export { virtualColumn } from './native/virtual-columns.js';
export type { ColumnType, NestedPathPart, VirtualColumn } from './native/virtual-columns.js';
export { dataSource } from './native/data-sources.js';
export type { DataSource, JoinOptions } from './native/data-sources.js';
export { having, limitSpec } from './native/having.js';
export type { HavingSpec, LimitSpec, OrderByColumn } from './native/having.js';
export { aggregation } from './native/aggregation-builders.js';
export type {
  Aggregation,
  FilteredAggregation,
  HllOptions,
  PlainAggregation,
  SketchOptions,
  TimedOptions,
} from './native/aggregations.js';
export { postAggregation } from './native/post-aggregation-builders.js';
export type {
  ArithmeticFn,
  HistogramOptions,
  PostAggregation,
  PostAggregationSpec,
  SetOperation,
} from './native/post-aggregations.js';
export type { WaitOptions } from './poll.js';
export type {
  DruidTasks,
  TaskFilter,
  TaskLock,
  TaskProgress,
  TaskSpec,
  TaskWaitOptions,
} from './management/tasks.js';
export type { SampledRows, SamplerSpec } from './management/sampler.js';
export type { BriefTaskStatus, TaskStatus, TaskStatusCode } from './management/task-status.js';
export type { IngestionReport, IngestionRowStats } from './management/ingestion-report.js';
export type { TailOptions, TaskLogOptions } from './management/task-log.js';
export type { AuditEntry, AuditOptions, CallOptions, HistoryOptions } from './management/calls.js';
export type { DruidSupervisors, StreamOffsets } from './management/supervisors.js';
export type {
  NativeBatchIoConfig,
  NativeBatchTask,
  NativeBatchTuningConfig,
} from './management/native-batch-spec.js';
export type {
  DataSchema,
  KafkaIoConfig,
  KafkaSupervisorSpec,
  KinesisIoConfig,
  KinesisSupervisorSpec,
  SupervisorSpec,
} from './management/supervisor-spec.js';
export type {
  SupervisorHistoryEntry,
  SupervisorParseError,
  SupervisorStatus,
  SupervisorSummary,
  SupervisorTaskStats,
} from './management/supervisor-status.js';
export type {
  DruidDatasources,
  LoadStatus,
  LoadStatusOptions,
  LoadWaitOptions,
  SegmentSelection,
} from './management/datasources.js';
export type {
  DatasourceColumns,
  DatasourceInfo,
  IntervalInfo,
  SegmentCandidate,
  UnusedSegment,
} from './management/datasource-info.js';
export type { PublishedSegmentInfo, SegmentInfo } from './management/segments.js';
export type { LoadQueue, ServerInfo, TierInfo, WorkerCapacity } from './management/server-info.js';
export { defaultRules } from './management/rules.js';
export type { DruidRules, RetentionRule, StoredRule, TieredReplicants } from './management/rules.js';
export type {
  DruidLookups,
  LookupNodeStatus,
  LookupSpec,
  LookupStatus,
  StoredLookup,
} from './management/lookups.js';
export type {
  ClusterCompactionConfig,
  CompactionConfig,
  CompactionConfigs,
  CompactionHistoryEntry,
  CompactionStatus,
  DruidCompaction,
  StoredClusterCompactionConfig,
  StoredCompactionConfig,
} from './management/compaction.js';
export type {
  CoordinatorDynamicConfig,
  DruidDynamicConfig,
  OverlordDynamicConfig,
} from './management/dynamic-config.js';
export type {
  DruidAuthentication,
  DruidAuthorization,
  DruidSecurity,
  SecurityPermission,
  SecurityResource,
  SecurityRole,
  SecurityUser,
} from './management/security.js';
export type { DruidMsq, MsqOutcome, MsqSubmission, MsqSubmitOptions, MsqWaitOptions } from './msq/msq.js';
export type { MsqContext } from './msq/msq-context.js';
export type {
  MsqCounter,
  MsqCounters,
  MsqErrorReport,
  MsqReport,
  MsqReportResults,
  MsqStage,
  MsqTotals,
} from './msq/msq-report.js';
export { insertStatement, replaceStatement } from './msq/ingest-statement.js';
export type { InsertStatement, PartitionedBy, ReplaceStatement } from './msq/ingest-statement.js';
export { extern, selectExtern } from './msq/extern.js';
export type { ExternInput, ExternSignature, ExternTable, ExternTimestamp, ExternType } from './msq/extern.js';
export type {
  DruidStatements,
  StatementColumnsOptions,
  StatementResultOptions,
  StatementSchemaOptions,
  StatementWaitOptions,
} from './msq/statements.js';
export type {
  StatementColumn,
  StatementPage,
  StatementResult,
  StatementStatus,
} from './msq/statement-status.js';
export type { ClusterLeaders, ClusterStatus, DruidClusterApi, WorkerInfo } from './management/cluster.js';
export {
  DruidAbortedError,
  DruidConfigError,
  DruidConnectionError,
  DruidDecodeError,
  DruidError,
  DruidRemoteError,
  DruidThrottledError,
  DruidTimeoutError,
  DruidTruncatedError,
} from './errors.js';
export type {
  AbortedDetails,
  ConfigDetails,
  ConnectionDetails,
  DecodeDetails,
  DruidErrorBody,
  DruidErrorCode,
  OpenCircuit,
  RemoteDetails,
  RequestDetails,
  SqlErrorPosition,
  ThrottledDetails,
  TimeoutDetails,
  TruncatedDetails,
} from './errors.js';
