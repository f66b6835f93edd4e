/**
 * State as JSON. What JSON has no word for becomes an object with one property whose name begins with `$`; a property of the
 * state's own that begins so gets one `$` more. `fromStateJson` is the way back, without loss.
 */
import { StreamConfigError } from '../errors.js';

type Tagged = Readonly<Record<string, unknown>>;

/** How each tag is read. */
const READERS: Readonly<Record<string, (content: unknown) => unknown>> = {
  $map: (entries) =>
    new Map((entries as [unknown, unknown][]).map(([k, v]) => [fromStateJson(k), fromStateJson(v)])),
  $set: (items) => new Set((items as unknown[]).map(fromStateJson)),
  $date: (text) => new Date(text as string),
  $bigint: (text) => BigInt(text as string),
  $bytes: (text) => Uint8Array.from(Buffer.from(text as string, 'base64')),
  $number: (text) => Number(text),
  $undefined: () => undefined,
};

export function toStateJson(value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) };
  if (value === undefined) return { $undefined: true };
  if (typeof value === 'number') return numberToJson(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(toStateJson);
  if (value instanceof Date) return { $date: Number.isNaN(+value) ? String(value) : value.toISOString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Set) return { $set: [...(value as Set<unknown>)].map(toStateJson) };
  if (value instanceof Map) {
    return { $map: [...(value as Map<unknown, unknown>)].map(([k, v]) => [toStateJson(k), toStateJson(v)]) };
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name.startsWith('$') ? `$${name}` : name,
      toStateJson(item),
    ]),
  );
}

function numberToJson(value: number): number | Tagged {
  if (Object.is(value, -0)) return { $number: '-0' };
  return Number.isFinite(value) ? value : { $number: String(value) };
}

/** @throws StreamConfigError `MILLRACE_CONFIG` for a property with a single `$` that is no tag */
export function fromStateJson(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(fromStateJson);
  const entries = Object.entries(json);
  const [name, content] = entries[0] ?? [];
  const read = entries.length === 1 && name !== undefined && Object.hasOwn(READERS, name) && READERS[name];
  if (read) return read(content);
  return Object.fromEntries(entries.map(([key, item]) => [unescaped(key), fromStateJson(item)]));
}

function unescaped(name: string): string {
  if (!name.startsWith('$')) return name;
  if (name.startsWith('$$')) return name.slice(1);
  throw new StreamConfigError(
    `'${name}' is none of ${Object.keys(READERS).join(', ')}. Write a property of that name as '$${name}'.`,
  );
}
