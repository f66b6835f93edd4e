import type { z } from 'zod';
import { trailerDenial } from '../body-chunks.js';
import { cancelQuery } from '../cancel.js';
import type { Int64Mode } from '../columns.js';
import { DruidAbortedError, DruidConfigError, DruidTimeoutError } from '../errors.js';
import { parseJson, parseWith } from '../json-request.js';
import { change, type CallOptions } from '../management/calls.js';
import { path } from '../request.js';
import { transferred, truncatedResult, type ResultFormat } from '../result-stream.js';
import type { RecordColumn, RecordOf } from '../smile-records.js';
import type { TimestampMode } from '../sql-columns.js';
import type { Transport } from '../transport.js';
import { ElementsFormat } from './answer-elements.js';
import {
  modesOf,
  rowReaders,
  segmentAnalysisReader,
  timesReader,
  type ReadElement,
  type SegmentAnalysis,
} from './answers.js';
import type { Dimension } from './dimensions.js';
import type { GroupByContext, TimeseriesContext, TopNContext } from './native-context.js';
import {
  nativeRequest,
  operationOf,
  ownQueryId,
  parseContext,
  requireUsualShape,
  streamNative,
  type NativeCallOptions,
  type NativeQuery,
  type NativeRowOptions,
  type NativeStreamOptions,
} from './native-call.js';
import { OutputDecoder, outputsOf } from './output-decoder.js';
import type {
  Aggregations,
  DataSourceMetadataQuery,
  Dimensions,
  GroupByQuery,
  PostAggregations,
  ScanQuery,
  SearchQuery,
  SegmentMetadataQuery,
  TimeBound,
  TimeBoundaryQuery,
  TimeseriesQuery,
  TopNQuery,
} from './queries.js';
import type {
  GroupByRowOf,
  SearchRow,
  ResultTime,
  TimeBoundary,
  TimeseriesRowOf,
  TopNRowOf,
} from './result-rows.js';
import { ScanFormat, type ScanBatch } from './scan-format.js';
import { ScanRecordsFormat, type RecordBatch } from './scan-records.js';

/** Options of a scan. */
export interface ScanOptions extends NativeStreamOptions {
  /** Default `safe-number`. */
  readonly int64?: Int64Mode;
}

/** Options of {@link DruidNative.scanRecords}; `format` is `smile` unless given. */
export interface ScanRecordOptions<
  C extends Readonly<Record<string, RecordColumn>> = Readonly<Record<string, RecordColumn>>,
  I extends Int64Mode = Int64Mode,
> extends NativeStreamOptions {
  /** What the columns that records shall have hold; the other columns are left out of them. */
  readonly records: C;
  /** Default `safe-number`. */
  readonly int64?: I;
}

