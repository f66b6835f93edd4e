/** The answers of native queries as rows: zod where they enter, then each member by its type. */
import { z } from 'zod';
import { replaceBigInts, unsafeInteger, type Int64Mode } from '../columns.js';
import type { DecodedJson } from '../json-decode.js';
import { parseWith } from '../json-request.js';
import type { DecodeModes } from '../sql-column-decoder.js';
import type { OutputDecoder } from './output-decoder.js';

const members = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'not an object',
);
const timestamp = z.unknown();

const timeseriesRow = z.looseObject({ timestamp, result: members });
const topNRow = z.looseObject({ timestamp, result: z.array(members) });
const groupByRow = z.looseObject({ version: z.string(), timestamp, event: members });
const searchHit = z.looseObject({
  dimension: z.string(),
  value: z.string().nullable(),
  count: z
    .number()
    .nullish()
    .transform((count) => count ?? null),
});
const searchRow = z.looseObject({ timestamp, result: z.array(searchHit) });

/** Makes a row of an element of the answer. @throws DruidDecodeError */
export type ReadElement = (element: DecodedJson, row: number) => unknown;

/** How the rows of each type of query are read. */
export const rowReaders = {
  timeseries:
    (decoder: OutputDecoder, operation: string): ReadElement =>
    ({ value, hasBigInt }, n) => {
      const row = parseWith(timeseriesRow, value, operation, n);
      decoder.decode(row.result, hasBigInt, n);
      // The row of `grandTotal` has none.
      return { ...row, timestamp: row.timestamp == null ? null : decoder.time(row.timestamp, n) };
    },
  topN:
    (decoder: OutputDecoder, operation: string): ReadElement =>
    ({ value, hasBigInt }, n) => {
      const row = parseWith(topNRow, value, operation, n);
      for (const result of row.result) decoder.decode(result, hasBigInt, n);
      return { ...row, timestamp: decoder.time(row.timestamp, n) };
    },
  groupBy:
    (decoder: OutputDecoder, operation: string): ReadElement =>
    ({ value, hasBigInt }, n) => {
      const row = parseWith(groupByRow, value, operation, n);
      decoder.decode(row.event, hasBigInt, n);
      return { ...row, timestamp: decoder.time(row.timestamp, n) };
    },
  search:
    (decoder: OutputDecoder, operation: string): ReadElement =>
    ({ value }, n) => {
      const row = parseWith(searchRow, value, operation, n);
      return { ...row, timestamp: decoder.time(row.timestamp, n) };
    },
} as const;

const times = z.looseObject({ result: members });
const timeNames = ['minTime', 'maxTime', 'maxIngestedEventTime'];

/** Reads an answer of at most one row, whose result is times. */
export function timesReader(decoder: OutputDecoder, operation: string): ReadElement {
  return ({ value }, n) => {
    const { result } = parseWith(times, value, operation, n);
    for (const name of timeNames) {
      if (Object.hasOwn(result, name)) result[name] = decoder.time(result[name], n, name);
    }
    return result;
  };
}

const columnAnalysis = z.looseObject({
  type: z.string(),
  typeSignature: z.string().optional(),
  hasMultipleValues: z.boolean(),
  hasNulls: z.boolean().optional(),
  size: z.number(),
  cardinality: z.number().nullish(),
  minValue: z.unknown().optional(),
  maxValue: z.unknown().optional(),
  errorMessage: z.string().nullish(),
});

const segmentAnalysis = z.looseObject({
  id: z.string(),
  intervals: z.array(z.string()).nullish(),
  columns: z.record(z.string(), columnAnalysis),
  size: z.number(),
  numRows: z.number(),
  aggregators: z.record(z.string(), z.unknown()).nullish(),
  timestampSpec: z.unknown().optional(),
  queryGranularity: z.unknown().optional(),
  rollup: z.boolean().nullish(),
});

/** What is known of a column: if `errorMessage` is there, nothing else counts. `size` is that of the values as text. */
export type ColumnAnalysis = z.infer<typeof columnAnalysis>;

/**
 * What is known of a segment, or with `merge` of all: then `id` ends in `merged`. What was not asked for is null.
 */
export type SegmentAnalysis = z.infer<typeof segmentAnalysis>;

/** Reads a segment's analysis. */
export function segmentAnalysisReader(int64: Int64Mode, operation: string): ReadElement {
  return ({ value, hasBigInt }, row) => {
    const exact = hasBigInt
      ? replaceBigInts(value, int64, (found) => unsafeInteger(found, operation, { row }))
      : value;
    return parseWith(segmentAnalysis, exact, operation, row);
  };
}

/** The modes that options ask for. */
export function modesOf(options: Partial<DecodeModes>): DecodeModes {
  return { int64: options.int64 ?? 'safe-number', timestamps: options.timestamps ?? 'ms' };
}
