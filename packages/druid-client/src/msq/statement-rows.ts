/**
 * The rows of a statement's result, page by page.
 *
 * Invariant 1: a page whose number of rows differs from what its status announced ends in DruidTruncatedError; where
 * nothing was announced, the blank line that ends Druid's line formats is required.
 * Invariant 2: a page is asked for again only until its first row.
 */
import { bodyChunks, type DruidResponse } from '../body-chunks.js';
import { RowDecoder, type Int64Mode } from '../columns.js';
import { DruidConnectionError, DruidDecodeError, DruidTruncatedError } from '../errors.js';
import { decodeJson, setOwn } from '../json-decode.js';
import { blockToJsonArray, LineBlocks } from '../line-blocks.js';
import { path, type DruidRequest } from '../request.js';
import type { Transport } from '../transport.js';
import type { StatementColumn, StatementPage } from './statement-status.js';

/** A page to read. */
export interface PageRead {
  readonly transport: Transport;
  readonly queryId: string;
  readonly page: StatementPage;
  readonly schema: readonly StatementColumn[];
  readonly int64: Int64Mode;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
}

const operation = 'statement results';

/** The rows of one page as arrays in column order, in batches as they arrive. @throws DruidTruncatedError, DruidDecodeError */
export async function* pageRows(read: PageRead): AsyncGenerator<unknown[][], void, undefined> {
  const { transport, page, schema, int64 } = read;
  const names = schema.map(({ name }) => name);
  // Times are LONG inside; they stay numbers whatever `int64` says.
  const types = schema.map(({ type, nativeType }) => (type === 'TIMESTAMP' ? null : nativeType));
  const decoder = new RowDecoder({ names, types }, int64, operation);
  const lines = new LineBlocks();
  const joined = transport.signalOf({ signal: read.signal });
  let rowsReceived = 0;
  let response: DruidResponse | undefined;
  try {
    const opened = await open(read, joined.signal);
    ({ response } = opened);
    for (let chunk = opened.first; chunk !== undefined; chunk = await opened.next()) {
      const block = lines.push(chunk);
      if (block === '') continue;
      const { text, count } = blockToJsonArray(block);
      const { value, hasBigInt } = decodeJson(text);
      const rows = value as unknown[];
      if (rows.length !== count) throw new SyntaxError('A line of the result is not one JSON value');
      const inOrder = rows.map((row, i) => valuesOf(row, names, rowsReceived + i));
      const decoded = decoder.decode(inOrder, hasBigInt, rowsReceived);
      rowsReceived += decoded.length;
      if (decoded.length > 0) yield decoded;
    }
    // invariant 1
    const isWhole = page.numRows === undefined ? lines.isComplete : rowsReceived === page.numRows;
    if (!isWhole) throw truncated(read, response, rowsReceived, undefined);
  } catch (error) {
    if (response === undefined) throw error;
    if (DruidConnectionError.is(error)) throw truncated(read, response, rowsReceived, error);
    if (!(error instanceof SyntaxError)) throw error;
    throw new DruidDecodeError({
      message: `Page ${page.id} of '${read.queryId}' is malformed after ${rowsReceived} rows: ${error.message}.`,
      details: { operation, row: rowsReceived },
      cause: error,
    });
  } finally {
    response?.body.destroy();
    joined.release();
  }
}

/** Rows in column order as objects. */
export function toObjects(rows: readonly unknown[][], names: readonly string[]): Record<string, unknown>[] {
  return rows.map((row) => {
    const object: Record<string, unknown> = {};
    names.forEach((name, i) => setOwn(object, name, row[i]));
    return object;
  });
}

function valuesOf(row: unknown, names: readonly string[], number: number): unknown[] {
  const members = row as Record<string, unknown>;
  const missing = names.find((name) => typeof row !== 'object' || row === null || !Object.hasOwn(row, name));
  if (missing === undefined) return names.map((name) => members[name]);
  throw new DruidDecodeError({
    message: `Row ${number} of the ${operation} lacks the column '${missing}' that its status announced.`,
    details: { operation, row: number, column: missing },
  });
}

async function open({ transport, queryId, page, timeoutMs }: PageRead, signal: AbortSignal) {
  const request: DruidRequest = {
    operation,
    method: 'GET',
    path: path`/druid/v2/sql/statements/${queryId}/results`,
    // Druid 27 knows this format alone, and ignores the parameter.
    query: { page: String(page.id), resultFormat: 'objectLines' },
    kind: 'read',
    signal,
    timeoutMs,
  };
  return transport.retrying(request, async (server) => {
    const response = await transport.send({ ...request, server });
    const chunks = bodyChunks(response, { operation, timeoutMs: transport.timeoutMs(request), signal });
    const next = async () => (await chunks.next()).value ?? undefined;
    return { response, first: await next(), next }; // invariant 2
  });
}

function truncated(
  { queryId, page }: PageRead,
  { method, url }: DruidResponse,
  rowsReceived: number,
  cause: unknown,
): DruidTruncatedError {
  const announced = page.numRows === undefined ? 'an unknown number of' : `${page.numRows}`;
  return new DruidTruncatedError({
    message: `Page ${page.id} of '${queryId}' ended after ${rowsReceived} of ${announced} rows. Read the page again: results stay on the server.`,
    details: { method, url, queryId, rowsReceived },
    retryable: true,
    cause,
  });
}
