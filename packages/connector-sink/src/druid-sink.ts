import type { Committer, CommitterContext, Sink, SinkWriter, SinkWriterContext } from '@millrace/core-stream';
import { AppendMode } from './append-mode.js';
import { KafkaMode } from './kafka/kafka-mode.js';
import type { KafkaModeOptions } from './kafka/kafka-options.js';
import { ReplaceMode } from './replace/replace-mode.js';
import type { ReplaceSinkOptions } from './replace/replace-options.js';
import { preAggregation } from './rollup/pre-aggregation.js';
import type { DruidSinkOptions } from './sink-options.js';

/** How rows get into Druid: the sink that {@link DruidSink} hands everything on to. */
export type DruidSinkMode<T> = Sink<T> & Required<Pick<Sink<T>, 'createCommitter'>>;

/**
 * Writes records into a Druid datasource exactly once.
 *
 * Mode `append` (the default): rows go to local files; once a checkpoint is durable, each of its files becomes one append
 * task, which reads the file from this process over HTTP. Mode `replace`: whole chunks of time are overwritten once event
 * time has passed them. Mode `kafka`: rows go to a topic in transactions, and a supervisor of Druid's reads them. See the README for the guarantees and their limits.
 *
 * @example
 * const sink = new DruidSink({ druid: { url: 'http://localhost:8888' }, schema: flights, spoolDirectory: '/var/lib/job/spool' });
 * @throws DruidSinkConfigError (`DRUID_SINK_CONFIG`)
 */
export class DruidSink<T> implements Sink<T> {
  /** There where one writer has to have all records of a chunk of time. */
  readonly partitionKey?: (value: T) => unknown;
  readonly #mode: DruidSinkMode<T>;
  /** Stands before each of the mode's writers. */
  readonly #wrap: (writer: SinkWriter<T>) => SinkWriter<T>;

  constructor(options: DruidSinkOptions<T> | ReplaceSinkOptions<T> | KafkaModeOptions<T>) {
    const rollup = preAggregation<T, typeof options>(options);
    this.#wrap = rollup?.wrap ?? ((writer) => writer);
    const mode = modeOf(rollup?.options ?? options);
    if (mode.partitionKey !== undefined) this.partitionKey = mode.partitionKey.bind(mode);
    this.#mode = mode;
  }

  async createWriter(context: SinkWriterContext, restored: readonly unknown[]): Promise<SinkWriter<T>> {
    return this.#wrap(await this.#mode.createWriter(context, restored));
  }

  /**
   * Checks Druid and the datasource before a record is read.
   * @throws DruidSinkConfigError, DruidSinkConnectionError, DruidSinkSpoolError
   */
  createCommitter(context: CommitterContext): Committer<unknown> | Promise<Committer<unknown>> {
    return this.#mode.createCommitter(context);
  }
}

function modeOf<T>(
  options: DruidSinkOptions<T> | ReplaceSinkOptions<T> | KafkaModeOptions<T>,
): DruidSinkMode<T> {
  if (options.mode === 'kafka') return new KafkaMode(options);
  return options.mode === 'replace' ? new ReplaceMode(options) : new AppendMode(options);
}
