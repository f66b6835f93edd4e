/** JSON as Java's Jackson reads and writes it where JavaScript differs: exact 64-bit integers and doubles with a point. */

import { randomUUID } from 'node:crypto';

/** Strings (so that their digits are left alone) and numbers that JavaScript would not give back as they were written. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const LONG_DIGITS = /\d{16}/;
const MARK = `\u0000${randomUUID()}`;

/** A JSON number written with a point or an exponent although its value is whole: Java's Double, not its Long. */
export class WholeDouble {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** `JSON.parse` that turns integers beyond 2^53 into bigint instead of rounding them. */
export function parseJsonLossless(text: string): unknown {
  return LONG_DIGITS.test(text) ? parseMarked(text, isLongInteger) : JSON.parse(text);
}

/** {@link parseJsonLossless} that also tells `1.0` and `1e3` (as {@link WholeDouble}) from `1` and `1000`. */
export function parseJsonAsJava(text: string): unknown {
  if (!MAY_DIFFER.test(text)) return JSON.parse(text);
  return parseMarked(text, (token) => isLongInteger(token) || isWholeDouble(token));
}

/** Long digits, or a number with an exponent or with nothing but zeros behind the point. */
const MAY_DIFFER = /\d{16}|[:,[]\s*-?\d+(?:\.0+(?!\d)|(?:\.\d+)?[eE])/;

const isLongInteger = (token: string): boolean =>
  /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token));
const isWholeDouble = (token: string): boolean => /[.eE]/.test(token) && Number.isInteger(Number(token));

function parseMarked(text: string, isSpecial: (token: string) => boolean): unknown {
  let found = false;
  const marked = text.replace(TOKENS, (token) => {
    if (token.startsWith('"') || !isSpecial(token)) return token;
    found = true;
    return JSON.stringify(MARK + token);
  });
  if (!found) return JSON.parse(text);
  return JSON.parse(marked, (_key, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith(MARK)) return value;
    const token = value.slice(MARK.length);
    return isWholeDouble(token) ? new WholeDouble(Number(token)) : BigInt(token);
  });
}

/** `JSON.stringify` that writes bigint as a number. */
export function stringifyJsonLossless(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map(stringifyJsonLossless).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${stringifyJsonLossless(field)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** A double as Java prints it: `100.0`, `0.1`, `1.0E300`, `NaN`. */
export function javaDouble(value: number): string {
  const size = Math.abs(value);
  if (size < 1e7) {
    if (value % 1 !== 0) return size >= 1e-3 ? String(value) : javaExponent(value.toExponential());
    return Object.is(value, -0) ? '-0.0' : `${value}.0`;
  }
  if (!Number.isFinite(value)) return String(value);
  return javaExponent(value.toExponential());
}

/** A 32-bit float as Java prints it: the shortest digits that give the same float again. */
export function javaFloat(value: number): string {
  if (!Number.isFinite(value) || value === 0) return javaDouble(value);
  for (let digits = 1; digits < 10; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return javaDouble(Number(text));
  }
  return javaDouble(value);
}

function javaExponent(text: string): string {
  const [digits = '0', exponent = '0'] = text.split('e');
  return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`;
}
