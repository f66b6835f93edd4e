export { DruidClient } from './druid-client.js';
export type { DruidAuth, DruidClientOptions, DruidLogger } from './options.js';
export type { Sleep } from './sleep.js';
export type { RetryPolicy } from './retry.js';
export type { Int64Mode } from './columns.js';
export type { DruidSql, SqlArrayOptions, SqlQueryOptions, SqlRow, SqlSchemaOptions } from './sql.js';
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
export type { DruidTasks, TaskSpec, TaskStatus, TaskStatusCode, TaskWaitOptions } from './tasks.js';
export type { DruidSupervisors, SupervisorSpec, SupervisorStatus, SupervisorSummary } from './supervisors.js';
export type {
  DruidDatasources,
  LoadStatus,
  LoadStatusOptions,
  LoadWaitOptions,
  SegmentSelection,
} from './datasources.js';
export type { SegmentInfo } from './segments.js';
export type { ClusterLeaders, ClusterStatus, DruidClusterApi, WorkerInfo } from './cluster.js';
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
  ThrottledDetails,
  TimeoutDetails,
  TruncatedDetails,
} from './errors.js';
