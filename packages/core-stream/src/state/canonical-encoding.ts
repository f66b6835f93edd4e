/**
 * The one encoding of keys and state, in every runtime.
 *
 * Role: bytes for checkpoints, for key equality and for key groups. Boundary: plain data only; no I/O.
 *
 * Invariants
 * 1. `decode(encodeState(v))` is structurally equal to `v`, for every value that `encodeState` accepts.
 * 2. Two keys are equal if and only if `encodeKey` gives the same bytes: -0 is 0, there is one NaN, the order of an
 *    object's properties does not matter, strings compare by UTF-16 code units, bigint and number are distinct.
 * 3. What cannot be restored is refused with its path (class instances, functions, symbols), never approximated.
 */
import { StreamRecordError } from '../errors.js';
import { flatIdentity } from './flat-identity.js';

/**
 * What can be a key: primitives and `Date`, and arrays and plain objects of them.
 */
export type KeyValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Date
  | readonly KeyValue[]
  | { readonly [name: string]: KeyValue };

const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  int32: 4,
  float64: 5,
  bigint: 6,
  latin1: 7,
  utf16: 8,
  bytes: 9,
  date: 10,
  array: 11,
  object: 12,
  map: 13,
  set: 14,
} as const;

/** Up to this length a loop is faster than a call into the runtime. */
const SHORT_TEXT = 64;

/** Deeper data than this is a cycle or a mistake. */
const MAX_DEPTH = 200;

class Writer {
  bytes: Buffer;
  length = 0;
  readonly forKey: boolean;
  /** Property names and indices from the root to what is being written; used for messages only. */
  readonly #path: (string | number)[] = [];

  constructor(capacity: number, forKey: boolean) {
    this.bytes = Buffer.allocUnsafe(capacity);
    this.forKey = forKey;
  }

