export { DruidClient } from './druid-client.js';
export type { DruidAuth, DruidClientOptions, DruidLogger } from './options.js';
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
export type {
  DruidNative,
  NativeQuery,
  NativeQueryOptions,
  NativeResponseInfo,
  ResponseContext,
  ScanOptions,
  ScanQuery,
  SegmentDescriptor,
} from './native.js';
export type { ScanBatch } from './scan-format.js';
export type { WaitOptions } from './poll.js';
export type {
  DruidTasks,
  TaskFilter,
  TaskLock,
  TaskProgress,
  TaskSpec,
  TaskWaitOptions,
} from './management/tasks.js';
export type { BriefTaskStatus, TaskStatus, TaskStatusCode } from './management/task-status.js';
export type { IngestionReport, IngestionRowStats } from './management/ingestion-report.js';
export type { TailOptions, TaskLogOptions } from './management/task-log.js';
export type { AuditEntry, AuditOptions, CallOptions, HistoryOptions } from './management/calls.js';
export type { DruidSupervisors, StreamOffsets } from './management/supervisors.js';
export type {
  KafkaIoConfig,
  KafkaSupervisorSpec,
  KinesisIoConfig,
  KinesisSupervisorSpec,
  StreamDataSchema,
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
  DatasourceInfo,
  IntervalInfo,
  SegmentCandidate,
  UnusedSegment,
} from './management/datasource-info.js';
export type { SegmentInfo } from './management/segments.js';
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
  CompactionConfig,
  CompactionConfigs,
  CompactionHistoryEntry,
  CompactionStatus,
  DruidCompaction,
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
  RemoteDetails,
  RequestDetails,
  SqlErrorPosition,
  ThrottledDetails,
  TimeoutDetails,
  TruncatedDetails,
} from './errors.js';