/** Options of {@link DruidNative.query}. */
export interface NativeQueryOptions<T = unknown> extends NativeCallOptions {
  /** Default `safe-number`. */
  readonly int64?: Int64Mode;
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
    const operation = operationOf({ queryType: 'scan' });
    const createFormat = () => new ScanFormat(options.int64 ?? 'safe-number', operation);
    return { [Symbol.asyncIterator]: () => this.scanBatches(query, options, createFormat) };
  }

  /**
   * The same as {@link DruidNative.scan}, but rows in Smile become objects while they are decoded, in about half the time.
   * A row with a value that is not of the kind in `records`, and every row of an answer in JSON, comes as {@link scan} gives
   * it, in a batch that has `rows` and no `records`.
   *
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  scanRecords<const C extends Readonly<Record<string, RecordColumn>>, I extends Int64Mode = 'safe-number'>(
    query: ScanQuery,
    options: ScanRecordOptions<C, I>,
  ): AsyncIterable<RecordBatch<RecordOf<C, I>> | ScanBatch> {
    const { records, int64 = 'safe-number' } = options;
    const { columns } = query;
    const operation = operationOf({ queryType: 'scan' });
    // That records are of these types is the first invariant of `smile-records.ts`.
    const createFormat = () =>
      new ScanRecordsFormat({ columns, records, int64, operation }) as ResultFormat<
        RecordBatch<RecordOf<C, I>> | ScanBatch
      >;
    return {
      [Symbol.asyncIterator]: () => this.scanBatches(query, { format: 'smile', ...options }, createFormat),
    };
  }

  /**
   * Aggregates over time. What a row holds follows from the query; times are epoch milliseconds unless `timestamps` says
   * otherwise.
   *
   * @example
   * await druid.native.timeseries({
   *   dataSource: 'edits', intervals: ['2026/2027'], granularity: 'day',
   *   aggregations: [aggregation.count('rows'), aggregation.longSum('added')],
   * }) // [{ timestamp: 1767225600000, result: { rows: 24, added: 36 } }]
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  timeseries<
    const A extends Aggregations = readonly [],
    const P extends PostAggregations = readonly [],
    const C extends TimeseriesContext = TimeseriesContext,
    I extends Int64Mode = 'safe-number',
    T extends TimestampMode = 'ms',
  >(
    query: TimeseriesQuery<A, P, C>,
    options: NativeRowOptions<I, T> = {},
  ): Promise<TimeseriesRowOf<A, P, C, I, T>[]> {
    return all(this.rows({ ...query, queryType: 'timeseries' }, [], options));
  }

  /**
   * Finds the groups of one dimension that come first.
   *
   * @example
   * await druid.native.topN({
   *   dataSource: 'edits', intervals: ['2026/2027'], granularity: 'all', dimension: 'page', threshold: 2, metric: 'added',
   *   aggregations: [aggregation.longSum('added')],
   * }) // [{ timestamp: 1767225600000, result: [{ page: 'Main_Page', added: 36 }, …] }]
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  topN<
    const D extends Dimension,
    const A extends Aggregations = readonly [],
    const P extends PostAggregations = readonly [],
    const C extends TopNContext = TopNContext,
    I extends Int64Mode = 'safe-number',
    T extends TimestampMode = 'ms',
  >(
    query: TopNQuery<D, A, P, C>,
    options: NativeRowOptions<I, T> = {},
  ): Promise<TopNRowOf<D, A, P, C, I, T>[]> {
    return all(this.rows({ ...query, queryType: 'topN' }, [query.dimension], options));
  }

  /**
   * Aggregates by dimensions and collects the groups; {@link DruidNative.streamGroupBy} hands them out as they arrive.
   *
   * @example
   * await druid.native.groupBy({
   *   dataSource: 'edits', intervals: ['2026/2027'], granularity: 'day', dimensions: ['lang'],
   *   aggregations: [aggregation.longSum('added')], having: having.greaterThan('added', 10),
   * }) // [{ version: 'v1', timestamp: 1767225600000, event: { lang: 'en', added: 36 } }]
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  groupBy<
    const D extends Dimensions,
    const A extends Aggregations = readonly [],
    const P extends PostAggregations = readonly [],
    const C extends GroupByContext = GroupByContext,
    I extends Int64Mode = 'safe-number',
    T extends TimestampMode = 'ms',
  >(
    query: GroupByQuery<D, A, P, C>,
    options: NativeRowOptions<I, T> = {},
  ): Promise<GroupByRowOf<D, A, P, C, I, T>[]> {
    return all(this.streamGroupBy(query, options));
  }

  /**
   * Aggregates by dimensions and hands out the groups in batches as they arrive, in constant memory. Nothing is sent
   * before the first batch is asked for; leaving the loop early, or aborting, cancels the query on the server.
   *
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  streamGroupBy<
    const D extends Dimensions,
    const A extends Aggregations = readonly [],
    const P extends PostAggregations = readonly [],
    const C extends GroupByContext = GroupByContext,
    I extends Int64Mode = 'safe-number',
    T extends TimestampMode = 'ms',
  >(
    query: GroupByQuery<D, A, P, C>,
    options: NativeRowOptions<I, T> = {},
  ): AsyncIterable<GroupByRowOf<D, A, P, C, I, T>[]> {
    return this.rows({ ...query, queryType: 'groupBy' }, (query.dimensions as D | undefined) ?? [], options);
  }

  /**
   * Finds the values of dimensions in which a text occurs.
   *
   * @example
   * await druid.native.search({
   *   dataSource: 'edits', intervals: ['2026/2027'], searchDimensions: ['page'],
   *   query: { type: 'insensitive_contains', value: 'main' },
   * }) // [{ timestamp: 1767225600000, result: [{ dimension: 'page', value: 'Main_Page', count: 3 }] }]
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  search<T extends TimestampMode = 'ms'>(
    query: SearchQuery,
    options: NativeRowOptions<'safe-number', T> = {},
  ): Promise<SearchRow<ResultTime<T>>[]> {
    return all(this.rows({ granularity: 'all', ...query, queryType: 'search' }, [], options));
  }

  /**
   * The times of the first and the last row, or of the one that `bound` asks for; undefined if there are no rows.
   *
   * @example await druid.native.timeBoundary({ dataSource: 'edits' }) // { minTime: 1767225600000, maxTime: 1767308399999 }
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  async timeBoundary<const B extends TimeBound | undefined = undefined, T extends TimestampMode = 'ms'>(
    query: TimeBoundaryQuery<B>,
    options: NativeRowOptions<'safe-number', T> = {},
  ): Promise<TimeBoundary<B, ResultTime<T>> | undefined> {
    return this.times({ ...query, queryType: 'timeBoundary' }, options);
  }

  /**
   * The time of the last event that Druid has taken in; undefined if there are no rows.
   *
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  async dataSourceMetadata<T extends TimestampMode = 'ms'>(
    query: DataSourceMetadataQuery,
    options: NativeRowOptions<'safe-number', T> = {},
  ): Promise<{ readonly maxIngestedEventTime: ResultTime<T> } | undefined> {
    return this.times({ ...query, queryType: 'dataSourceMetadata' }, options);
  }

  /**
   * What is known of segments: rows, columns, types, cardinalities.
   *
   * @example
   * const [all] = await druid.native.segmentMetadata({ dataSource: 'edits', merge: true, intervals: [eternity] });
   * console.log(all?.numRows, all?.columns['page']?.cardinality);
   * @throws DruidTruncatedError, DruidRemoteError, DruidDecodeError
   */
  segmentMetadata(query: SegmentMetadataQuery, options: ScanOptions = {}): Promise<SegmentAnalysis[]> {
    const native: NativeQuery = { ...query, queryType: 'segmentMetadata' };
    const read = segmentAnalysisReader(options.int64 ?? 'safe-number', operationOf(native));
    return all(this.elements(native, options, read));
  }

  /**
   * Runs a native query of any type as it is and returns its whole answer, checked by `schema` if given.
   *
   * @throws DruidRemoteError, DruidDecodeError (not JSON: truncated, too), DruidTruncatedError (the trailers say so)
   */
  async query<T = unknown>(query: NativeQuery, options: NativeQueryOptions<T> = {}): Promise<T> {
    const operation = operationOf(query);
    const { transport } = this;
    const value = await transport.retrying(nativeRequest(query, '', options), async (server) => {
      const queryId = ownQueryId(query) ?? transport.runtime.createId();
      try {
        const request = { ...nativeRequest(query, queryId, options), server, requestId: queryId };
        const { response, text } = await transport.textOnce(request);
        options.onResponse?.({
          queryId,
          context: parseContext(response.headers['x-druid-response-context']),
        });
        options.onTransfer?.(transferred(response));
        const denial = trailerDenial(response);
        if (denial) throw truncatedResult(operation, response, queryId, 0, denial.serverMessage);
        return parseJson(text, operation, response, options.int64 ?? 'safe-number');
      } catch (error) {
        if (DruidAbortedError.is(error) || DruidTimeoutError.is(error)) {
          const cancelPath = path`/druid/v2/${queryId}`;
          await cancelQuery({ transport, path: cancelPath, queryId, server, hasStarted: false });
        }
        throw error;
      }
    });
    return options.schema === undefined ? (value as T) : parseWith(options.schema, value, operation);
  }

  /**
   * Asks Druid to stop the queries of this `queryId`, whoever runs them. Druid does not say whether there were any. Sent
   * exactly once.
   */
  cancel(queryId: string, options: CallOptions = {}): Promise<void> {
    const call = { operation: 'cancellation', method: 'DELETE', path: path`/druid/v2/${queryId}` } as const;
    return change(this.transport, call, options);
  }

  /** What a row is follows from the query's type, by `ResultMembers`; that it is so is the decoder's invariant. */
  private rows<R>(
    query: AggregatingQuery,
    dimensions: Dimensions,
    options: NativeRowOptions,
  ): AsyncIterable<R[]> {
    const { queryType, aggregations = [], postAggregations = [], context = {} } = query;
    const operation = operationOf(query);
    const outputs = outputsOf({ dimensions, aggregations, postAggregations, context });
    const decoder = new OutputDecoder(outputs, modesOf(options), operation);
    const read = rowReaders[queryType](decoder, operation);
    return this.elements<R>(query, options, read);
  }

  private async times<R>(query: NativeQuery, options: NativeRowOptions): Promise<R | undefined> {
    const operation = operationOf(query);
    const read = timesReader(new OutputDecoder([], modesOf(options), operation), operation);
    return (await all(this.elements<R>(query, options, read)))[0];
  }

  private elements<R>(
    query: NativeQuery,
    options: NativeStreamOptions,
    read: ReadElement,
  ): AsyncIterable<R[]> {
    return {
      [Symbol.asyncIterator]: () => {
        requireUsualShape(query);
        return streamNative<R>(
          this.transport,
          query,
          options,
          () => new ElementsFormat(read) as ResultFormat<R>,
        );
      },
    };
  }

  private async *scanBatches<B>(
    query: ScanQuery,
    options: NativeStreamOptions,
    createFormat: () => ResultFormat<B>,
  ): AsyncGenerator<B, void, undefined> {
    const { intervals, segments, columns, ...rest } = query;
    // Queries of Druid's documentation may have none, which means all to Druid, in an order that is not fixed.
    if (((columns as readonly string[] | undefined) ?? []).length === 0) {
      throw new DruidConfigError({
        message:
          "A scan needs at least one entry in 'columns', such as '__time'; sql.system.columns(table) lists them.",
        details: { option: 'columns' },
      });
    }
    const native: NativeQuery = {
      batchSize: defaultBatchSize,
      ...rest,
      queryType: 'scan',
      columns,
      resultFormat: 'compactedList',
      intervals: segments === undefined ? intervals : { type: 'segments', segments },
    };
    for await (const batch of streamNative(this.transport, native, options, createFormat)) yield* batch;
  }
}

type AggregatingQuery = NativeQuery & {
  readonly queryType: keyof typeof rowReaders;
  readonly aggregations?: Aggregations;
  readonly postAggregations?: PostAggregations;
};

async function all<R>(batches: AsyncIterable<R[]>): Promise<R[]> {
  const rows: R[] = [];
  for await (const batch of batches) {
    for (const row of batch) rows.push(row);
  }
  return rows;
}
