import type { DimensionType } from './column-types.js';
import { jsonEncoder } from './encode-json.js';
import { describe, Rejection } from './rejection.js';

/** Encodes a value that is neither null nor undefined as JSON, or says why it cannot. */
export type ColumnEncoder = (value: unknown) => string | Rejection;

const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;

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

/** Arrays of what `element` encodes; elements may be null where `nulls` says so. */
function arrayEncoder(element: ColumnEncoder, of: string, nulls: boolean): ColumnEncoder {
  return (value) => {
    if (!Array.isArray(value)) return new Rejection(`it is ${describe(value)}, not an array of ${of}`);
    let text = '';
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index];
      const encoded = item === null && nulls ? 'null' : element(item);
      if (typeof encoded !== 'string') return new Rejection(`element ${index}: ${encoded.reason}`);
      text += index === 0 ? encoded : `,${encoded}`;
    }
    return `[${text}]`;
  };
}

const encodeStrings = arrayEncoder(encodeString, 'strings', false);

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
  if (Object.is(value, -0)) return '-0.0';
  // Digits alone are an integer to Druid, which it may not take beyond 64 bits.
  return Math.abs(value) >= 2 ** 53 && Math.abs(value) < 1e21 ? `${value}.0` : `${value}`;
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
  'array<string>': arrayEncoder(encodeString, 'strings', true),
  'array<long>': arrayEncoder(encodeLong, 'integers', true),
  'array<double>': arrayEncoder(encodeDouble, 'numbers', true),
  json: jsonEncoder({ string: encodeString, long: encodeLong, double: encodeDouble }),
  scalar: encodeScalar,
};
