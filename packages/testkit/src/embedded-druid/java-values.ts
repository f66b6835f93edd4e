/** How Druid converts parsed JSON values into the types of dimensions and metrics; seen on Druid 33. */

import { javaDouble, WholeDouble } from './json-text.js';
import type { ColumnType } from './timeline.js';

const LONG_MAX = 9_223_372_036_854_775_807n;
const LONG_MIN = -9_223_372_036_854_775_808n;

/** What a field is read for: the rules for dimensions and for the inputs of metrics differ. */
export type FieldRole = 'dimension' | 'metric';

/** The JSON text of a value in its column type, null for NULL, or undefined where Druid cannot convert it. */
export function convertValue(value: unknown, type: ColumnType, role: FieldRole): string | null | undefined {
  if (value === null || value === undefined) return null;
  if (type === 'STRING') return stringValue(value);
  // `-0` is a whole number in JSON and has no sign in Java; `-0.0` keeps it.
  const plain = value instanceof WholeDouble ? value.value : value === 0 ? 0 : value;
  if (typeof plain === 'object') return undefined;
  if (role === 'metric') return metricValue(plain, type);
  return type === 'LONG' ? longDimension(plain) : doubleDimension(plain, type);
}

function stringValue(value: unknown): string | null {
  if (!Array.isArray(value)) return jsonText(value);
  if (value.length === 0) return null;
  if (value.length === 1) return value[0] === null ? null : jsonText(value[0]);
  throw new Error(
    `A multi-value string [${javaText(value)}] is not supported by EmbeddedDruid; run this against a real Druid`,
  );
}

/** Half of a surrogate pair, for which Java writes a question mark into UTF-8. */
const HALF_PAIR = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const jsonText = (value: unknown): string => JSON.stringify(javaText(value).replace(HALF_PAIR, '?'));

function longDimension(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'bigint' || typeof value === 'number') return longOf(value).toString();
  return exactLong(String(value))?.toString();
}

function doubleDimension(value: unknown, type: ColumnType): string | undefined {
  if (typeof value === 'boolean') return undefined;
  const number = typeof value === 'string' ? parseJavaDouble(value) : Number(value);
  return number === undefined ? undefined : doubleText(number, type);
}

/** Metrics take numbers from text more freely: spaces around it and commas inside are ignored. */
function metricValue(value: unknown, type: ColumnType): string | undefined {
  if (typeof value === 'boolean') return undefined;
  const number = typeof value === 'string' ? metricNumber(value) : (value as number | bigint);
  if (number === undefined) return undefined;
  return type === 'LONG' ? longOf(number).toString() : doubleText(Number(number), type);
}

function metricNumber(text: string): number | bigint | undefined {
  // eslint-disable-next-line no-control-regex -- Java's trim() removes everything up to U+0020.
  const digits = text.replace(/^[\u0000- ]+|[\u0000- ]+$/g, '').replaceAll(',', '');
  if (/^[-+]?\d{1,19}$/.test(digits)) {
    const exact = BigInt(digits.replace(/^\+/, ''));
    if (exact <= LONG_MAX && exact >= LONG_MIN) return exact;
  }
  return parseJavaDouble(digits);
}

/** A long the way Java casts to it: towards zero, the ends of the range as limits, NaN as 0. */
function longOf(value: number | bigint): bigint {
  if (typeof value === 'number') {
    if (Number.isNaN(value)) return 0n;
    if (!Number.isFinite(value)) return value > 0 ? LONG_MAX : LONG_MIN;
    return longOf(BigInt(Math.trunc(value)));
  }
  return value > LONG_MAX ? LONG_MAX : value < LONG_MIN ? LONG_MIN : value;
}

const DECIMAL = /^([-+]?)(\d*)\.?(\d*)(?:[eE]([-+]?\d{1,3}))?$/;

/** The whole number that a decimal text stands for (`1.0`, `1e5`), or undefined if it is none or too large. */
function exactLong(text: string): bigint | undefined {
  const match = DECIMAL.exec(text);
  if (!match) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  if (whole + fraction === '') return undefined;
  const shift = Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  const scale = 10n ** BigInt(Math.abs(shift));
  if (shift < 0 && digits % scale !== 0n) return undefined;
  const size = shift < 0 ? digits / scale : digits * scale;
  const value = sign === '-' ? -size : size;
  return value > LONG_MAX || value < LONG_MIN ? undefined : value;
}

/** `Double.parseDouble`, hexadecimal forms excepted. */
function parseJavaDouble(text: string): number | undefined {
  if (/^[-+]?0[xX]/.test(text) && /[pP]/.test(text)) {
    throw new Error(
      `The hexadecimal number [${text}] is not supported by EmbeddedDruid; run this against a real Druid`,
    );
  }
  const special = /^([-+]?)(NaN|Infinity)$/.exec(text);
  if (special) return special[2] === 'NaN' ? NaN : special[1] === '-' ? -Infinity : Infinity;
  return /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[dDfF]?$/.test(text)
    ? Number(text.replace(/[dDfF]$/, ''))
    : undefined;
}

function doubleText(value: number, type: ColumnType): string {
  const number = type === 'FLOAT' ? Math.fround(value) : value;
  if (!Number.isFinite(number)) return JSON.stringify(String(number));
  return Object.is(number, -0) ? '-0.0' : String(number);
}

/** How Java's `toString` shows a parsed JSON value: `{x=1}`, `[a, b]`, `12.5`, `1000.0`. */
export function javaText(value: unknown): string {
  if (value instanceof WholeDouble) return javaDouble(value.value);
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return `[${value.map(javaText).join(', ')}]`;
  if (typeof value === 'object') {
    const fields = Object.entries(value).map(([key, field]) => `${key}=${javaText(field)}`);
    return `{${fields.join(', ')}}`;
  }
  if (typeof value === 'bigint') {
    return value > LONG_MAX || value < LONG_MIN ? javaDouble(Number(value)) : String(value);
  }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : javaDouble(value);
  return String(value);
}
