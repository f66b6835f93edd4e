import type { AsyncFunctionFactory } from '@millrace/core-stream';
import type { DruidClient, DruidClientOptions, Int64Mode, SqlColumnTypes } from '@millrace/druid-client';
import type { z } from 'zod';
import type { LookupKeyColumns, LookupKeyOf } from './lookup-key.js';
import {
  lookupSettings,
  type DruidLookupOptions,
  type LookupMatch,
  type LookupRow,
  type LookupSettings,
} from './lookup-options.js';
import { LookupFunction } from './lookup-function.js';

/** What a record is joined with: its row, or with match `all` its rows. */
export type LookupFound<Row, M extends LookupMatch> = M extends 'all' ? readonly Row[] : Row;

/** How records are joined with what Druid has for them. */
export interface LookupJoin<T, Found, R, K extends LookupKeyColumns> {
  /** The key of a record. Null or undefined among its values: there is no row for it, and Druid is not asked. */
  readonly key: (value: T) => LookupKeyOf<K>;
  readonly join: (value: T, found: Found) => R;
  /** What is emitted for a record whose time (`timeoutMs` of the stream) is up. Without it a time-out fails the job. */
  readonly onTimeout?: (value: T) => readonly R[];
}

/**
 * Joins a stream with what Druid holds at the time: many keys to a query, answers remembered for a while. Use it through
 * `AsyncDataStream`, whose `capacity` bounds the keys that can wait for one query.
 *
 * @example
 * const airports = new DruidLookup({
 *   druid: { url: 'http://localhost:8888' },
 *   from: 'airports',
 *   key: { iata: 'string' },
 *   columns: { city: 'string', elevation: 'long' },
 * });
 * const enriched = AsyncDataStream.unorderedWait(
 *   flights,
 *   airports.leftJoin({
 *     key: (flight: Flight) => ({ iata: flight.origin }),
 *     join: (flight, airport) => ({ ...flight, city: airport?.city ?? 'unknown' }),
 *   }),
 *   { timeoutMs: 60_000, capacity: 2_000 },
 * );
 * @throws DruidSourceConfigError
 */
export class DruidLookup<
  K extends LookupKeyColumns,
  C extends SqlColumnTypes = never,
  S extends z.ZodObject = never,
  I extends Int64Mode = 'safe-number',
  M extends LookupMatch = 'one',
> {
  private readonly druid: DruidClient | DruidClientOptions;
  private readonly settings: LookupSettings;

  constructor(options: DruidLookupOptions<K, C, S, I, M>) {
    this.druid = options.druid;
    this.settings = lookupSettings(options);
  }

  /** Every record is joined: with undefined (match `all`: with no rows) where Druid has nothing for it. */
  leftJoin<T, R>(
    join: LookupJoin<T, LookupFound<LookupRow<C, S, I>, M> | (M extends 'all' ? never : undefined), R, K>,
  ): AsyncFunctionFactory<T, R> {
    return this.joining(join, false);
  }

  /** Records for which Druid has nothing are left out. */
  innerJoin<T, R>(join: LookupJoin<T, LookupFound<LookupRow<C, S, I>, M>, R, K>): AsyncFunctionFactory<T, R> {
    return this.joining(join, true);
  }

  private joining<T, Found, R>(
    join: LookupJoin<T, Found, R, K>,
    isInner: boolean,
  ): AsyncFunctionFactory<T, R> {
    const { druid, settings } = this;
    const erased = join as unknown as LookupJoin<T, unknown, R, LookupKeyColumns>;
    return (context) => new LookupFunction<T, R>(context, { druid, settings, join: erased, isInner });
  }
}
