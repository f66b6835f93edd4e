const TWO_32 = 4_294_967_296;

/** Writes the types of Kafka's protocol into bytes that grow as needed. */
export class WireWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(initialBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** A view: good until something is written again. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what was written; keeps the memory. */
  clear(): void {
    this.#length = 0;
  }

  int8(value: number): this {
    this.#length = this.#room(1).writeInt8(value, this.#length);
    return this;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int16(value: number): this {
    this.#length = this.#room(2).writeInt16BE(value, this.#length);
    return this;
  }

  int32(value: number): this {
    this.#length = this.#room(4).writeInt32BE(value, this.#length);
    return this;
  }

  int64(value: number): this {
    const high = Math.floor(value / TWO_32);
    const bytes = this.#room(8);
    bytes.writeInt32BE(high, this.#length);
    this.#length = bytes.writeUInt32BE(value - high * TWO_32, this.#length + 4);
    return this;
  }

  unsignedVarint(value: number): this {
    const bytes = this.#room(10);
    let rest = value;
    while (rest > 0x7f) {
      bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    bytes[this.#length++] = rest;
    return this;
  }

  /** Zigzag. */
  varint(value: number): this {
    return this.unsignedVarint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  raw(value: Uint8Array): this {
    this.#room(value.length).set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  varintBytes(value: Uint8Array | null): this {
    return value === null ? this.varint(-1) : this.varint(value.length).raw(value);
  }

  compactBytes(value: Uint8Array | null): this {
    return value === null ? this.unsignedVarint(0) : this.unsignedVarint(value.length + 1).raw(value);
  }

  compactString(value: string | null): this {
    return this.compactBytes(value === null ? null : Buffer.from(value));
  }

  uuid(value: string): this {
    return this.raw(Buffer.from(value, 'base64url'));
  }

  /** `hasTags` for arrays of structures. */
  array<T>(values: readonly T[] | null, write: (value: T) => void, hasTags = true): this {
    if (values === null) return this.unsignedVarint(0);
    this.unsignedVarint(values.length + 1);
    for (const value of values) {
      write(value);
      if (hasTags) this.noTags();
    }
    return this;
  }

  noTags(): this {
    return this.int8(0);
  }

  #room(more: number): Buffer {
    const needed = this.#length + more;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    return this.#bytes;
  }
}
