import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FileCheckpointStorage,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type CheckpointStorage,
  type Clock,
} from '@millrace/core-stream';
import type { Total } from './hash-sink.js';
import { NexmarkSource } from './nexmark-source.js';
import { PROGRAMS } from './programs.js';
import type { Query } from './queries.js';
import { RowHash, type RowHashResult } from './row-hash.js';
import type { SteadyState } from './steady-state.js';

export interface ProgramOptions {
  readonly query: Query;
  readonly events: number;
  readonly seed: number;
  readonly parallelism: number;
  /** No checkpoints without it. */
  readonly checkpointIntervalMs?: number;
  readonly steadyState?: SteadyState;
  readonly clock?: Clock;
  /** Where checkpoints go and come from; a temporary directory unless told. */
  readonly storage?: CheckpointStorage;
  /** Told how many events were made, poll by poll: what it throws fails the job. */
  readonly onMade?: (count: number) => void;
  /** The source's, where it is not that of the program. */
  readonly sourceParallelism?: number;
}

/** The windows of q12, which end by the clock. */
const PROCESSING_TIME_WINDOW_MS = 10_000;

/** Runs a query as a program on the engine. Checkpoints go to a temporary directory. */
export async function runProgram(options: ProgramOptions): Promise<RowHashResult> {
  const { query, events, seed, parallelism, checkpointIntervalMs, steadyState, clock } = options;
  const { storage, onMade, sourceParallelism } = options;
  const hash = new RowHash();
  const isByClock = query === 'q12';
  const total: Total = {
    merge(state) {
      hash.merge(state);
      if (!isByClock) steadyState?.end(); // else it ends with the last event: the wait for the last window is no work
    },
  };
  const env = StreamExecutionEnvironment.getExecutionEnvironment({
    parallelism,
    ...(clock === undefined ? {} : { clock }),
  });
  const source = new NexmarkSource({
    events,
    seed,
    onMade: (count) => {
      steadyState?.advance(count);
      onMade?.(count);
    },
    ...(isByClock ? { lingerMs: PROCESSING_TIME_WINDOW_MS } : {}),
  });
  const stream = env.fromSource(source, WatermarkStrategy.forMonotonousTimestamps(), 'nexmark');
  if (sourceParallelism !== undefined) stream.setParallelism(sourceParallelism);
  PROGRAMS[query](stream, total);
  if (checkpointIntervalMs === undefined) {
    await env.execute(`nexmark-${query}`);
    return hash.result();
  }
  if (storage !== undefined) {
    await env.enableCheckpointing({ intervalMs: checkpointIntervalMs, storage }).execute(`nexmark-${query}`);
    return hash.result();
  }
  const directory = await mkdtemp(join(tmpdir(), 'nexmark-'));
  try {
    env.enableCheckpointing({
      intervalMs: checkpointIntervalMs,
      storage: new FileCheckpointStorage(directory),
    });
    await env.execute(`nexmark-${query}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return hash.result();
}
