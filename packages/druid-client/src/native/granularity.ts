/** How times are put into buckets, by the page "Query granularities" of Druid's documentation. */
export type Granularity =
  | SimpleGranularity
  | { readonly type: SimpleGranularity }
  | {
      readonly type: 'duration';
      /** Milliseconds. */
      readonly duration: number;
      readonly origin?: string;
    }
  | {
      readonly type: 'period';
      /** An ISO 8601 period, such as `P1M`. */
      readonly period: string;
      /** Where days begin, such as `Europe/Paris`. Default: UTC. */
      readonly timeZone?: string;
      readonly origin?: string;
    };

/** Granularities that have a name. `all` is one bucket, `none` one for each millisecond. */
export type SimpleGranularity =
  | 'all'
  | 'none'
  | 'second'
  | 'minute'
  | 'five_minute'
  | 'ten_minute'
  | 'fifteen_minute'
  | 'thirty_minute'
  | 'hour'
  | 'six_hour'
  | 'eight_hour'
  | 'day'
  | 'week'
  | 'month'
  | 'quarter'
  | 'year';

/** Builders of {@link Granularity} for what is more than a name. */
export const granularity = {
  /** Buckets of a calendar's length. @example granularity.period('P1D', { timeZone: 'Europe/Paris' }) */
  period: (period: string, options: { readonly timeZone?: string; readonly origin?: string } = {}) =>
    ({ type: 'period', period, ...options }) as const satisfies Granularity,
  /** Buckets of so many milliseconds. */
  duration: (duration: number, options: { readonly origin?: string } = {}) =>
    ({ type: 'duration', duration, ...options }) as const satisfies Granularity,
} as const;
