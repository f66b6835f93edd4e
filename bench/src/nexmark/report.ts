import type { Query } from './queries.js';

export const ENGINES = ['millrace', 'loop'] as const;
export type Engine = (typeof ENGINES)[number];

export interface RunOptions {
  readonly query: Query;
  readonly engine: Engine;
  readonly events: number;
  readonly seed: number;
  readonly parallelism: number;
  readonly checkpointIntervalMs?: number;
  /** Compare with the reference program where there are no published results. */
  readonly verify: boolean;
}

/** What one run of one query reports: a line of JSON. */
export interface QueryReport {
  readonly query: Query;
  readonly engine: Engine;
  readonly parallelism: number;
  readonly seed: number;
  readonly events: number;
  readonly outputs: number;
  readonly hash: string;
  /** Whether the results were compared with expected ones; a mismatch is an error, not a report. */
  readonly isVerified: boolean;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly cpuSecondsPerMillion: number;
  /** Of the generator alone, right after the run: how fast the machine is at the time. */
  readonly generatorCpuSecondsPerMillion: number;
  /** What everything else on the machine took, in cores: above 0.25, distrust the figures. */
  readonly otherCores: number;
  readonly peakRssMb: number;
}
