import { TAG } from './canonical-tags.js';

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
