import type { TimestampUnit } from './column-types.js';
import { parseIsoTimestamp } from './iso-timestamp.js';
import { describe, Rejection } from './rejection.js';

/** How a record's field tells its time. */
export interface TimestampFormat {
  /** Without it: a number of epoch milliseconds, a `Date` or an ISO 8601 text, whichever the value is. */
  readonly unit?: TimestampUnit;
  /** Whether digits below a millisecond are dropped, towards the past, instead of refused. */
  readonly truncate?: boolean;
}

/** Epoch milliseconds of a value that may be null or undefined, or why it has none. */
export type EncodeTimestamp = (value: unknown) => number | Rejection;

/** What `Date` can hold, and Druid as well. */
const MAX_TIME = 8.64e15;

const perMilli = { millis: 1, micros: 1_000, nanos: 1_000_000 } as const;

/** The encoder of one format, made once per schema. */
export function timestampEncoder({ unit, truncate = false }: TimestampFormat): EncodeTimestamp {
  const encode = unit === undefined ? anyTime(truncate) : timeOf(unit, truncate);
  return (value) =>
    value === null || value === undefined ? new Rejection('the timestamp is missing') : encode(value);
}

function anyTime(truncate: boolean): EncodeTimestamp {
  return (value) => {
    if (typeof value === 'number') return epochOf(value, 'millis', truncate);
    if (typeof value === 'string') return isoOf(value, truncate);
    if (value instanceof Date) return checkTime(value.getTime(), value);
    return new Rejection(`it is ${describe(value)}, not a timestamp`);
  };
}

function timeOf(unit: TimestampUnit, truncate: boolean): EncodeTimestamp {
  if (unit === 'iso') {
    return (value) =>
      typeof value === 'string'
        ? isoOf(value, truncate)
        : new Rejection(`it is ${describe(value)}, not an ISO 8601 text`);
  }
  return (value) => {
    if (typeof value === 'number')
      return unit === 'seconds' ? secondsOf(value, truncate) : epochOf(value, unit, truncate);
    if (typeof value === 'bigint') return bigEpochOf(value, unit, truncate);
    return new Rejection(`it is ${describe(value)}, not a number or bigint of epoch ${unit}`);
  };
}

function isoOf(text: string, truncate: boolean): number | Rejection {
  return (
    parseIsoTimestamp(text, truncate) ??
    new Rejection(
      `${describe(text)} is not an ISO 8601 time${truncate ? '' : ' of whole milliseconds'}, such as 2001-02-03T04:05:06.789Z`,
    )
  );
}

function secondsOf(value: number, truncate: boolean): number | Rejection {
  const time = Math.round(value * 1000);
  // Whole milliseconds as a decimal fraction: the double that is nearest to them.
  if (time / 1000 === value) return checkTime(time, value);
  if (truncate) return checkTime(Math.floor(value * 1000), value);
  return new Rejection(
    `${describe(value)} seconds are not whole milliseconds; 'truncate' drops what is below`,
  );
}

function epochOf(value: number, unit: keyof typeof perMilli, truncate: boolean): number | Rejection {
  if (unit === 'millis') return checkTime(truncate ? Math.floor(value) : value, value);
  const whole = truncate ? Math.floor(value) : value;
  if (!Number.isSafeInteger(whole))
    return new Rejection(`${describe(value)} is not a whole number of ${unit} up to 2^53 - 1; use a bigint`);
  const rest = floorRest(whole, perMilli[unit]);
  if (rest !== 0 && !truncate) return belowMillis(value, unit);
  return checkTime((whole - rest) / perMilli[unit], value);
}

function bigEpochOf(
  value: bigint,
  unit: Exclude<TimestampUnit, 'iso'>,
  truncate: boolean,
): number | Rejection {
  if (unit === 'seconds') return checkTime(Number(value) * 1000, value);
  const divisor = BigInt(perMilli[unit]);
  const rest = ((value % divisor) + divisor) % divisor;
  if (rest !== 0n && !truncate) return belowMillis(value, unit);
  return checkTime(Number((value - rest) / divisor), value);
}

function belowMillis(value: number | bigint, unit: string): Rejection {
  return new Rejection(
    `${describe(value)} ${unit} are not whole milliseconds; 'truncate' drops what is below`,
  );
}

function floorRest(value: number, divisor: number): number {
  const rest = value % divisor;
  return rest < 0 ? rest + divisor : rest;
}

function checkTime(time: number, value: unknown): number | Rejection {
  if (Number.isInteger(time) && Math.abs(time) <= MAX_TIME) return time === 0 ? 0 : time;
  return new Rejection(`${describe(value)} is not a whole number of epoch milliseconds that a date can hold`);
}
