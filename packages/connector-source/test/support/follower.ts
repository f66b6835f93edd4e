/** Runs a job that copies an unending source to where only committed rows are seen, and that is made to fail at times. */
import {
  RestartStrategies,
  silentLogger,
  StreamExecutionEnvironment,
  type JobClient,
  type Source,
  type SourceSplit,
  type WatermarkStrategy,
} from '@millrace/core-stream';
import { ExternalSystem, MemoryCheckpointStorage, TransactionalSink } from '@millrace/core-stream/testing';

/** A committed row, and whether it came after a watermark that said there would be no more like it. */
export interface Followed<Row> {
  readonly row: Row;
  readonly isLate: boolean;
}

export interface Follower<Row> {
  readonly committed: readonly Followed<Row>[];
  /** Messages of the log, each with its fields as JSON. */
  readonly log: readonly string[];
  readonly restarts: number;
  /** Fails the job at its next record: it goes on from its last checkpoint. */
  crash(): void;
  /** Throws what the job died of. */
  check(): void;
  stop(): Promise<void>;
}

export async function follow<Row, SplitT extends SourceSplit, State>(
  source: Source<Row, SplitT, State>,
  watermarks: WatermarkStrategy<Row>,
): Promise<Follower<Row>> {
  const system = new ExternalSystem<Followed<Row>>();
  const log: string[] = [];
  const note = (message: string, fields?: object): void =>
    void log.push(`${message} ${JSON.stringify(fields)}`);
  const env = StreamExecutionEnvironment.getExecutionEnvironment({
    logger: { ...silentLogger, info: note, warn: note },
  });
  env.enableCheckpointing({ intervalMs: 1000, storage: new MemoryCheckpointStorage() });
  env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 100, delayMs: 10 }));
  let isCrashing = false;
  env
    .fromSource(source, watermarks.withEmission('on-advance'), 'follow')
    .setParallelism(2)
    .process<Followed<Row>>(() => ({
      processElement: (row, context, out) => {
        if (isCrashing) {
          isCrashing = false;
          throw new Error('a wanted crash');
        }
        out.collect({ row, isLate: (context.timestamp as number) <= context.currentWatermark });
      },
    }))
    .setParallelism(1)
    .sinkTo(new TransactionalSink(system));
  const job: JobClient = await env.executeAsync('follow');
  let failure: { readonly error: unknown } | undefined;
  const ended = job.result.then(
    () => undefined,
    (error: unknown) => void (failure = { error }),
  );
  return {
    committed: system.visible,
    log,
    get restarts() {
      return job.snapshot().numRestarts;
    },
    crash: () => void (isCrashing = true),
    check: () => {
      if (failure !== undefined) throw failure.error;
    },
    stop: async () => {
      job.cancel();
      await ended;
    },
  };
}
