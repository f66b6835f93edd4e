/** JSON as Java's Jackson reads and writes it where JavaScript differs: exact 64-bit integers and doubles with a point. */

const NUMBER_OUTSIDE_STRINGS = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;

/** `JSON.parse` that turns integers beyond 2^53 into bigint instead of rounding them. */
export function parseJsonLossless(text: string): unknown {
  let found = false;
  const marked = text.replace(NUMBER_OUTSIDE_STRINGS, (token) => {
    if (token.startsWith('"') || Number.isSafeInteger(Number(token))) return token;
    found = true;
    return `"\\u0000int:${token}"`;
  });
  if (!found) return JSON.parse(text);
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith('\u0000int:') ? BigInt(value.slice(5)) : value,
  );
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
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return Object.is(value, -0) ? '-0.0' : `${value}.0`;
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e7) return String(value);
  return javaExponent(value.toExponential());
}

/** A 32-bit float as Java prints it: the shortest digits that give the same float again. */
export function javaFloat(value: number): string {
  if (!Number.isFinite(value)) return String(value);
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
