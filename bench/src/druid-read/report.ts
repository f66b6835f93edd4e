/** Figures of one path, those of the best run. */
export interface ReadReport {
  readonly path: string;
  readonly rows: number;
  /** From the request to the last row. */
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** Of the reading process, all its threads, for the reading alone. */
  readonly cpuSeconds: number;
  /** What `curl` took to throw away the answer to the same request. */
  readonly curlSeconds: number;
  /** The rate in parts of curl's; 1 is as fast as bytes can be had. */
  readonly ratioToCurl: number;
  /** Of the reading process as a whole, at its peak. */
  readonly peakRssMb: number;
}

/** What came: decoded rows, or the bytes of a result that is passed on as it is. */
export type Tally = RowTally | { readonly bytes: number };

/** `sum` is that of `delay` and `distance` over all rows. */
export interface RowTally {
  readonly rows: number;
  readonly sum: number;
}

/** What a reading process prints: one line of JSON. */
export interface ReadOutcome {
  readonly tally: Tally;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMb: number;
}

/** A reading, and `curl` right before it. */
export interface Measurement {
  readonly outcome: ReadOutcome;
  readonly curl: CurlOutcome;
}

/** What `curl` says of a request. */
export interface CurlOutcome {
  readonly seconds: number;
  readonly bytes: number;
}

/** @throws Error unless everything was read */
export function requireAll(
  path: string,
  { tally }: ReadOutcome,
  expected: RowTally & { readonly bytes: number },
): void {
  const isWhole =
    'bytes' in tally
      ? tally.bytes === expected.bytes
      : tally.rows === expected.rows && tally.sum === expected.sum;
  if (!isWhole)
    throw new Error(`${path} read ${JSON.stringify(tally)}; there are ${JSON.stringify(expected)}`);
}

/** The best of both: what disturbs a run makes it slower only. Memory is the most that any run took. */
export function reportOf(path: string, rows: number, measurements: readonly Measurement[]): ReadReport {
  const best = measurements.reduce((a, b) => (b.outcome.seconds < a.outcome.seconds ? b : a)).outcome;
  const curlSeconds = Math.min(...measurements.map((each) => each.curl.seconds));
  return {
    path,
    rows,
    seconds: round(best.seconds),
    rowsPerSecond: Math.round(rows / best.seconds),
    cpuSeconds: round(best.cpuSeconds),
    curlSeconds: round(curlSeconds),
    ratioToCurl: round(curlSeconds / best.seconds),
    peakRssMb: Math.round(Math.max(...measurements.map(({ outcome }) => outcome.peakRssMb))),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
