import { z } from 'zod';
import type { Int64Mode } from './columns.js';
import { trailerDenial } from './body-chunks.js';
import { cancelQuery } from './cancel.js';
import { DruidAbortedError, DruidConfigError, DruidTimeoutError } from './errors.js';
import { parseJson, parseWith } from './json-request.js';
import { requirePositive } from './options.js';
import { streamResult, truncatedResult } from './result-stream.js';
import { ScanFormat, type ScanBatch } from './scan-format.js';
import { path, type DruidRequest } from './request.js';
import type { Transport } from './transport.js';

/** One segment, as Druid's interval type `segments` names it. */
export interface SegmentDescriptor {
  /** Interval, `start/end` in ISO 8601. */
  readonly itvl: string;
  /** Version. */
  readonly ver: string;
  /** Partition number. */
  readonly part: number;
}

/** A native query of any type, sent as it is. */
export interface NativeQuery {
  readonly queryType: string;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

interface ScanQueryBase {
  /** A datasource's name, or one of Druid's datasource objects. */
  readonly dataSource: string | Readonly<Record<string, unknown>>;
  /** At least one; an empty list would mean "all columns" to Druid, in an order that is not fixed. */
  readonly columns: readonly string[];
  readonly filter?: Readonly<Record<string, unknown>>;
  readonly virtualColumns?: readonly Readonly<Record<string, unknown>>[];
  /** Druid's `order`, by `__time`. */
  readonly order?: 'none' | 'ascending' | 'descending';
  readonly limit?: number;
  readonly offset?: number;
  /** Rows per batch at most; 4,096 unless given, which needs less memory than Druid's own default of 20,480. */
  readonly batchSize?: number;
  readonly context?: Readonly<Record<string, unknown>>;
}

/** What to scan: time intervals, or exact segments. */
export type ScanQuery = ScanQueryBase &
  (
    | { readonly intervals: readonly string[]; readonly segments?: never }
    | { readonly segments: readonly SegmentDescriptor[]; readonly intervals?: never }
  );

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

/** Options of a scan. */
export interface ScanOptions {
  /** Default `safe-number`. */
  readonly int64?: Int64Mode;
  readonly signal?: AbortSignal;
  /** Milliseconds; see {@link DruidClientOptions.timeoutMs}. */
  readonly timeoutMs?: number;
  /** Called once, before the first batch. */
  readonly onResponse?: (info: NativeResponseInfo) => void;
  /**
   * What the server is asked to send; `json` unless given. Smile is binary: fewer bytes, less work on both sides, the
   * same values but for FLOAT columns, which come as the exact value of the 32-bit number, not as its shortest decimal.
   */
  readonly format?: 'json' | 'smile';
}

/** Options of {@link DruidNative.query}. */
export interface NativeQueryOptions<T = unknown> extends Omit<ScanOptions, 'format'> {
  readonly schema?: z.ZodType<T>;
}

const defaultBatchSize = 4_096;

/** `POST /druid/v2`. */
export class DruidNative {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /**
   * Reads rows with a native scan query, batch by batch as they arrive; one batch is held at a time. Nothing is sent
   * before the first batch is asked for. Leaving the loop early, or aborting, cancels the query on the server.
   *
   * Druid answers 200 without the rows of segments it does not have: compare row counts, or `missingSegments`.
   *
   * @example
   * for await (const { columns, rows } of druid.native.scan({ dataSource: 'edits', intervals: ['2020/2021'], columns: ['__time', 'page'] })) …
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  scan(query: ScanQuery, options: ScanOptions = {}): AsyncIterable<ScanBatch> {
    return { [Symbol.asyncIterator]: () => this.scanBatches(query, options) };
  }

  /**
   * Runs a native query of another type (`timeseries`, `groupBy`, `segmentMetadata`, …) and returns its whole answer,
   * checked by `schema` if given.
   *
   * @throws DruidRemoteError, DruidDecodeError (not JSON: truncated, too), DruidTruncatedError (the trailers say so)
   */
  async query<T = unknown>(query: NativeQuery, options: NativeQueryOptions<T> = {}): Promise<T> {
    const operation = `native ${query.queryType} query`;
    const { transport } = this;
    const value = await transport.retrying(this.request(query, operation, '', options), async () => {
      const queryId = ownQueryId(query.context) ?? transport.runtime.createId();
      try {
        const { response, text } = await transport.textOnce(this.request(query, operation, queryId, options));
        options.onResponse?.({
          queryId,
          context: parseContext(response.headers['x-druid-response-context']),
        });
        const denial = trailerDenial(response);
        if (denial) throw truncatedResult(operation, response, queryId, 0, denial.serverMessage);
        return parseJson(text, operation, response, options.int64 ?? 'safe-number');
      } catch (error) {
        if (DruidAbortedError.is(error) || DruidTimeoutError.is(error)) {
          await cancelQuery(transport, path`/druid/v2/${queryId}`, queryId, false);
        }
        throw error;
      }
    });
    return options.schema === undefined ? (value as T) : parseWith(options.schema, value, operation);
  }

  private async *scanBatches(
    query: ScanQuery,
    options: ScanOptions,
  ): AsyncGenerator<ScanBatch, void, undefined> {
    requirePositive('timeoutMs', options.timeoutMs);
    const { intervals, segments, columns, ...rest } = query;
    if (columns.length === 0) {
      throw new DruidConfigError({
        message: "A scan needs at least one entry in 'columns'.",
        details: { option: 'columns' },
      });
    }
    const operation = 'native scan query';
    const native: NativeQuery = {
      batchSize: defaultBatchSize,
      ...rest,
      queryType: 'scan',
      columns,
      resultFormat: 'compactedList',
      intervals: segments === undefined ? intervals : { type: 'segments', segments },
    };
    const { onResponse } = options;
    const batches = streamResult<ScanBatch>({
      transport: this.transport,
      operation,
      queryId: ownQueryId(query.context),
      request: (queryId) => ({
        ...this.request(native, operation, queryId, options),
        ...(options.format === 'smile' && { headers: { accept: 'application/x-jackson-smile' } }),
      }),
      cancelPath: (id) => path`/druid/v2/${id}`,
      createFormat: () => new ScanFormat(options.int64 ?? 'safe-number', operation),
      signal: options.signal,
      ...(onResponse && {
        onResponse: (response, queryId) =>
          onResponse({ queryId, context: parseContext(response.headers['x-druid-response-context']) }),
      }),
    });
    for await (const batch of batches) yield* batch;
  }

  private request(
    query: NativeQuery,
    operation: string,
    queryId: string,
    options: Pick<ScanOptions, 'signal' | 'timeoutMs'>,
  ): DruidRequest {
    return {
      operation,
      method: 'POST',
      path: '/druid/v2',
      kind: 'query',
      signal: options.signal,
      timeoutMs: options.timeoutMs,
      body: { ...query, context: { ...query.context, queryId } },
    };
  }
}

function ownQueryId(context: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const id = context?.['queryId'];
  return typeof id === 'string' ? id : undefined;
}

const segmentDescriptor = z.looseObject({ itvl: z.string(), ver: z.string(), part: z.number() });
const responseContext = z.looseObject({ missingSegments: z.array(segmentDescriptor).optional() });

function parseContext(header: string | string[] | undefined): ResponseContext | undefined {
  if (typeof header !== 'string') return undefined;
  try {
    const parsed = responseContext.safeParse(JSON.parse(header));
    return parsed.success ? (parsed.data as ResponseContext) : undefined;
  } catch {
    return undefined; // Druid cuts the header off at a fixed size
  }
}
