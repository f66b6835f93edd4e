import type {
  Clock,
  CommitRequest,
  CommitterContext,
  Sink,
  SinkWriter,
  SinkWriterContext,
} from '../../src/index.js';
import { JobMetrics } from '../../src/metrics/job-metrics.js';
import { plainDescriber } from '../../src/runtime/describe-value.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { TestMetrics } from '../../src/testing/test-metrics.js';
import type { Random } from './random.js';

export function sinkContext(parts: Partial<CommitterContext> = {}): CommitterContext {
  return {
    jobName: 'job',
    jobId: '0123456789abcdef',
    operatorUid: 'out',
    parallelism: 1,
    clock: new ManualClock(),
    logger: silentLogger,
    describer: plainDescriber,
    signal: new AbortController().signal,
    metrics: new TestMetrics().group,
    ...parts,
  };
}

export function writerContext(parts: Partial<SinkWriterContext> = {}): SinkWriterContext {
  const context = sinkContext(parts);
  const metrics = new JobMetrics('job', context.clock, context.logger);
  return {
    ...context,
    subtaskIndex: 0,
    ownsKey: () => true,
    metrics: metrics.operatorGroup({ name: 'out', uid: 'out', subtaskIndex: 0 }),
    ...parts,
  };
}

/** What a durable checkpoint has of the job. */
interface Durable {
  readonly checkpointId: number;
  readonly position: number;
  readonly states: readonly (readonly unknown[])[];
  readonly pending: readonly CommitRequest<unknown>[];
}

export interface RunOptions {
  readonly parallelism: number;
  readonly clock: Clock & { advance(ms: number): void };
  readonly random: Random;
}

/**
 * A job that does nothing but write the numbers from 0 into a sink, over any number of runs: what an engine promises a
 * sink, and no more. A run that throws has crashed; the next one goes on from the newest durable checkpoint.
 */
export class SinkRuns {
  readonly #sink: Sink<number>;
  readonly #records: number;
  #durable: Durable | undefined;

  constructor(sink: Sink<number>, records: number) {
    this.#sink = sink;
    this.#records = records;
  }

  async run({ parallelism, clock, random }: RunOptions): Promise<void> {
    const restored = this.#durable;
    let pending = [...(restored?.pending ?? [])];
    let checkpointId = restored?.checkpointId ?? 0;
    let position = restored?.position ?? 0;
    const context = sinkContext({ clock, parallelism });
    const committer = await this.#sink.createCommitter?.(context);
    const globalCommitter = await this.#sink.createGlobalCommitter?.(context);
    await committer?.recover?.(pending, (restored?.states ?? []).flat());
    const writers: SinkWriter<number>[] = [];
    for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
      const states = shareOf(restored?.states ?? [], subtaskIndex, parallelism);
      writers.push(
        await this.#sink.createWriter(writerContext({ clock, parallelism, subtaskIndex }), states),
      );
    }
    const commit = async () => {
      for (const id of [...new Set(pending.map((request) => request.checkpointId))].sort((a, b) => a - b)) {
        if (id > this.#durable!.checkpointId) continue;
        const requests = pending.filter((request) => request.checkpointId === id);
        await committer?.commit(requests);
        await globalCommitter?.commit(requests);
        pending = pending.filter((request) => request.checkpointId !== id);
      }
    };
    if (restored !== undefined) await commit();
    let prepared: { subtaskIndex: number; committable: unknown }[] = [];
    let isOver = false;
    while (!isOver) {
      for (let batch = random.below(4); batch > 0; batch--) {
        for (let size = random.below(8); size > 0 && position < this.#records; size--) {
          const value = position++;
          writers[value % parallelism]!.write(value, { timestamp: value * 1_000, currentWatermark: 0 });
        }
        for (const writer of writers) await writer.backPressure?.();
        clock.advance(random.below(20));
      }
      isOver = position === this.#records;
      if (isOver) for (const writer of writers) await writer.flush(true);
      checkpointId++;
      const isSavepoint = random.below(8) === 0;
      const states: (readonly unknown[])[] = [];
      for (const [subtaskIndex, writer] of writers.entries()) {
        await writer.flush(false);
        for (const committable of (await writer.prepareCommit?.(checkpointId, isSavepoint)) ?? []) {
          prepared.push({ subtaskIndex, committable });
        }
        states.push(writer.snapshotState?.(checkpointId) ?? []);
      }
      // A checkpoint that could not be stored is tolerated: what it has prepared goes along with the next one.
      if (!isOver && random.below(4) === 0) continue;
      pending.push(...prepared.map((part) => ({ ...part, checkpointId })));
      prepared = [];
      this.#durable = structuredClone({ checkpointId, position, states, pending });
      if (isOver || random.below(3) > 0) await commit();
    }
    for (const writer of writers) await writer.close();
    await committer?.close?.();
  }
}

function shareOf(
  states: readonly (readonly unknown[])[],
  subtaskIndex: number,
  parallelism: number,
): readonly unknown[] {
  if (states.length === parallelism) return states[subtaskIndex]!;
  return states.flat().filter((_, index) => index % parallelism === subtaskIndex);
}