  #reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  #tag(tag: number): void {
    this.#reserve(1);
    this.bytes[this.length++] = tag;
  }

  /** By hand: the buffer's own methods check what is known here. */
  #uint32(value: number): void {
    this.#reserve(4);
    const { bytes, length } = this;
    bytes[length] = value;
    bytes[length + 1] = value >>> 8;
    bytes[length + 2] = value >>> 16;
    bytes[length + 3] = value >>> 24;
    this.length = length + 4;
  }

  #string(text: string): void {
    if (text.length > SHORT_TEXT || !this.#shortLatin1(text)) this.#longString(text);
  }

  /** Writes while it looks; `false`, with nothing written, where a character does not fit into a byte. */
  #shortLatin1(text: string): boolean {
    const size = text.length;
    this.#reserve(5 + size);
    const { bytes, length } = this;
    for (let i = 0; i < size; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0xff) return false;
      bytes[length + 5 + i] = unit;
    }
    this.#tag(TAG.latin1);
    this.#uint32(size);
    this.length += size;
    return true;
  }

  #longString(text: string): void {
    let isLatin1 = true;
    for (let i = 0; i < text.length; i++) {
      if (text.charCodeAt(i) > 0xff) {
        isLatin1 = false;
        break;
      }
    }
    this.#tag(isLatin1 ? TAG.latin1 : TAG.utf16);
    this.#uint32(text.length);
    const size = isLatin1 ? text.length : text.length * 2;
    this.#reserve(size);
    this.bytes.write(text, this.length, size, isLatin1 ? 'latin1' : 'utf16le');
    this.length += size;
  }

  #number(value: number): void {
    if (
      Number.isInteger(value) &&
      value >= -0x80000000 &&
      value <= 0x7fffffff &&
      !(!this.forKey && Object.is(value, -0))
    ) {
      this.#tag(TAG.int32);
      this.#uint32(value);
      return;
    }
    this.#tag(TAG.float64);
    this.#reserve(8);
    this.length = this.bytes.writeDoubleLE(value !== value ? NaN : value, this.length);
  }

  /** `depth` is how deep `value` lies in what is encoded; the steps on the way are in `#path`. */
  write(value: unknown, depth = 0): void {
    switch (typeof value) {
      case 'string':
        this.#string(value);
        return;
      case 'number':
        this.#number(value);
        return;
      case 'boolean':
        this.#tag(value ? TAG.true : TAG.false);
        return;
      case 'undefined':
        this.#tag(TAG.undefined);
        return;
      case 'bigint':
        this.#tag(TAG.bigint);
        this.#string(value.toString(16));
        return;
      case 'object':
        if (value === null) this.#tag(TAG.null);
        else this.#object(value, depth);
        return;
      default:
        throw this.#notPlain(typeof value, depth);
    }
  }

  #object(value: object, depth: number): void {
    if (depth > MAX_DEPTH)
      throw this.#notPlain(`data nested deeper than ${MAX_DEPTH} levels (a cycle?)`, depth);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Array.prototype && Array.isArray(value)) {
      this.#tag(TAG.array);
      this.#uint32(value.length);
      for (let i = 0; i < value.length; i++) this.#nested(value[i], i, depth);
      return;
    }
    if (prototype === Date.prototype && value instanceof Date) {
      this.#tag(TAG.date);
      this.#number(value.getTime());
      return;
    }
    if (prototype === Object.prototype || prototype === null) {
      if (Object.getOwnPropertySymbols(value).length > 0)
        throw this.#notPlain('a property named by a symbol', depth);
      const names = Object.keys(value);
      if (this.forKey) names.sort();
      this.#tag(TAG.object);
      this.#uint32(names.length);
      const record = value as Record<string, unknown>;
      for (const name of names) {
        this.#string(name);
        this.#nested(record[name], name, depth);
      }
      return;
    }
    if (!this.forKey) {
      if (value instanceof Uint8Array) {
        this.#tag(TAG.bytes);
        this.#uint32(value.length);
        this.#reserve(value.length);
        this.bytes.set(value, this.length);
        this.length += value.length;
        return;
      }
      if (prototype === Map.prototype && value instanceof Map) {
        this.#tag(TAG.map);
        this.#uint32(value.size);
        for (const [key, item] of value) {
          this.#nested(key, 'key', depth);
          this.#nested(item, 'value', depth);
        }
        return;
      }
      if (prototype === Set.prototype && value instanceof Set) {
        this.#tag(TAG.set);
        this.#uint32(value.size);
        for (const item of value) this.#nested(item, 'item', depth);
        return;
      }
    }
    throw this.#notPlain(`an instance of ${nameOfClass(value)}`, depth);
  }

  #nested(value: unknown, step: string | number, depth: number): void {
    this.#path[depth] = step;
    this.write(value, depth + 1);
  }

  #notPlain(what: string, depth: number): StreamRecordError {
    const steps = this.#path
      .slice(0, depth)
      .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`));
    const path = `${this.forKey ? 'key' : 'state'}${steps.join('')}`;
    return new StreamRecordError(
      `Cannot encode ${what} at '${path}': keys and state are plain data. ` +
        'Use strings, numbers, bigints, booleans, null, Date, arrays and plain objects (in state also Map, Set and bytes).',
      { details: { path } },
    );
  }
}

function nameOfClass(value: object): string {
  // An object made from one without a prototype has no constructor, whatever its type says.
  const made = value.constructor as { readonly name: string } | undefined;
  return made?.name ?? 'an object without a constructor';
}

let scratch = new Writer(1024, true);

/**
 * The canonical bytes of a key (invariant 2). The result is a view that the next call overwrites: copy it to keep it.
 *
 * @throws StreamRecordError `MILLRACE_RECORD` for a key that is not plain data
 */
export function encodeKey(key: unknown): Buffer {
  // A key that was refused half-way must not leave its bytes behind.
  if (scratch.bytes.length > 1 << 20) scratch = new Writer(1024, true);
  scratch.length = 0;
  scratch.write(key);
  return scratch.bytes.subarray(0, scratch.length);
}

/**
 * The bytes of a state value (invariant 1).
 *
 * @throws StreamRecordError `MILLRACE_RECORD` naming the path of what is not plain data
 */
export function encodeState(value: unknown): Buffer {
  const writer = new Writer(4096, false);
  writer.write(value);
  return writer.bytes.subarray(0, writer.length);
}

let stateScratch = new Writer(4096, false);

/** As `encodeState`, for many values one after the other. The result is a view that the next call overwrites. */
export function encodeStateView(value: unknown): Buffer {
  if (stateScratch.bytes.length > 1 << 20) stateScratch = new Writer(4096, false);
  stateScratch.length = 0;
  stateScratch.write(value);
  return stateScratch.bytes.subarray(0, stateScratch.length);
}

/** Reads what `encodeState` or `encodeKey` wrote. Throws a `RangeError` for bytes that neither has written. */
export function decodeState(bytes: Uint8Array): unknown {
  const reader = new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const value = reader.read();
  if (reader.position !== bytes.byteLength) {
    throw new RangeError(`${bytes.byteLength - reader.position} bytes follow the encoded value`);
  }
  return value;
}

class Reader {
  readonly bytes: Buffer;
  position = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  #uint32(): number {
    const value = this.bytes.readUInt32LE(this.position);
    this.position += 4;
    return value;
  }

  #text(encoding: 'latin1' | 'utf16le', bytesPerUnit: number): string {
    const size = this.#uint32() * bytesPerUnit;
    if (this.position + size > this.bytes.length) throw new RangeError('the encoded text is cut off');
    const text = this.bytes.toString(encoding, this.position, this.position + size);
    this.position += size;
    return text;
  }

  #string(): string {
    const value = this.read();
    if (typeof value !== 'string') throw new RangeError(`byte ${this.position}: text was expected`);
    return value;
  }

  #number(): number {
    const value = this.read();
    if (typeof value !== 'number') throw new RangeError(`byte ${this.position}: a number was expected`);
    return value;
  }

  read(): unknown {
    const tag = this.bytes.readUInt8(this.position++);
    switch (tag) {
      case TAG.undefined:
        return undefined;
      case TAG.null:
        return null;
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.int32: {
        const value = this.bytes.readInt32LE(this.position);
        this.position += 4;
        return value;
      }
      case TAG.float64: {
        const value = this.bytes.readDoubleLE(this.position);
        this.position += 8;
        return value;
      }
      case TAG.bigint: {
        const digits = this.#string();
        if (!/^-?[0-9a-f]+$/.test(digits))
          throw new RangeError(`'${digits}' is no bigint in hexadecimal digits`);
        return digits.startsWith('-') ? -BigInt(`0x${digits.slice(1)}`) : BigInt(`0x${digits}`);
      }
      case TAG.latin1:
        return this.#text('latin1', 1);
      case TAG.utf16:
        return this.#text('utf16le', 2);
      case TAG.bytes: {
        const size = this.#uint32();
        if (this.position + size > this.bytes.length) throw new RangeError('the encoded bytes are cut off');
        const copy = new Uint8Array(this.bytes.subarray(this.position, this.position + size));
        this.position += size;
        return copy;
      }
      case TAG.date:
        return new Date(this.#number());
      case TAG.array: {
        const size = this.#uint32();
        const items: unknown[] = [];
        for (let i = 0; i < size; i++) items.push(this.read());
        return items;
      }
      case TAG.object: {
        const size = this.#uint32();
        const record: Record<string, unknown> = {};
        for (let i = 0; i < size; i++) {
          const name = this.#string();
          // `record.__proto__ = …` would set the prototype instead of a property.
          if (name === '__proto__') {
            Object.defineProperty(record, name, {
              value: this.read(),
              enumerable: true,
              writable: true,
              configurable: true,
            });
          } else record[name] = this.read();
        }
        return record;
      }
      case TAG.map: {
        const size = this.#uint32();
        const map = new Map<unknown, unknown>();
        for (let i = 0; i < size; i++) {
          const key = this.read();
          map.set(key, this.read());
        }
        return map;
      }
      case TAG.set: {
        const size = this.#uint32();
        const set = new Set<unknown>();
        for (let i = 0; i < size; i++) set.add(this.read());
        return set;
      }
      default:
        throw new RangeError(`byte ${this.position - 1}: ${tag} is no tag of this encoding`);
    }
  }
}

/**
 * A value by which a `Map` tells keys apart exactly as invariant 2 does. Primitives stand for themselves: `Map` has the
 * same equality for them. Everything else is a string that no key string can equal.
 */
export function keyIdentity(key: unknown): unknown {
  switch (typeof key) {
    case 'object':
      return key === null ? key : (flatIdentity(key) ?? bytesAsText(key));
    case 'string':
      return key.charCodeAt(0) === 0 ? bytesAsText(key) : key;
    case 'function':
    case 'symbol':
      return encodeKey(key); // refuses it, naming what it is
    default:
      return key;
  }
}

function bytesAsText(key: unknown): string {
  return `\u0000${encodeKey(key).toString('latin1')}`;
}
