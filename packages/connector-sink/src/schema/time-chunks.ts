import type { SimpleGranularity } from '@millrace/druid-client';
import { DruidSinkConfigError } from '../errors.js';

/** How Druid cuts time: the length of a segment's interval, or what `__time` is rounded down to. All in UTC. */
export type Granularity = Exclude<SimpleGranularity, 'none'>;

/** Half-open, epoch milliseconds. */
export interface TimeRange {
  readonly start: number;
  readonly end: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Nominal for what is based on the calendar, exact for the others. */
const lengthMs: Readonly<Record<Granularity, number>> = {
  second: 1000,
  minute: MINUTE,
  five_minute: 5 * MINUTE,
  ten_minute: 10 * MINUTE,
  fifteen_minute: 15 * MINUTE,
  thirty_minute: 30 * MINUTE,
  hour: HOUR,
  six_hour: 6 * HOUR,
  eight_hour: 8 * HOUR,
  day: DAY,
  week: 7 * DAY,
  month: 28 * DAY,
  quarter: 90 * DAY,
  year: 365 * DAY,
  all: Infinity,
};

const monthsOf: Partial<Record<Granularity, number>> = { month: 1, quarter: 3, year: 12 };

/** 1970-01-01 was a Thursday; Druid's weeks begin on Monday. */
const MONDAY_OFFSET = 3 * DAY;

/** `Date.UTC` reads the years 0 to 99 as 1900 to 1999; this does not. */
function utcMonth(year: number, month: number): number {
  return new Date(0).setUTCFullYear(year, month, 1);
}

/** Throws {@link DruidSinkConfigError} unless Druid knows `value`. */
export function requireGranularity(option: string, value: string): Granularity {
  if (Object.hasOwn(lengthMs, value)) return value as Granularity;
  throw new DruidSinkConfigError(
    `Option '${option}' is '${value}'. Use one of: ${Object.keys(lengthMs).join(', ')}.`,
    { details: { option, value } },
  );
}

/**
 * Whether each chunk of `a` lies in one chunk of `b`. Weeks cross the ends of months, ten minutes those of fifteen.
 */
export function isWithin(a: Granularity, b: Granularity): boolean {
  if (a === b || b === 'all') return true;
  const [months, ofMonths] = [monthsOf[a], monthsOf[b]];
  if (ofMonths !== undefined) return months === undefined ? lengthMs[a] <= DAY : ofMonths % months === 0;
  return lengthMs[b] % lengthMs[a] === 0;
}

/**
 * The chunk of time that `time` falls into.
 *
 * @example chunkOf('day', Date.parse('2001-02-03T04:05:06Z')) // 2001-02-03T00:00Z to 2001-02-04T00:00Z
 */
export function chunkOf(granularity: Granularity, time: number): TimeRange {
  if (granularity === 'all') return { start: -Infinity, end: Infinity };
  const months = monthsOf[granularity];
  if (months !== undefined) {
    const date = new Date(time);
    const month = Math.floor(date.getUTCMonth() / months) * months;
    const year = date.getUTCFullYear();
    return { start: utcMonth(year, month), end: utcMonth(year, month + months) };
  }
  const length = lengthMs[granularity];
  const offset = granularity === 'week' ? MONDAY_OFFSET : 0;
  const start = Math.floor((time + offset) / length) * length - offset;
  return { start, end: start + length };
}

/**
 * More chunks than this are not named to Druid: a task takes one lock for each of them before it starts. Without them Druid
 * reads the input once more to find them.
 */
const MAX_CHUNKS = 100;

/** Remembers which chunks of time a file's rows fall into, at the cost of two comparisons a row. */
export class TimeChunks {
  readonly #granularity: Granularity;
  #starts = new Map<number, TimeRange>();
  #last: TimeRange = { start: Infinity, end: -Infinity };
  #min = Infinity;
  #max = -Infinity;
  /** There are too many chunks to name, or they have no bounds. */
  readonly #isUnbounded: boolean;

  /** @param restored what another one has remembered, to go on from */
  constructor(
    granularity: Granularity,
    restored?: Pick<TimeChunks, 'minTime' | 'maxTime'> & { readonly chunks: readonly TimeRange[] | null },
  ) {
    this.#granularity = granularity;
    this.#isUnbounded = granularity === 'all' || restored?.chunks === null;
    for (const { start, end } of restored?.chunks ?? []) {
      for (let time = start; time < end; time = this.#last.end) this.add(time);
    }
    if (restored === undefined) return;
    this.#min = restored.minTime;
    this.#max = restored.maxTime;
  }

  add(time: number): void {
    if (time < this.#min) this.#min = time;
    if (time > this.#max) this.#max = time;
    if (time >= this.#last.start && time < this.#last.end) return;
    this.#last = chunkOf(this.#granularity, time);
    if (this.#starts.size <= MAX_CHUNKS) this.#starts.set(this.#last.start, this.#last);
  }

  get minTime(): number {
    return this.#min;
  }

  get maxTime(): number {
    return this.#max;
  }

  /** The chunks in order, neighbours merged; `null` where they are too many or have no bounds. */
  ranges(): readonly TimeRange[] | null {
    if (this.#isUnbounded || this.#starts.size > MAX_CHUNKS) return null;
    const merged: TimeRange[] = [];
    for (const chunk of [...this.#starts.values()].sort((a, b) => a.start - b.start)) {
      const previous = merged.at(-1);
      if (previous?.end === chunk.start)
        merged[merged.length - 1] = { start: previous.start, end: chunk.end };
      else merged.push(chunk);
    }
    return merged;
  }
}
