import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, CommitRequest, Committer, Logger, SinkWriterContext } from '@millrace/core-stream';
import { TestMetrics } from '@millrace/core-stream/testing';
import { onTestFinished } from 'vitest';
import { druidSchema, type DruidSink, type SpoolCommittable } from '../../src/index.js';

export interface Flight {
  date: number;
  origin: string;
  delay: number | null;
}

export function flightSchema(dataSource: string) {
  return druidSchema<Flight>()({
    dataSource,
    timestamp: 'date',
    dimensions: { origin: 'string', delay: 'long' },
    segmentGranularity: 'day',
  });
}

export const FIRST_DAY = Date.UTC(2001, 0, 1);

export function flights(count: number, from = 0): Flight[] {
  return Array.from({ length: count }, (_, index) => ({
    date: FIRST_DAY + (from + index) * 1000,
    origin: `A${index % 7}`,
    delay: index % 3 === 0 ? null : index - 5,
  }));
}

/** Waits hardly at all, but tells that the whole delay has passed. */
export function hastyClock(): Clock {
  let nowMs = FIRST_DAY;
  return {
    now: () => nowMs,
    schedule(delayMs, callback) {
      const timer = setTimeout(
        () => {
          nowMs += delayMs;
          callback();
        },
        Math.min(delayMs, 4),
      );
      return () => {
        clearTimeout(timer);
      };
    },
  };
}

/** Collects what is logged. */
export function recordingLogger(): Logger & { readonly messages: string[] } {
  const messages: string[] = [];
  const log = (message: string) => void messages.push(message);
  return { messages, debug: log, info: log, warn: log, error: log };
}

export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'druid-sink-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export interface JobOptions {
  readonly clock?: Clock;
  readonly operatorUid?: string;
  readonly jobId?: string;
  readonly logger?: Logger;
}

/** What the runtime does with a sink, by hand. */
export class SinkJob {
  readonly #options: JobOptions;
  readonly #sink: DruidSink<Flight>;
  readonly #abort = new AbortController();
  /** Of the committer made last. */
  metrics = new TestMetrics();

  constructor(sink: DruidSink<Flight>, options: JobOptions = {}) {
    this.#sink = sink;
    this.#options = options;
    onTestFinished(() => {
      this.crash();
    });
  }

  /** Ends every wait of this job, as the end of its process would. */
  crash(): void {
    this.#abort.abort(new Error('the job has crashed'));
  }

  context(subtaskIndex = 0): SinkWriterContext {
    return {
      jobName: 'flights',
      jobId: this.#options.jobId ?? 'job-1',
      operatorUid: this.#options.operatorUid ?? 'druid-sink',
      parallelism: 3,
      clock: this.#options.clock ?? hastyClock(),
      logger: this.#options.logger ?? recordingLogger(),
      describer: { describeRecord: JSON.stringify, describeError: String },
      metrics: new TestMetrics().group,
      signal: this.#abort.signal,
      subtaskIndex,
      ownsKey: () => true,
    };
  }

  async committer(
    pending: readonly CommitRequest<SpoolCommittable>[] = [],
  ): Promise<Committer<SpoolCommittable>> {
    this.metrics = new TestMetrics();
    const context = { ...this.context(), metrics: this.metrics.group };
    const committer = (await this.#sink.createCommitter(context)) as Committer<SpoolCommittable>;
    onTestFinished(() => committer.close?.());
    await committer.recover?.(pending, []);
    return committer;
  }

  writer(subtaskIndex = 0) {
    return this.#sink.createWriter(this.context(subtaskIndex), []);
  }

  /** Writes one checkpoint's rows, a list for each subtask, and returns what is to be committed. */
  async checkpoint(
    checkpointId: number,
    ...rows: readonly Flight[][]
  ): Promise<CommitRequest<SpoolCommittable>[]> {
    const requests: CommitRequest<SpoolCommittable>[] = [];
    for (const [subtaskIndex, list] of rows.entries()) {
      const writer = await this.#sink.createWriter(this.context(subtaskIndex), []);
      for (const row of list) writer.write(row, { timestamp: undefined, currentWatermark: -Infinity });
      await writer.flush(false);
      for (const committable of (await writer.prepareCommit?.(
        checkpointId,
        false,
      )) as readonly SpoolCommittable[])
        requests.push({ checkpointId, subtaskIndex, committable });
      await writer.close();
    }
    // A checkpoint stores them as data.
    return JSON.parse(JSON.stringify(requests)) as typeof requests;
  }
}
