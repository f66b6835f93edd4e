export { StreamExecutionEnvironment } from './api/stream-execution-environment.js';
export type { EnvironmentOptions, ExecuteOptions } from './api/stream-execution-environment.js';
export { DataStream, SingleOutputStreamOperator } from './api/data-stream.js';
export { DataStreamSink } from './api/data-stream-sink.js';
export { KeyedStream } from './api/keyed-stream.js';
export { WindowedStream } from './api/windowed-stream.js';
export {
  BroadcastConnectedStream,
  BroadcastStream,
  KeyedBroadcastConnectedStream,
} from './api/broadcast-stream.js';
export { ConnectedStreams, KeyedConnectedStreams } from './api/connected-streams.js';
export { AsyncDataStream } from './api/async-data-stream.js';
export type { JobClient } from './api/job-client.js';

export type {
  AsyncContext,
  AsyncFunction,
  AsyncFunctionFactory,
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
  ProcessWindowFunction,
  ReduceFunction,
  RuntimeContext,
  TimeContext,
  TimeDomain,
  TimerService,
  TypeGuard,
  WindowContext,
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

export { ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor } from './state/state.js';
export type { KeyedStateStore, ListState, MapState, ValueState } from './state/state.js';
export type {
  BroadcastState,
  BroadcastStateDescriptor,
  ReadOnlyBroadcastState,
} from './state/broadcast-state.js';
export { DEFAULT_MAX_PARALLELISM, keyGroupOf } from './state/key-groups.js';
export type { KeyValue } from './state/canonical-encoding.js';

export { SlidingEventTimeWindows, TumblingEventTimeWindows } from './windows/windows.js';
export type { TimeWindow, WindowAssigner } from './windows/windows.js';

export { MAX_WATERMARK, MIN_TIMESTAMP, WatermarkStrategy } from './time/watermark-strategy.js';
export type {
  TimestampAssigner,
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
  Sink,
  SinkContext,
  SinkWriteContext,
  SinkWriter,
  SinkWriterContext,
} from './connectors/sink.js';
export type { FunctionContext, SinkFunction, SourceCollector, SourceFunction } from './connectors/classic.js';
export { DataGeneratorSource } from './connectors/data-generator-source.js';
export type { DataGeneratorSplit } from './connectors/data-generator-source.js';
export type { PrintTarget } from './connectors/print-sink.js';

export type { CheckpointConfig } from './runtime/job-options.js';
export type {
  CheckpointStatistics,
  JobExecutionResult,
  JobSnapshot,
  OperatorResult,
} from './runtime/job-result.js';
export { silentLogger } from './runtime/logger.js';
export type { LogFields, Logger } from './runtime/logger.js';
export type { PlanDescription } from './plan/execution-plan.js';
export type { RuntimeMode } from './plan/planner.js';

export { FileCheckpointStorage } from './checkpoint/file-checkpoint-storage.js';
export type { FileCheckpointStorageOptions } from './checkpoint/file-checkpoint-storage.js';
export type {
  CheckpointData,
  CheckpointStorage,
  JobLineage,
  StateBlob,
} from './checkpoint/checkpoint-storage.js';

export {
  CheckpointError,
  InvariantError,
  JobCancelledError,
  OperatorError,
  StreamConfigError,
  StreamError,
  StreamRecordError,
} from './errors.js';
export type { StreamErrorCode, StreamErrorDetails } from './errors.js';
