import { StreamConfigError, StreamRecordError } from '../errors.js';
import type { BucketAssigner } from './bucket-assigner.js';

export interface DateTimeBucketsOptions {
  /** `event` takes the record's timestamp, `processing` the clock when it is written; `event` unless told. */
  readonly time?: 'event' | 'processing';
  /** An IANA name such as `Europe/Berlin`; `UTC` unless told. */
  readonly timeZone?: string;
}

const MINUTE_MS = 60_000;

/**
 * A bucket per year, day, hour or minute. The pattern has `yyyy`, `MM`, `dd`, `HH` and `mm`, and other letters in single
 * quotes; with `/` buckets are nested. With a time zone that changes its clock, an hour can come twice under one name.
 *
 * @example
 * dateTimeBuckets("'day='yyyy-MM-dd/'hour='HH") // day=2026-03-01/hour=17
 * @throws StreamConfigError for another pattern, or a zone that is not known
 */
export function dateTimeBuckets<T>(
  pattern = 'yyyy-MM-dd--HH',
  { time = 'event', timeZone = 'UTC' }: DateTimeBucketsOptions = {},
): BucketAssigner<T> {
  const format = formatter(pattern, timeZone);
  // Neighbouring records mostly fall into the same minute, for which the text is made once.
  let minute = NaN;
  let bucket = '';
  return (_value, context) => {
    const at = time === 'event' ? context.timestamp : context.currentProcessingTime();
    if (at === undefined) {
      throw new StreamRecordError(
        'A record without a timestamp has no bucket by event time. Assign timestamps before the sink, or use the processing time.',
      );
    }
    const now = Math.floor(at / MINUTE_MS);
    if (now !== minute) {
      bucket = format(at);
      minute = now;
    }
    return bucket;
  };
}

const FIELDS = { yyyy: 'year', MM: 'month', dd: 'day', HH: 'hour', mm: 'minute' } as const;
type Field = (typeof FIELDS)[keyof typeof FIELDS];

function formatter(pattern: string, timeZone: string): (at: number) => string {
  const parts: (string | { readonly field: Field })[] = [];
  let seen = 0;
  for (const { 0: text, 1: literal } of pattern.matchAll(/'([^']*)'|yyyy|MM|dd|HH|mm|[^A-Za-z']+/g)) {
    seen += text.length;
    parts.push(literal ?? (text in FIELDS ? { field: FIELDS[text as keyof typeof FIELDS] } : text));
  }
  if (seen !== pattern.length || !parts.some((part) => typeof part === 'object')) {
    throw new StreamConfigError(
      `The pattern of date-time buckets has yyyy, MM, dd, HH and mm, and other letters in single quotes, got ${JSON.stringify(pattern)}`,
    );
  }
  const numbers = numbersIn(timeZone);
  return (at) => {
    const values = numbers(at);
    return parts
      .map((part) =>
        typeof part === 'string'
          ? part
          : String(values[part.field]).padStart(part.field === 'year' ? 4 : 2, '0'),
      )
      .join('');
  };
}

function numbersIn(timeZone: string): (at: number) => Record<Field, number> {
  let parts: Intl.DateTimeFormat;
  try {
    parts = new Intl.DateTimeFormat('en-u-ca-iso8601', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
  } catch (error) {
    throw new StreamConfigError(
      `'timeZone' of date-time buckets must be an IANA name, got ${JSON.stringify(timeZone)}`,
      { cause: error },
    );
  }
  return (at) => {
    const values = { year: 0, month: 0, day: 0, hour: 0, minute: 0 };
    for (const { type, value } of parts.formatToParts(at)) {
      if (type in values) values[type as Field] = Number(value);
    }
    return values;
  };
}
