/** Values as Smile, Jackson's binary JSON. Names and texts are not shared, which the format leaves to the writer. */

const ASCII_LENGTHS = { short: 0x40, medium: 0x60, long: 0xe0, mediumFrom: 33 };
const UNICODE_LENGTHS = { short: 0x80, medium: 0xa0, long: 0xe4, mediumFrom: 34 };
const END_OF_STRING = 0xfc;
const BITS = new DataView(new ArrayBuffer(8));

export const SMILE_TYPE = 'application/x-jackson-smile';
/** The head of every document. */
export const SMILE_HEADER = Buffer.from([0x3a, 0x29, 0x0a, 0x00]);
export const SMILE = { arrayStart: 0xf8, arrayEnd: 0xf9, objectStart: 0xfa, objectEnd: 0xfb } as const;

/** Collects bytes; {@link SmileBytes.take} hands them out and begins anew. */
export class SmileBytes {
  #bytes = Buffer.allocUnsafe(65_536);
  #length = 0;

  get length(): number {
    return this.#length;
  }

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
    const number = Number(value);
    if (Math.abs(number) >= 2 ** 52) {
      return this.#byte(0x25).#variableBig(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
    }
    const zigzag = number < 0 ? -2 * number - 1 : 2 * number;
    if (zigzag < 32) return this.#byte(0xc0 + zigzag);
    return this.#byte(zigzag < 2 ** 32 ? 0x24 : 0x25).#variable(zigzag);
  }

  double(value: number): this {
    this.#room(11);
    BITS.setFloat64(0, value);
    const [high, low] = [BITS.getUint32(0), BITS.getUint32(4)];
    this.#byte(0x29).#byte(high >>> 31);
    for (let shift = 24; shift > 0; shift -= 7) this.#byte((high >>> shift) & 0x7f);
    this.#byte(((high & 7) << 4) | (low >>> 28));
    for (let shift = 21; shift >= 0; shift -= 7) this.#byte((low >>> shift) & 0x7f);
    return this;
  }

  float(value: number): this {
    this.#room(6);
    BITS.setFloat32(0, value);
    const bits = BITS.getUint32(0);
    this.#byte(0x28);
    for (let shift = 28; shift >= 0; shift -= 7) this.#byte((bits >>> shift) & 0x7f);
    return this;
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
  #variable(value: number): this {
    let count = 0;
    for (let left = Math.floor(value / 64); left > 0; left = Math.floor(left / 128)) count += 1;
    let rest = Math.floor(value / 64);
    for (let at = this.#length + count - 1; at >= this.#length; at -= 1) {
      this.#bytes[at] = rest % 128;
      rest = Math.floor(rest / 128);
    }
    this.#length += count;
    return this.#byte((value % 64) | 0x80);
  }

  /** The same for more bits than a number has. */
  #variableBig(value: bigint): this {
    const groups = [Number(value & 0x3fn) | 0x80];
    for (let rest = value >> 6n; rest > 0n; rest >>= 7n) groups.unshift(Number(rest & 0x7fn));
    for (const group of groups) this.#byte(group);
    return this;
  }
}
