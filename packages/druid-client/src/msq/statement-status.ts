import { z } from 'zod';
import { anyObject, optionalNumber, optionalText } from '../management/calls.js';

const column = z.looseObject({ name: z.string(), type: z.string(), nativeType: z.string() });

/** A column of a statement's result: its SQL type and Druid's native one. */
export type StatementColumn = z.output<typeof column>;

const page = z.looseObject({
  id: z.number().int().nonnegative(),
  numRows: z.number().nonnegative().nullish(),
  sizeInBytes: z.number().nonnegative().nullish(),
});

const result = z.looseObject({
  numTotalRows: optionalNumber,
  totalSizeInBytes: optionalNumber,
  dataSource: optionalText,
  sampleRecords: z.array(z.array(z.unknown())).nullish(),
  pages: z.array(page).nullish(),
});

/** A page of a result. `sizeInBytes` is what it takes inside Druid, not as JSON. */
export interface StatementPage {
  readonly id: number;
  /** Undefined where the server does not say. */
  readonly numRows: number | undefined;
  readonly sizeInBytes: number | undefined;
}

/** What a statement gave. */
export interface StatementResult {
  readonly numTotalRows: number | undefined;
  readonly totalSizeInBytes: number | undefined;
  /** The target of an INSERT or REPLACE; `__query_select` for a SELECT. */
  readonly dataSource: string | undefined;
  readonly pages: readonly StatementPage[];
}

/** What is known of a statement. */
export interface StatementStatus {
  /** `query-<sqlQueryId>`. */
  readonly queryId: string;
  readonly state: 'ACCEPTED' | 'RUNNING' | 'SUCCESS' | 'FAILED';
  /** ISO 8601. */
  readonly createdAt: string | undefined;
  /** The columns of a SELECT's result; empty for INSERT and REPLACE. */
  readonly schema: readonly StatementColumn[];
  /** Undefined until it is over. */
  readonly durationMs: number | undefined;
  /** Of a successful statement. */
  readonly result: StatementResult | undefined;
  /** Druid's error body, of a failed one: `errorCode`, `errorMessage`, `category`, `context`. */
  readonly errorDetails: Readonly<Record<string, unknown>> | undefined;
  /** The answer as Druid sent it: with `detail`, `stages`, `counters` and `warnings` are there too. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** An answer of `/druid/v2/sql/statements`. */
export const statementStatusSchema = z
  .looseObject({
    queryId: z.string(),
    state: z.enum(['ACCEPTED', 'RUNNING', 'SUCCESS', 'FAILED']),
    createdAt: optionalText,
    schema: z.array(column).nullish(),
    durationMs: optionalNumber,
    result: result.nullish(),
    errorDetails: anyObject.nullish(),
  })
  .transform((found): StatementStatus => ({
    queryId: found.queryId,
    state: found.state,
    createdAt: found.createdAt,
    schema: found.schema ?? [],
    durationMs: found.durationMs !== undefined && found.durationMs >= 0 ? found.durationMs : undefined,
    result: found.result ? resultOf(found.result) : undefined,
    errorDetails: found.errorDetails ?? undefined,
    payload: found,
  }));

function resultOf(found: z.output<typeof result>): StatementResult {
  const { numTotalRows, totalSizeInBytes, dataSource } = found;
  return {
    numTotalRows,
    totalSizeInBytes,
    dataSource,
    pages: (found.pages ?? []).map(({ id, numRows, sizeInBytes }) => ({
      id,
      numRows: numRows ?? undefined,
      sizeInBytes: sizeInBytes ?? undefined,
    })),
  };
}
