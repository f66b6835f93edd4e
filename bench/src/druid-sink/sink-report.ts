export const SINK_MODES = ['append', 'replace', 'kafka'] as const;
export type SinkMode = (typeof SINK_MODES)[number];

/** What a writing process prints: one line of JSON. Seconds count from `execute`. */
export interface SinkOutcome {
  /** Until every row is durable in the spool, named by a checkpoint. */
  readonly secondsToSpooled: number;
  /** Until the job has ended: the Broker answers with every row. */
  readonly secondsToQueryable: number;
  /** Of the whole process, all its threads, until the rows were spooled. */
  readonly spoolCpuSeconds: number;
  /** Of the process, in MiB. */
  readonly peakRssMb: number;
}

/** Figures of one mode, those of the best run. */
export interface SinkReport {
  readonly mode: SinkMode;
  readonly parallelism: number;
  readonly rows: number;
  readonly secondsToSpooled: number;
  readonly secondsToQueryable: number;
  /** What Druid takes for the same rows by a hand-written task, from a local file: from its submission until they are queryable. */
  readonly fileIngestSeconds: number;
  /** `secondsToQueryable` in parts of that. */
  readonly ratioToFileIngest: number;
  readonly spoolRowsPerCpuSecond: number;
  /** At its peak, in any run. */
  readonly peakRssMb: number;
  /** Kafka's own producer on the same broker, a row per record; beside mode `kafka` only. */
  readonly javaProducerRowsPerSecond?: number;
}

/** A run of the sink, and the hand-written task right after it. */
export interface SinkMeasurement {
  readonly outcome: SinkOutcome;
  readonly fileIngestSeconds: number;
  readonly javaRowsPerSecond: number | undefined;
}

/** The best of both: what disturbs a run makes it slower only. */
export function sinkReport(
  mode: SinkMode,
  parallelism: number,
  rows: number,
  measurements: readonly SinkMeasurement[],
): SinkReport {
  const outcomes = measurements.map(({ outcome }) => outcome);
  const secondsToQueryable = Math.min(...outcomes.map((each) => each.secondsToQueryable));
  const fileIngestSeconds = Math.min(...measurements.map((each) => each.fileIngestSeconds));
  const javaRates = measurements.flatMap(({ javaRowsPerSecond = [] }) => javaRowsPerSecond);
  return {
    mode,
    parallelism,
    rows,
    secondsToSpooled: round(Math.min(...outcomes.map((each) => each.secondsToSpooled))),
    secondsToQueryable: round(secondsToQueryable),
    fileIngestSeconds: round(fileIngestSeconds),
    ratioToFileIngest: round(secondsToQueryable / fileIngestSeconds),
    spoolRowsPerCpuSecond: Math.round(rows / Math.min(...outcomes.map((each) => each.spoolCpuSeconds))),
    peakRssMb: Math.round(Math.max(...outcomes.map((each) => each.peakRssMb))),
    ...(javaRates.length > 0 && { javaProducerRowsPerSecond: Math.max(...javaRates) }),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
