/** Figures of one path at one parallelism, those of the best run. */
export interface SourceReport {
  readonly path: string;
  readonly parallelism: number;
  readonly rows: number;
  /** From `execute` to the end of the job. */
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** Of the reading process, all its threads, for the job alone. */
  readonly cpuSeconds: number;
  /** What `curl` gets that throws the same data away, the data servers at the same time where they are read directly. */
  readonly curlRowsPerSecond: number;
  /** `rowsPerSecond` in parts of curl's. */
  readonly ratioToCurl: number;
  /** Of the reading process as a whole, at its peak, in any run. */
  readonly peakRssMb: number;
}

/** `hash` covers every column and does not depend on the order of rows. */
export interface RowProof {
  readonly rows: number;
  readonly hash: number;
}

/** What a reading process prints: one line of JSON. */
export interface SourceOutcome {
  readonly proof: RowProof;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMb: number;
}

/** A reading, and `curl` right before it. */
export interface SourceMeasurement {
  readonly outcome: SourceOutcome;
  readonly curlSeconds: number;
}

/** @throws Error unless exactly the expected rows were read */
export function requireSame(name: string, { proof }: SourceOutcome, expected: RowProof): void {
  if (proof.rows === expected.rows && proof.hash === expected.hash) return;
  throw new Error(`${name} read ${JSON.stringify(proof)}; there are ${JSON.stringify(expected)}`);
}

/** The best of both: what disturbs a run makes it slower only. */
export function sourceReport(
  path: string,
  parallelism: number,
  measurements: readonly SourceMeasurement[],
): SourceReport {
  const outcomes = measurements.map(({ outcome }) => outcome);
  const best = outcomes.reduce((a, b) => (b.seconds < a.seconds ? b : a));
  const curlSeconds = Math.min(...measurements.map((each) => each.curlSeconds));
  const { rows } = best.proof;
  return {
    path,
    parallelism,
    rows,
    seconds: round(best.seconds),
    rowsPerSecond: Math.round(rows / best.seconds),
    cpuSeconds: round(best.cpuSeconds),
    curlRowsPerSecond: Math.round(rows / curlSeconds),
    ratioToCurl: round(curlSeconds / best.seconds),
    peakRssMb: Math.round(Math.max(...outcomes.map(({ peakRssMb }) => peakRssMb))),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
