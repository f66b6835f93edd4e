/** 2^32. */
const TWO_32 = 4_294_967_296;

/**
 * Reads the types of Kafka's protocol from bytes. 64-bit integers become numbers: offsets, times and producer ids are far
 * below 2^53.
 *
 * The client library's reader is not used: it takes tagged fields for empty ones, and absent bytes for empty bytes.
 */
export class WireReader {
  readonly bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position = 0) {
    this.bytes = bytes;
    this.position = position;
  }

  int8(): number {
    return this.bytes.readInt8(this.position++);
  }

  int16(): number {
    this.position += 2;
    return this.bytes.readInt16BE(this.position - 2);
  }

  int32(): number {
    this.position += 4;
    return this.bytes.readInt32BE(this.position - 4);
  }

  uint32(): number {
    this.position += 4;
    return this.bytes.readUInt32BE(this.position - 4);
  }

  int64(): number {
    return this.int32() * TWO_32 + this.uint32();
  }

  unsignedVarint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.bytes.readUInt8(this.position++);
      // Not shifted: a time's difference can take more than 32 bits.
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  }

  /** Zigzag. */
  varint(): number {
    const value = this.unsignedVarint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A view of the bytes, not a copy; `null` where there are none. */
  varintBytes(): Buffer | null {
    const length = this.varint();
    return length < 0 ? null : this.#take(length);
  }

  compactBytes(): Buffer | null {
    const length = this.unsignedVarint() - 1;
    return length < 0 ? null : this.#take(length);
  }

  compactString(): string | null {
    return this.compactBytes()?.toString('utf8') ?? null;
  }

  /** As Kafka's tools print it. */
  uuid(): string {
    return this.#take(16).toString('base64url');
  }

  /** An absent array is empty. `hasTags` for arrays of structures. */
  array<T>(read: () => T, hasTags = true): T[] {
    const length = this.unsignedVarint() - 1;
    const values: T[] = [];
    for (let i = 0; i < length; i++) {
      values.push(read());
      if (hasTags) this.skipTags();
    }
    return values;
  }

  skipTags(): void {
    for (let left = this.unsignedVarint(); left > 0; left--) {
      this.unsignedVarint();
      this.#take(this.unsignedVarint());
    }
  }

  #take(length: number): Buffer {
    const end = this.position + length;
    if (end > this.bytes.length) {
      throw new RangeError(
        `${length} bytes are announced and ${this.bytes.length - this.position} are there`,
      );
    }
    const taken = this.bytes.subarray(this.position, end);
    this.position = end;
    return taken;
  }
}
