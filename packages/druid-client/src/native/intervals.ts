import { DruidConfigError } from '../errors.js';

/** One segment, as Druid's interval type `segments` names it. */
export interface SegmentDescriptor {
  /** Interval, `start/end` in ISO 8601. */
  readonly itvl: string;
  /** Version. */
  readonly ver: string;
  /** Partition number. */
  readonly part: number;
}

/** What a query reads: times, as `start/end` in ISO 8601 with the end left out, or exact segments. */
export type Intervals =
  | readonly string[]
  | { readonly type: 'intervals'; readonly intervals: readonly string[] }
  | { readonly type: 'segments'; readonly segments: readonly SegmentDescriptor[] };

/** All times that Druid knows. */
export const eternity = '-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z';

/** The start of {@link eternity}, which a Date cannot hold. */
export const eternityStart = { text: '-146136543-09-08T08:23:32.096Z', ms: -(2 ** 62) } as const;

/**
 * An interval from `start` to before `end`. Numbers are epoch milliseconds; text is taken as it is, and may be a period
 * on one side.
 *
 * @example interval(new Date('2026-01-01'), 'P1D') // '2026-01-01T00:00:00.000Z/P1D'
 * @throws DruidConfigError for a Date that is none, and for an end before the start
 */
export function interval(start: Date | number | string, end: Date | number | string): string {
  const from = textOf(start, 'start');
  const to = textOf(end, 'end');
  if (typeof start !== 'string' && typeof end !== 'string' && Number(start) > Number(end)) {
    throw new DruidConfigError({
      message: `The interval ${from}/${to} ends before it starts. Exchange its two times.`,
      details: { option: 'intervals' },
    });
  }
  return `${from}/${to}`;
}

function textOf(time: Date | number | string, side: string): string {
  if (typeof time === 'string') return time;
  const date = new Date(time);
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw new DruidConfigError({
    message: `The ${side} of an interval is ${String(time)}, which is no time that a Date can hold. Give Druid's text instead.`,
    details: { option: 'intervals' },
  });
}
