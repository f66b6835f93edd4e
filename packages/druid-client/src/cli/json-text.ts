import { encodeJson } from '../json-encode.js';

/** JSON of a value, on one line: integers with all their digits, NaN and infinities as text, as Druid has them. */
export function jsonText(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  return encodeJson(value);
}

/** JSON of a value for eyes, two spaces deeper for each level. */
export function prettyJson(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return jsonText(value);
  const deeper = `${indent}  `;
  const isArray = Array.isArray(value);
  const items = isArray
    ? value.map((item) => prettyJson(item, deeper))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([name, item]) => `${JSON.stringify(name)}: ${prettyJson(item, deeper)}`);
  const [open, close] = isArray ? ['[', ']'] : ['{', '}'];
  if (items.length === 0) return open + close;
  return `${open}\n${items.map((item) => deeper + item).join(',\n')}\n${indent}${close}`;
}
