import type { AsyncRetryStrategy } from '../functions/async-retry.js';
import type { Clock } from '../time/clock.js';
import type { MetricGroup } from '../metrics/metric-group.js';
import type { Describer } from '../runtime/describe-value.js';
import type { Logger } from '../runtime/logger.js';

/**
 * A sink in Flink's shape: parallel writers, and, where it takes part in exactly-once, a committer.
 *
 * Life of a record: `write` → `prepareCommit` at the barrier → the committables become part of the checkpoint → the
 * checkpoint is durable → `commit` → the global committer's `commit`. After a crash the committables of the restored
 * checkpoint are committed again, so both must be safe to repeat.
 *
 * @typeParam T records
 * @typeParam CommT committables: plain data that names what is to be committed
 * @typeParam WriterStateT what a writer stores in a checkpoint besides committables
 */
export interface Sink<T, CommT = unknown, WriterStateT = unknown> {
  /**
   * Divides the records among the writers: those with the same key go to the same writer, as behind `keyBy`. Without it they
   * come as the program sends them. With it each writer gets the states of all of them back, at any parallelism, and takes
   * those whose key it owns: `context.ownsKey`. Called for every record: it must always give the same key.
   */
  partitionKey?(value: T): unknown;
  /**
   * One per subtask. `restored` holds its own states in the restored checkpoint; at another parallelism those of all, in turn.
   * Those of all writers where there is a `partitionKey`.
   */
  createWriter(
    context: SinkWriterContext,
    restored: readonly WriterStateT[],
  ): SinkWriter<T, CommT, WriterStateT> | Promise<SinkWriter<T, CommT, WriterStateT>>;
  /** One per job, made before the writers. Without it the sink is at-least-once: `flush` at each barrier. */
  createCommitter?(
    context: CommitterContext,
  ): Committer<CommT, WriterStateT> | Promise<Committer<CommT, WriterStateT>>;
  /** One per job, made after the committer, which it needs. */
  createGlobalCommitter?(context: CommitterContext): GlobalCommitter<CommT> | Promise<GlobalCommitter<CommT>>;
}

/** What a sink knows of its job. */
export interface SinkContext {
  readonly jobName: string;
  /** Names the job's lineage: made at its first start, kept in its checkpoints, the same after every restore; another one where it begins with a savepoint. */
  readonly jobId: string;
  readonly operatorUid: string;
  readonly parallelism: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For records, keys and errors that are logged, or become part of a message: as the program wants them shown. */
  readonly describer: Describer;
  /** Aborted when the job ends, for whatever reason. */
  readonly signal: AbortSignal;
}

/** What a writer knows of its job and subtask. */
export interface SinkWriterContext extends SinkContext {
  readonly subtaskIndex: number;
  /** For metrics of the sink's own. By convention `numBytesOut` counts the bytes that it has written, where it knows them. */
  readonly metrics: MetricGroup;
  /** Whether records with this key come to this writer: for a sink with a `partitionKey`. */
  ownsKey(key: unknown): boolean;
}

/** What a committer knows of its job. */
export interface CommitterContext extends SinkContext {
  /** For metrics of the sink's own that are of the operator, not of a subtask. A global committer is given the same group. */
  readonly metrics: MetricGroup;
}

/** About the record being written. One object is reused for all calls. */
export interface SinkWriteContext {
  /** Event time in epoch milliseconds; `undefined` where the record has none. */
  readonly timestamp: number | undefined;
  readonly currentWatermark: number;
}

/**
 * Writes the records of one subtask. Each promise is waited for before the next call; only `close` may come earlier, after
 * a failure.
 */
export interface SinkWriter<T, CommT = unknown, WriterStateT = unknown> {
  /** Takes one record. Synchronous: buffer here, wait in `backPressure` or `flush`. A thrown error fails the job. */
  write(value: T, context: SinkWriteContext): void;
  /** Event time has come to `watermark`, which only grows; after a restore it may begin again further back. Synchronous. */
  writeWatermark?(watermark: number): void;
  /** Asked after each batch: a promise makes the subtask stop until it resolves; its rejection fails the job. */
  backPressure?(): Promise<void> | undefined;
  /** At every barrier and at the end of input: everything written so far leaves the writer's buffers. */
  flush(endOfInput: boolean): void | Promise<void>;
  /**
   * At the barrier, after `flush`: what this writer has that checkpoint `checkpointId` shall commit. It must be durable
   * when the promise resolves. Nothing is written meanwhile. Where the checkpoint is given up, it is part of the next one that
   * is not. Required where the sink has a committer.
   *
   * For a savepoint `isSavepoint` is true: any number of jobs can begin with it, while this one goes on. What this writer
   * prepares is committed before the savepoint is written; what it leaves in its state it shares with all of them.
   */
  prepareCommit?(checkpointId: number, isSavepoint: boolean): readonly CommT[] | Promise<readonly CommT[]>;
  /** At the barrier, after `prepareCommit`. */
  snapshotState?(checkpointId: number): readonly WriterStateT[];
  /** Called once, also after a failure. Must not make anything visible. */
  close(): void | Promise<void>;
}

/** One committable and where it came from: the same after every restore. */
export interface CommitRequest<CommT> {
  readonly checkpointId: number;
  readonly subtaskIndex: number;
  readonly committable: CommT;
}

/**
 * Makes prepared data visible, once its checkpoint is durable.
 *
 * A commit that is not acknowledged may still have happened: `commit` has to find out, and must be safe to repeat with the
 * same requests by another process.
 */
export interface Committer<CommT, WriterStateT = unknown> {
  /**
   * Called once, before the writers are made and before the first `commit`, with everything that the restored checkpoint
   * has not committed, and the states that its writers will get back (both empty on a fresh start). What earlier runs
   * prepared and neither names will never be committed and can be removed. The runtime then calls `commit` with `pending`
   * itself.
   */
  recover?(
    pending: readonly CommitRequest<CommT>[],
    writerStates: readonly WriterStateT[],
  ): void | Promise<void>;
  /**
   * Commits one checkpoint's requests, ordered by subtask. Resolves when all of them are visible, those included that
   * already were. After a rejection it is called again with the same requests: as `retry` says, and then, since the job
   * fails, by the restored job. What has become visible may stay so.
   */
  commit(requests: readonly CommitRequest<CommT>[]): Promise<void>;
  /** When a rejected `commit` is repeated without the job failing; never unless told. `AsyncRetryStrategies` makes one. */
  readonly retry?: SinkRetry;
  /** Called once, after the last commit or after a failure. */
  close?(): void | Promise<void>;
}

/** Says whether and when something that a sink has failed at is tried again. */
export type SinkRetry = Pick<AsyncRetryStrategy<never>, 'maxAttempts' | 'delayMs' | 'retryOnError'>;

/**
 * The last step of a checkpoint's commit, for what is about all of it: a manifest, a `_SUCCESS` file, a notice to readers.
 * It can be put on a sink without touching its committer.
 */
export interface GlobalCommitter<CommT> {
  /**
   * Called once the committer has committed a checkpoint, with the same requests: those of all subtasks, ordered by
   * subtask. Not called where nothing was prepared. Until it resolves, the checkpoint does not count as committed: after a
   * failure the committer and this are called again, so it must be safe to repeat.
   */
  commit(requests: readonly CommitRequest<CommT>[]): Promise<void>;
  readonly retry?: SinkRetry;
  /** Called once, before the committer's `close`. */
  close?(): void | Promise<void>;
}
