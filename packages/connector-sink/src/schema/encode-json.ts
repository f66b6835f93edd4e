import { describe, Rejection } from './rejection.js';

/** Beyond this Druid's own JSON reader (1,000 levels) may give up; it also ends cycles. */
const MAX_DEPTH = 500;

export interface JsonScalars {
  readonly string: (value: unknown) => string | Rejection;
  readonly long: (value: unknown) => string | Rejection;
  readonly double: (value: unknown) => string | Rejection;
}

/**
 * Encodes an object, or an array of objects, as JSON that holds exactly it. Members that are `undefined` are left out; what
 * `JSON.stringify` would change (NaN, dates, instances of classes, holes) is refused, with where it is.
 */
export function jsonEncoder(scalars: JsonScalars): (value: unknown) => string | Rejection {
  const encode = (value: unknown, depth: number): string | Rejection => {
    switch (typeof value) {
      case 'string':
        return scalars.string(value);
      case 'number':
        return scalars.double(value);
      case 'bigint':
        return scalars.long(value);
      case 'boolean':
        return value ? 'true' : 'false';
      case 'object':
        if (value === null) return 'null';
        if (depth > MAX_DEPTH) return new Rejection(`it is deeper than ${MAX_DEPTH} levels`);
        return Array.isArray(value) ? encodeArray(value, depth) : encodeObject(value, depth);
      default:
        return new Rejection(`it is ${describe(value)}, which JSON does not have`);
    }
  };

  const encodeArray = (value: readonly unknown[], depth: number): string | Rejection => {
    let text = '';
    for (let index = 0; index < value.length; index++) {
      const encoded = encode(value[index], depth + 1);
      if (typeof encoded !== 'string') return within(`[${index}]`, encoded);
      text += index === 0 ? encoded : `,${encoded}`;
    }
    return `[${text}]`;
  };

  const encodeObject = (value: object, depth: number): string | Rejection => {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null)
      return new Rejection(`it is ${instanceOf(value)}; map it to plain data`);
    let text = '';
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue;
      const key = scalars.string(name);
      if (typeof key !== 'string') return key;
      const encoded = encode(member, depth + 1);
      if (typeof encoded !== 'string') return within(`.${name}`, encoded);
      text += text === '' ? `${key}:${encoded}` : `,${key}:${encoded}`;
    }
    return `{${text}}`;
  };

  return (value) =>
    typeof value === 'object' ? encode(value, 1) : new Rejection(`it is ${describe(value)}, not an object`);
}

/** The path grows from the inside out; `at …` marks that it has begun. Long paths are cut. */
function within(step: string, { reason }: Rejection): Rejection {
  const [, path, rest] = /^at (\S*): (.*)$/s.exec(reason) ?? [undefined, '', reason];
  return new Rejection(`at ${(step + path).slice(0, 100)}: ${rest}`);
}

function instanceOf(value: object): string {
  return value instanceof Date ? `a Date (${describe(value)})` : `an instance of ${value.constructor.name}`;
}
