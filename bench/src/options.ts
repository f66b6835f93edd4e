import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly json: boolean;
  readonly size: number;
  readonly runs: number;
}

/** Flags that all benchmarks share. */
export function benchOptions(defaults: { readonly size: number; readonly runs: number }): BenchOptions {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      size: { type: 'string', default: String(defaults.size) },
      runs: { type: 'string', default: String(defaults.runs) },
    },
  });
  const size = Number(values.size);
  const runs = Number(values.runs);
  if (!Number.isSafeInteger(size) || size < 1)
    throw new Error(`--size is a whole number above 0, got ${values.size}`);
  if (!Number.isSafeInteger(runs) || runs < 1)
    throw new Error(`--runs is a whole number above 0, got ${values.runs}`);
  return { json: values.json, size, runs };
}

/** The middle of the measurements. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
