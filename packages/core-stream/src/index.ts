export { StreamExecutionEnvironment } from './api/stream-execution-environment.js';
export type {
  EnvironmentOptions,
  ExecuteOptions,
  RestartOptions,
} from './api/stream-execution-environment.js';
export { DataStream, SingleOutputStreamOperator } from './api/data-stream.js';
export { DataStreamSink } from './api/data-stream-sink.js';
export { KeyedStream } from './api/keyed-stream.js';
export { WindowedStream } from './api/windowed-stream.js';
export { AllWindowedStream } from './api/all-windowed-stream.js';
export {
  BroadcastConnectedStream,
  BroadcastStream,
  KeyedBroadcastConnectedStream,
} from './api/broadcast-stream.js';
export { ConnectedStreams, KeyedConnectedStreams } from './api/connected-streams.js';
export { CoGroupedStreams, WindowedCoGroup } from './api/co-grouped-streams.js';
export type { CoGroupEqualTo, CoGroupWhere } from './api/co-grouped-streams.js';
export { JoinedStreams, WindowedJoin } from './api/joined-streams.js';
export type { JoinEqualTo, JoinWhere } from './api/joined-streams.js';
export { IntervalJoin, IntervalJoined } from './api/interval-join.js';
export { TemporalJoin } from './api/temporal-join.js';
export type { TemporalJoinType } from './api/temporal-join.js';
export { AsyncDataStream } from './api/async-data-stream.js';
export type { JobClient, StopOptions } from './api/job-client.js';
export { stopOnSignals } from './api/stop-on-signals.js';
export type { StopOnSignalsOptions } from './api/stop-on-signals.js';
export type { SavepointTarget } from './checkpoint/savepoint.js';

export type {
  AsyncContext,
  AsyncFunction,
  AsyncFunctionFactory,
  AsyncRuntimeContext,
  AsyncWaitOptions,
} from './functions/async-function.js';
export { AsyncRetryStrategies } from './functions/async-retry.js';
export type {
  AsyncRetryPredicates,
  AsyncRetryStrategy,
  ExponentialBackoffRetryOptions,
  FixedDelayRetryOptions,
} from './functions/async-retry.js';
export { OutputTag } from './functions/functions.js';
export type { NumericField, OrderedField } from './functions/rolling-functions.js';
export type {
  AggregateFunction,
  Collector,
  FilterFunction,
  FlatMapFunction,
  KeyedProcessContext,
  KeyedProcessFunction,
  KeyedProcessFunctionFactory,
  KeyedRuntimeContext,
  KeySelector,
  MapFunction,
  OnTimerContext,
  Partitioner,
  ProcessContext,
  ProcessFunction,
  ProcessFunctionFactory,
  ReduceFunction,
  RuntimeContext,
  TimeContext,
  TimeDomain,
  TimerService,
  TypeGuard,
} from './functions/functions.js';

export type {
  BroadcastContext,
  BroadcastProcessFunction,
  BroadcastProcessFunctionFactory,
  KeyedBroadcastContext,
  KeyedBroadcastProcessFunction,
  KeyedBroadcastProcessFunctionFactory,
  KeyedReadOnlyBroadcastContext,
  OnTimerBroadcastContext,
  ReadOnlyBroadcastContext,
} from './functions/broadcast-functions.js';
export type {
  CoFlatMapFunction,
  CoMapFunction,
  CoProcessFunction,
  CoProcessFunctionFactory,
  KeyedCoProcessFunction,
  KeyedCoProcessFunctionFactory,
} from './functions/co-functions.js';
export type {
  CoGroupFunction,
  FlatJoinFunction,
  JoinContext,
  JoinedLeft,
  JoinedRight,
  JoinFunction,
  JoinType,
  ProcessJoinFunction,
  SidedRecord,
} from './functions/join-functions.js';

