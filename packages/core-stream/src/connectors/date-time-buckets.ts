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
 * Years before 0 and after 9999 have a sign and six digits, as in ISO 8601.
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
    if (Number.isNaN(new Date(at).getTime())) {
      throw new StreamRecordError(
        `The timestamp ${at} is no date, so its record has no bucket. Correct what assigns timestamps: they are epoch milliseconds.`,
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

/** What a pattern's letters stand for, by their place in the match of `ISO_DATE`. */
const FIELDS: Readonly<Record<string, number>> = { yyyy: 1, MM: 2, dd: 3, HH: 4, mm: 5 };
const ISO_DATE = /^([+-]?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d)/;

function formatter(pattern: string, timeZone: string): (at: number) => string {
  const parts: (string | number)[] = [];
  let seen = 0;
  for (const { 0: text, 1: literal } of pattern.matchAll(/'([^']*)'|yyyy|MM|dd|HH|mm|[^A-Za-z']+/g)) {
    seen += text.length;
    parts.push(literal ?? FIELDS[text] ?? text);
  }
  if (seen !== pattern.length || !parts.some((part) => typeof part === 'number')) {
    throw new StreamConfigError(
      `The pattern of date-time buckets has yyyy, MM, dd, HH and mm, and other letters in single quotes, got ${JSON.stringify(pattern)}`,
    );
  }
  const localTime = localTimeIn(timeZone);
  return (at) => {
    const fields = ISO_DATE.exec(localTime(at).toISOString())!;
    return parts.map((part) => (typeof part === 'string' ? part : fields[part])).join('');
  };
}

/** What clocks in the zone show, as if it were UTC: `Intl` itself counts years from 1, and days before 1582 as Julian. */
function localTimeIn(timeZone: string): (at: number) => Date {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  } catch (error) {
    throw new StreamConfigError(
      `'timeZone' of date-time buckets must be an IANA name, got ${JSON.stringify(timeZone)}`,
      { cause: error },
    );
  }
  return (at) => {
    const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const [, sign, hours = 0, minutes = 0, seconds = 0] = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(
      name,
    )!;
    const offsetMs = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
    return new Date(sign === '-' ? at - offsetMs : at + offsetMs);
  };
}
