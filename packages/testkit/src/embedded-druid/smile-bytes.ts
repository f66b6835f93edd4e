/** Values as Smile, Jackson's binary JSON. Names and texts are not shared, which the format leaves to the writer. */

const ASCII_LENGTHS = { short: 0x40, medium: 0x60, long: 0xe0, mediumFrom: 33 };
const UNICODE_LENGTHS = { short: 0x80, medium: 0xa0, long: 0xe4, mediumFrom: 34 };
const END_OF_STRING = 0xfc;

export const SMILE_TYPE = 'application/x-jackson-smile';
/** The head of every document. */
export const SMILE_HEADER = Buffer.from([0x3a, 0x29, 0x0a, 0x00]);
export const SMILE = { arrayStart: 0xf8, arrayEnd: 0xf9, objectStart: 0xfa, objectEnd: 0xfb } as const;

/** Collects bytes; {@link SmileBytes.take} hands them out and begins anew. */
export class SmileBytes {
  #bytes = Buffer.allocUnsafe(65_536);
  #length = 0;

  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  /** One of {@link SMILE}. */
  mark(byte: number): this {
    this.#room(1);
    return this.#byte(byte);
  }

  /** Bytes that are Smile already. */
  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  nothing(): this {
    return this.mark(0x21);
  }

  key(name: string): this {
    const length = Buffer.byteLength(name);
    const isAscii = length === name.length;
    this.#room(length + 2);
    if (length === 0) return this.#byte(0x20);
    if (length > (isAscii ? 64 : 57)) return this.#byte(0x34).#utf8(name, length).#byte(END_OF_STRING);
    return this.#byte(isAscii ? 0x80 + length - 1 : 0xc0 + length - 2).#utf8(name, length);
  }

  text(value: string): this {
    const length = Buffer.byteLength(value);
    this.#room(length + 2);
    if (length === 0) return this.#byte(0x20);
    const isAscii = length === value.length;
    const { short, medium, long, mediumFrom } = isAscii ? ASCII_LENGTHS : UNICODE_LENGTHS;
    if (length >= mediumFrom + 32) return this.#byte(long).#utf8(value, length).#byte(END_OF_STRING);
    const tag = length < mediumFrom ? short + length - (isAscii ? 1 : 2) : medium + length - mediumFrom;
    return this.#byte(tag).#utf8(value, length);
  }

  long(value: bigint): this {
    this.#room(11);
    const zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    if (zigzag < 32n) return this.#byte(0xc0 + Number(zigzag));
    return this.#byte(BigInt.asIntN(32, value) === value ? 0x24 : 0x25).#variable(zigzag);
  }

  double(value: number): this {
    this.#room(11);
    const bits = new DataView(new ArrayBuffer(8));
    bits.setFloat64(0, value);
    return this.#byte(0x29).#sevens(bits.getBigUint64(0), 10);
  }

  float(value: number): this {
    this.#room(6);
    const bits = new DataView(new ArrayBuffer(4));
    bits.setFloat32(0, value);
    return this.#byte(0x28).#sevens(BigInt(bits.getUint32(0)), 5);
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }

  #byte(byte: number): this {
    this.#bytes[this.#length++] = byte;
    return this;
  }

  #utf8(text: string, length: number): this {
    this.#bytes.write(text, this.#length, 'utf8');
    this.#length += length;
    return this;
  }

  /** Seven bits a byte, the last one six, with the highest bit set. */
  #variable(value: bigint): this {
    const last = Number(value & 0x3fn) | 0x80;
    let rest = value >> 6n;
    let count = 0;
    for (let left = rest; left > 0n; left >>= 7n) count += 1;
    for (let at = count - 1; at >= 0; at -= 1) {
      this.#bytes[this.#length + at] = Number(rest & 0x7fn);
      rest >>= 7n;
    }
    this.#length += count;
    return this.#byte(last);
  }

  #sevens(value: bigint, count: number): this {
    for (let at = count - 1; at >= 0; at -= 1) this.#byte(Number((value >> BigInt(7 * at)) & 0x7fn));
    return this;
  }
}
