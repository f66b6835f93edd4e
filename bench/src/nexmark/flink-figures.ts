import type { Query } from './queries.js';

export interface PeerFigures {
  readonly eventsPerSecond: number;
  /** Of the whole process. */
  readonly cpuSecondsPerMillion: number;
}

const figures = (millionEventsPerSecond: number, cpuSecondsPerMillion: number): PeerFigures => ({
  eventsPerSecond: millionEventsPerSecond * 1e6,
  cpuSecondsPerMillion,
});

/**
 * Apache Flink 2.3.0 on the same events at parallelism 1: two cores of an AMD EPYC virtual machine, OpenJDK 17, 4 GB heap,
 * MiniCluster, object reuse, heap state, exactly-once checkpoints every 10 s, flat tuples over keyed exchanges.
 * Measured over the last 80 % of a run; medians of two or three. With a `keyBy` it uses up to 1.8 cores at parallelism 1.
 */
export const FLINK_FIGURES: Readonly<Record<Query, PeerFigures>> = {
  q0: figures(8.1, 0.125),
  q1: figures(7.2, 0.142),
  q2: figures(9.3, 0.11),
  q3: figures(6.65, 0.186),
  q4: figures(1.4, 1.1),
  q5: figures(0.94, 1.42),
  q7: figures(2.78, 0.64),
  q8: figures(5.27, 0.252),
  q9: figures(1.44, 1.02),
  q11: figures(0.79, 1.47),
  q12: figures(3.64, 0.461),
  q18: figures(0.8, 2.12),
  q19: figures(1, 1.65),
};

/** The generator alone, in Java, on that machine. */
export const FLINK_GENERATOR = figures(16.1, 0.062);
