import { z } from 'zod';
import type { Int64Mode } from '../columns.js';
import { DruidConfigError } from '../errors.js';
import { requirePositive } from '../options.js';
import { path, type DruidRequest } from '../request.js';
import { streamResult, type ResultFormat, type TransferredBytes } from '../result-stream.js';
import type { TimestampMode } from '../sql-columns.js';
import type { Transport } from '../transport.js';
import type { SegmentDescriptor } from './intervals.js';

/** Druid's response context. `missingSegments` lists what the data servers could not find, so is not in the rows. */
export interface ResponseContext {
  readonly missingSegments?: readonly SegmentDescriptor[];
  readonly [key: string]: unknown;
}

/** What the head of the answer says. `context` is undefined if Druid sent none or one cut off in the middle. */
export interface NativeResponseInfo {
  readonly queryId: string;
  readonly context: ResponseContext | undefined;
}

/** Options of every native query. */
export interface NativeCallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds; see {@link DruidClientOptions.timeoutMs}. */
  readonly timeoutMs?: number;
  /** Called once, before the first row. */
  readonly onResponse?: (info: NativeResponseInfo) => void;
  /** Asks the server to compress its answer, which pays where the network is slower than both processors. */
  readonly gzip?: boolean;
  /** Called once when the answer is over, broken off or not; not if there was none. */
  readonly onTransfer?: (transfer: TransferredBytes) => void;
}

/** Options of native queries whose answers are decoded as they arrive. */
export interface NativeStreamOptions extends NativeCallOptions {
  /**
   * What the server is asked to send; `json` unless given. Smile is binary: fewer bytes, less work on both sides, the
   * same values but for FLOAT columns, which come as the exact value of the 32-bit number, not as its shortest decimal.
   */
  readonly format?: 'json' | 'smile';
}

/** Options of native queries for rows. */
export interface NativeRowOptions<
  I extends Int64Mode = Int64Mode,
  T extends TimestampMode = TimestampMode,
> extends NativeStreamOptions {
  /** Default `safe-number`. */
  readonly int64?: I;
  /** Default `ms`: epoch milliseconds. */
  readonly timestamps?: T;
}

/** A native query of any type, as it is sent. */
export interface NativeQuery {
  readonly queryType: string;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/** How errors name the query. */
export const operationOf = (query: NativeQuery): string => `native ${query.queryType} query`;

/** Sends a native query and hands out what `createFormat` makes of its answer, in batches. @throws DruidError */
export async function* streamNative<T>(
  transport: Transport,
  query: NativeQuery,
  options: NativeStreamOptions,
  createFormat: () => ResultFormat<T>,
): AsyncGenerator<T[], void, undefined> {
  requirePositive('timeoutMs', options.timeoutMs);
  const operation = operationOf(query);
  const { onResponse, onTransfer } = options;
  yield* streamResult<T>({
    transport,
    operation,
    queryId: ownQueryId(query),
    request: (queryId) => ({
      ...nativeRequest(query, queryId, options),
      ...(options.format === 'smile' && { headers: { accept: 'application/x-jackson-smile' } }),
    }),
    cancelPath: (id) => path`/druid/v2/${id}`,
    createFormat,
    signal: options.signal,
    ...(onTransfer && { onTransfer }),
    ...(onResponse && {
      onResponse: (response, queryId) =>
        onResponse({ queryId, context: parseContext(response.headers['x-druid-response-context']) }),
    }),
  });
}

/** The request for a native query under this id. */
export function nativeRequest(query: NativeQuery, queryId: string, options: NativeCallOptions): DruidRequest {
  return {
    operation: operationOf(query),
    method: 'POST',
    path: '/druid/v2',
    kind: 'query',
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    gzip: options.gzip,
    body: { ...query, context: { ...query.context, queryId } },
  };
}

/** The id that the caller gave the query. */
export function ownQueryId({ context }: NativeQuery): string | undefined {
  const id = context?.['queryId'];
  return typeof id === 'string' ? id : undefined;
}

/** Refuses contexts that give the answer another shape. @throws DruidConfigError */
export function requireUsualShape({ context }: NativeQuery): void {
  const key = ['bySegment', 'resultAsArray'].find((name) => String(context?.[name]) === 'true');
  if (key === undefined) return;
  throw new DruidConfigError({
    message: `The context's '${key}' gives the answer a shape that has no typed rows. Read it with native.query.`,
    details: { option: `context.${key}` },
  });
}

const segmentDescriptor = z.looseObject({ itvl: z.string(), ver: z.string(), part: z.number() });
const responseContext = z.looseObject({ missingSegments: z.array(segmentDescriptor).optional() });

/** The header of that name; undefined if it is missing or cut off. */
export function parseContext(header: string | string[] | undefined): ResponseContext | undefined {
  if (typeof header !== 'string') return undefined;
  try {
    const parsed = responseContext.safeParse(JSON.parse(header));
    return parsed.success ? (parsed.data as ResponseContext) : undefined;
  } catch {
    return undefined; // Druid cuts the header off at a fixed size
  }
}