export {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from './state/state.js';
export type {
  AggregatingState,
  KeyedStateStore,
  ListState,
  MapState,
  MapStateKey,
  ReducingState,
  SchemaOptions,
  StateDescriptor,
  StateKind,
  StateOptions,
  ValueState,
} from './state/state.js';
export type { OperatorStateStore } from './state/operator-state.js';
export type { KeyByOptions } from './api/data-stream.js';
export type { SidesOptions } from './api/sided-windows.js';
export type { AggregateOptions } from './api/window-arguments.js';
export { heapStateBackend, type StateBackend } from './state/state-backend.js';
export { StateSchema } from './state/state-schema.js';
export type { StateTtlConfig } from './state/state-ttl.js';
export type {
  BroadcastState,
  BroadcastStateDescriptor,
  ReadOnlyBroadcastState,
} from './state/broadcast-state.js';
export { DEFAULT_MAX_PARALLELISM, keyGroupOf } from './state/key-groups.js';
export type { KeyValue } from './state/canonical-encoding.js';

export type {
  ProcessAllWindowFunction,
  ProcessWindowFunction,
  RichProcessAllWindowFunction,
  RichProcessWindowFunction,
  WindowContext,
} from './functions/window-functions.js';
export {
  SlidingEventTimeWindows,
  SlidingProcessingTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
} from './windows/aligned-windows.js';
export { EventTimeSessionWindows, ProcessingTimeSessionWindows } from './windows/session-windows.js';
export type { SessionGap } from './windows/session-windows.js';
export { GlobalWindows } from './windows/global-windows.js';
export { GlobalWindow, TimeWindow } from './windows/window.js';
export type { Window, WindowType } from './windows/window.js';
export type { MergedWindows, WindowAssigner, WindowAssignerContext } from './windows/window-assigner.js';
export { TriggerResult } from './windows/trigger.js';
export type { MergeableStateDescriptor, OnMergeContext, Trigger, TriggerContext } from './windows/trigger.js';
export { ContinuousEventTimeTrigger } from './windows/continuous-event-time-trigger.js';
export { ContinuousProcessingTimeTrigger } from './windows/continuous-processing-time-trigger.js';
export { CountTrigger } from './windows/count-trigger.js';
export { DeltaTrigger } from './windows/delta-trigger.js';
export type { DeltaFunction } from './windows/delta-trigger.js';
export { EventTimeTrigger } from './windows/event-time-trigger.js';
export { NeverTrigger } from './windows/never-trigger.js';
export { ProcessingTimeTrigger } from './windows/processing-time-trigger.js';
export { PurgingTrigger } from './windows/purging-trigger.js';
export { CountEvictor } from './windows/count-evictor.js';
export { DeltaEvictor } from './windows/delta-evictor.js';
export { TimeEvictor } from './windows/time-evictor.js';
export type { Evictor, TimestampedValue } from './windows/evictor.js';

export { MAX_WATERMARK, MIN_TIMESTAMP, WatermarkStrategy } from './time/watermark-strategy.js';
export type {
  TimestampAssigner,
  WatermarkAlignment,
  WatermarkEmission,
  WatermarkGenerator,
  WatermarkOutput,
} from './time/watermark-strategy.js';
export { sleep, systemClock } from './time/clock.js';
export type { Cancel, Clock } from './time/clock.js';

export type {
  Boundedness,
  PollStatus,
  ReaderOutput,
  Source,
  SourceReader,
  SourceReaderContext,
  SourceSplit,
  SplitEnumerator,
  SplitEnumeratorContext,
} from './connectors/source.js';
export type {
  CommitRequest,
  Committer,
  CommitterContext,
  GlobalCommitter,
  Sink,
  SinkContext,
  SinkRetry,
  SinkWriteContext,
  SinkWriter,
  SinkWriterContext,
} from './connectors/sink.js';
export type { Describer } from './runtime/describe-value.js';
export type { FunctionContext, SinkFunction, SourceCollector, SourceFunction } from './connectors/classic.js';
export { DataGeneratorSource } from './connectors/data-generator-source.js';
export type { DataGeneratorOptions, DataGeneratorSplit } from './connectors/data-generator-source.js';
export type { IndexSplit } from './connectors/index-reader.js';
export { NumberSequenceSource } from './connectors/number-sequence-source.js';
export { FileSource } from './connectors/file-source.js';
export type { CsvOptions, FileSourceOptions, LineOptions, NdjsonOptions } from './connectors/file-source.js';
export type { CsvRecord } from './connectors/csv-format.js';
export type { FileEnumeratorState } from './connectors/file-enumerator.js';
export type { IncludeFile } from './connectors/file-listing.js';
export type { InvalidRecord, OnInvalid } from './connectors/file-reader.js';
export type { FileSplit, ListedFile } from './connectors/file-split.js';
export { FileSink } from './connectors/file-sink.js';
export type {
  CommittedFile,
  CommittedFiles,
  CsvSinkOptions,
  FileSinkOptions,
  LineSinkOptions,
  NdjsonSinkOptions,
} from './connectors/file-sink.js';
export type { FileCommittable, OpenFileState } from './connectors/file-sink-writer.js';
export type { BucketAssigner, BucketContext } from './connectors/bucket-assigner.js';
export type { CsvRow, CsvValue } from './connectors/csv-encoder.js';
export { dateTimeBuckets } from './connectors/date-time-buckets.js';
export type { DateTimeBucketsOptions } from './connectors/date-time-buckets.js';
export type { RecordEncoder } from './connectors/record-encoder.js';
export type { RollingOptions } from './connectors/rolling-policy.js';
export type { SinkFile, SinkFileSystem } from './connectors/sink-file-system.js';
export { UpsertSink } from './connectors/upsert-sink.js';
export type {
  SqlRow,
  SqlValue,
  UpsertBatching,
  UpsertConnection,
  UpsertSinkOptions,
} from './connectors/upsert-sink.js';
export { sqlUpsert } from './connectors/sql-upsert.js';
export type { SqlDialect, SqlUpsertOptions, UpsertStatement } from './connectors/sql-upsert.js';
export type {
  AsyncIterableInput,
  AsyncIterableOptions,
  FeedOptions,
  ReadableInput,
} from './connectors/feed-options.js';
export type { PrintTarget } from './connectors/print-sink.js';

export { RestartStrategies } from './runtime/restart-strategy.js';
export type {
  ExponentialDelayRestartOptions,
  FailureRateRestartOptions,
  FixedDelayRestartOptions,
  RestartStrategy,
} from './runtime/restart-strategy.js';
export type { CheckpointConfig } from './runtime/job-options.js';
export type {
  AttemptSnapshot,
  CheckpointStatistics,
  JobExecutionResult,
  JobSnapshot,
  JobStatus,
  OperatorResult,
} from './runtime/job-result.js';
export type { FailureReport } from './runtime/failure-report.js';
export type { Counter } from './metrics/counter.js';
export type {
  CheckpointCompletedEvent,
  CheckpointFailedEvent,
  CommitEvent,
  DiagnosticsChannel,
  DiagnosticsEvent,
  DiagnosticsEvents,
  JobRestartEvent,
  JobStatusEvent,
  OperatorFailureEvent,
} from './metrics/diagnostics.js';
export type { Histogram } from './metrics/histogram.js';
export type { Meter, MetricGroup, MetricOptions } from './metrics/metric-group.js';
export type {
  Metric,
  MetricFamily,
  MetricIdentity,
  MetricRegistry,
  MetricType,
  MetricVariables,
} from './metrics/metric-registry.js';
export { fieldsFirst, silentLogger } from './runtime/logger.js';
export type { FieldsFirstLogger, LogFields, Logger } from './runtime/logger.js';
export type { PlanDescription } from './plan/execution-plan.js';
export type { RuntimeMode } from './plan/planner.js';

export { FileCheckpointStorage } from './checkpoint/file-checkpoint-storage.js';
export type { FileCheckpointStorageOptions } from './checkpoint/file-checkpoint-storage.js';
export { BlobCheckpointStorage } from './checkpoint/blob-checkpoint-storage.js';
export type { BlobCheckpointStorageOptions } from './checkpoint/storage-options.js';
export type { BlobInfo, BlobStore, DeleteOptions, PutOptions } from './checkpoint/blob-store.js';
export type { ByteRange, CheckpointStorage, Chunks } from './checkpoint/checkpoint-storage.js';
export type { DirectoryEntry, FileSystem, WritableFile } from './checkpoint/file-system.js';
export type { LeaseEnvironment, ProcessIdentity } from './checkpoint/lease-environment.js';
export type {
  CheckpointData,
  JobLineage,
  OperatorCheckpoint,
  SegmentRef,
  StateSchemaInfo,
  StoredStateKind,
} from './checkpoint/checkpoint-data.js';
export { SavepointReader } from './checkpoint/savepoint-reader.js';
export type {
  OperatorInfo,
  OperatorSize,
  ReadOptions,
  ReadStateOptions,
  StateEntry,
  StateRow,
  StateSize,
  StoredTimer,
} from './checkpoint/savepoint-reader.js';
export type { StoredSource } from './checkpoint/stored-operator.js';
export type { TableSize } from './checkpoint/row-scan.js';

export {
  CheckpointError,
  InvariantError,
  JobCancelledError,
  OperatorError,
  StreamConfigError,
  StreamError,
  StreamRecordError,
} from './errors.js';
export type { StreamErrorCode, StreamErrorDetails, StreamErrorOptions } from './errors.js';
