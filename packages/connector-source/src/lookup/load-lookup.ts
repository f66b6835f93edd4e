import type { ProcessFunctionFactory } from '@millrace/core-stream';
import type { DruidClient, DruidClientOptions } from '@millrace/druid-client';
import { invalid, wholeNumber } from './lookup-options.js';
import { LookupMapFunction } from './lookup-map-function.js';

/** Options of {@link loadLookup}. */
export interface LoadLookupOptions {
  /** A client, which stays the caller's to close, or the options of one, which each subtask then opens and closes. */
  readonly druid: DruidClient | DruidClientOptions;
  /** The lookup's name in Druid. */
  readonly name: string;
  /** Default `__default`. */
  readonly tier?: string;
  /**
   * `auto`: a lookup of type `map` is read from its definition at the Coordinator, every other by SQL. `sql`: the Coordinator is
   * not asked, for users who may not; the Broker has to have the lookup. Default `auto`.
   */
  readonly via?: 'auto' | 'sql';
  /** Milliseconds between two readings. Default 1 minute. */
  readonly refreshMs?: number;
  /** While readings fail the last map is used, until it is this old: then the job fails. Default 1 hour. */
  readonly maxAgeMs?: number;
  /** A larger lookup is an error. Each subtask keeps one whole map, and a second one while it reads. Default 1,000,000. */
  readonly maxEntries?: number;
}

/** One of Druid's own lookups, to be kept in memory by a stream. */
export interface LoadedLookup {
  /**
   * One result per record. `lookup` is the whole map at the time of the record: a new map replaces the old one between two
   * records.
   */
  map<T, R>(join: (value: T, lookup: ReadonlyMap<string, string>) => R): ProcessFunctionFactory<T, R>;
}

/** The options, complete. */
export type LoadLookupSettings = Required<LoadLookupOptions>;

/**
 * Keeps one of Druid's own lookups (`lookup.…`) in memory, whole, and reads it again from time to time. Looking up is then
 * synchronous: no promise and no query per record.
 *
 * @example
 * const countries = loadLookup({ druid: { url: 'http://localhost:8888' }, name: 'countries' });
 * orders.process(
 *   countries.map((order: Order, names) => ({ ...order, country: names.get(order.countryCode) ?? 'unknown' })),
 * );
 * @throws DruidSourceConfigError
 */
export function loadLookup(options: LoadLookupOptions): LoadedLookup {
  const { name, via = 'auto' } = options;
  if (name === '') throw invalid('name', 'is empty', 'loadLookup');
  if (via !== 'auto' && via !== 'sql') {
    throw invalid('via', `is ${JSON.stringify(via)}; it is 'auto' or 'sql'`, 'loadLookup');
  }
  const atLeastOne = (option: string, value: number) => wholeNumber(option, value, 1, 'loadLookup');
  const settings: LoadLookupSettings = {
    druid: options.druid,
    name,
    tier: options.tier ?? '__default',
    via,
    refreshMs: atLeastOne('refreshMs', options.refreshMs ?? 60_000),
    maxAgeMs: atLeastOne('maxAgeMs', options.maxAgeMs ?? 3_600_000),
    maxEntries: atLeastOne('maxEntries', options.maxEntries ?? 1_000_000),
  };
  return { map: (join) => (context) => new LookupMapFunction(context, settings, join) };
}
