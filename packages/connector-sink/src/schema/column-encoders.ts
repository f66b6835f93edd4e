import type { DimensionType } from './column-types.js';
import { parseIsoTimestamp } from './iso-timestamp.js';

/** Why a value does not fit its column. The column's name is filled in by the caller. */
export class Rejection {
  column = '';
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Encodes a value that is neither null nor undefined as JSON, or says why it cannot. */
export type ColumnEncoder = (value: unknown) => string | Rejection;

const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;
/** What `Date` can hold, and Druid as well. */
const MAX_TIME = 8.64e15;

/** Characters that JSON escapes, and surrogates, which need a closer look. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const notPlain = /["\\\u0000-\u001f\ud800-\udfff]/;
const loneSurrogate = /\p{Surrogate}/u;

function encodeString(value: unknown): string | Rejection {
  if (typeof value !== 'string') return new Rejection(`it is ${describe(value)}, not a string`);
  if (!notPlain.test(value)) return `"${value}"`;
  // Druid keeps UTF-8, which has no lone surrogates: they would come back as question marks.
  if (loneSurrogate.test(value))
    return new Rejection(`${describe(value)} has a lone surrogate, which UTF-8 cannot hold`);
  return JSON.stringify(value);
}

function encodeStrings(value: unknown): string | Rejection {
  if (!Array.isArray(value)) return new Rejection(`it is ${describe(value)}, not an array of strings`);
  let text = '[';
  for (let index = 0; index < value.length; index++) {
    const encoded = encodeString(value[index]);
    if (typeof encoded !== 'string') return new Rejection(`element ${index}: ${encoded.reason}`);
    text += index === 0 ? encoded : `,${encoded}`;
  }
  return `${text}]`;
}

function encodeLong(value: unknown): string | Rejection {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return `${value}`;
    if (!Number.isInteger(value)) return new Rejection(`${describe(value)} is not an integer`);
    return new Rejection(`${describe(value)} is beyond 2^53 - 1, where a number is not exact; use a bigint`);
  }
  if (typeof value === 'bigint') {
    if (value >= LONG_MIN && value <= LONG_MAX) return `${value}`;
    return new Rejection(`${describe(value)} does not fit 64 bits`);
  }
  return new Rejection(`it is ${describe(value)}, not a number or bigint`);
}

function encodeDouble(value: unknown): string | Rejection {
  if (typeof value !== 'number') return new Rejection(`it is ${describe(value)}, not a number`);
  if (!Number.isFinite(value))
    return new Rejection(`${describe(value)} has no place in JSON; use null for "unknown"`);
  return Object.is(value, -0) ? '-0.0' : `${value}`;
}

function encodeFloat(value: unknown): string | Rejection {
  const encoded = encodeDouble(value);
  if (typeof encoded !== 'string' || Math.fround(value as number) === value) return encoded;
  return new Rejection(
    `${describe(value)} is not exact in 32 bits; use a double column or round it yourself`,
  );
}

/** For what only a sketch reads: text and numbers as they are. */
function encodeScalar(value: unknown): string | Rejection {
  if (typeof value === 'string') return encodeString(value);
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return encodeLong(value);
  return Array.isArray(value) ? encodeStrings(value) : encodeDouble(value);
}

/** A dimension's type, or `scalar` for a field that is no dimension and that only a sketch reads. */
export type EncodedType = DimensionType | 'scalar';

/** One encoder a type. */
export const columnEncoders: Readonly<Record<EncodedType, ColumnEncoder>> = {
  string: encodeString,
  'string[]': encodeStrings,
  long: encodeLong,
  double: encodeDouble,
  float: encodeFloat,
  scalar: encodeScalar,
};

/** Epoch milliseconds of a number, `Date` or ISO 8601 string. */
export function encodeTimestamp(value: unknown): number | Rejection {
  if (typeof value === 'number') return checkTime(value, value);
  if (typeof value === 'string') {
    const time = parseIsoTimestamp(value);
    if (time !== undefined) return time;
    return new Rejection(
      `${describe(value)} is not an ISO 8601 time of whole milliseconds, such as 2001-02-03T04:05:06.789Z`,
    );
  }
  if (value instanceof Date) return checkTime(value.getTime(), value);
  if (value === null || value === undefined) return new Rejection('the timestamp is missing');
  return new Rejection(`it is ${describe(value)}, not a timestamp`);
}

function checkTime(time: number, value: unknown): number | Rejection {
  if (Number.isInteger(time) && Math.abs(time) <= MAX_TIME) return time === 0 ? 0 : time;
  return new Rejection(`${describe(value)} is not a whole number of epoch milliseconds that a date can hold`);
}

/** A value for a message: short, and with its type where the text alone would mislead. */
function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : value.toISOString();
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
