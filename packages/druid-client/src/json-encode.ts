import { DruidConfigError } from './errors.js';

/**
 * `JSON.stringify` that loses nothing: bigint is written as an integer literal of all its digits, and -0 as `-0.0`, the
 * one spelling from which Java reads the sign.
 *
 * @example encodeJson({ id: 9007199254740993n }) // '{"id":9007199254740993}'
 * @throws DruidConfigError for NaN and infinities: null in their place would make a filter without bounds of one with NaN
 */
export function encodeJson(value: unknown): string {
  return encode(value) ?? 'null';
}

function encode(value: unknown): string | undefined {
  if (typeof value === 'bigint') return value.toString();
  if (Object.is(value, -0)) return '-0.0';
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new DruidConfigError({
      message: `${value} is no number that JSON can carry. Leave it out, or give null where you mean it.`,
      details: { option: 'body' },
    });
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) as string | undefined;
  if ('toJSON' in value && typeof value.toJSON === 'function') return encode(value.toJSON());
  if (Array.isArray(value)) return `[${value.map((item) => encode(item) ?? 'null').join(',')}]`;
  const members: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    const text = encode(member);
    if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${members.join(',')}}`;
}
