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
import { TAG } from './canonical-tags.js';
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

let pairScratch = new Writer(1024, true);

/** The bytes of the key `[first, second]`, or `[first]`, also as a view, which only the next call of this function overwrites. */
export function encodeKeyPair(first: unknown, second: unknown): Buffer {
  if (pairScratch.bytes.length > 1 << 20) pairScratch = new Writer(1024, true);
  pairScratch.length = 0;
  pairScratch.write(second === undefined ? [first] : [first, second]);
  return pairScratch.bytes.subarray(0, pairScratch.length);
}

let stateScratch = new Writer(4096, false);

/** As `encodeState`, for many values one after the other. The result is a view that the next call overwrites. */
export function encodeStateView(value: unknown): Buffer {
  if (stateScratch.bytes.length > 1 << 20) stateScratch = new Writer(4096, false);
  stateScratch.length = 0;
  stateScratch.write(value);
  return stateScratch.bytes.subarray(0, stateScratch.length);
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
