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
import { transferred, type TransferredBytes } from '../result-stream.js';
import { DeclaredDecoder } from '../sql-column-decoder.js';
import type { DeclaredColumn } from '../sql-columns.js';
import type { Transport } from '../transport.js';
import type { StatementColumn, StatementPage } from './statement-status.js';

/** A page to read. */
export interface PageRead {
  readonly transport: Transport;
  readonly queryId: string;
  readonly page: StatementPage;
  readonly schema: readonly StatementColumn[];
  readonly int64: Int64Mode;
  /** Rows are decoded by these columns, and hold no others. */
  readonly declared: readonly DeclaredColumn[] | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly onTransfer: ((transfer: TransferredBytes) => void) | undefined;
}

const operation = 'statement results';

/** The rows of one page as objects, in batches as they arrive. @throws DruidTruncatedError, DruidDecodeError */
export async function* pageRows(read: PageRead): AsyncGenerator<Record<string, unknown>[], void, undefined> {
  const { transport, page, schema } = read;
  const names = schema.map(({ name }) => name);
  const decode = decoderOf(read, names);
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
      const decoded = decode(inOrder, hasBigInt, rowsReceived);
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
    if (response !== undefined) read.onTransfer?.(transferred(response));
    joined.release();
  }
}

type Decode = (rows: unknown[][], hasBigInt: boolean, firstRow: number) => Record<string, unknown>[];

function decoderOf({ schema, int64, declared }: PageRead, names: readonly string[]): Decode {
  if (declared !== undefined) {
    const columns = schema.map(({ name, type, nativeType }) => ({ name, sqlType: type, nativeType }));
    const decoder = new DeclaredDecoder(columns, declared, { int64, timestamps: 'ms' }, operation);
    return (rows, _, firstRow) => {
      decoder.decode(rows, firstRow);
      return toObjects(rows, decoder.names, decoder.places);
    };
  }
  // Times are LONG inside; they stay numbers whatever `int64` says.
  const types = schema.map(({ type, nativeType }) => (type === 'TIMESTAMP' ? null : nativeType));
  const decoder = new RowDecoder({ names, types }, int64, operation);
  const places = names.map((_, i) => i);
  return (rows, hasBigInt, firstRow) => toObjects(decoder.decode(rows, hasBigInt, firstRow), names, places);
}

function toObjects(
  rows: readonly unknown[][],
  names: readonly string[],
  places: readonly number[],
): Record<string, unknown>[] {
  return rows.map((row) => {
    const object: Record<string, unknown> = {};
    names.forEach((name, i) => setOwn(object, name, row[places[i] as number]));
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
