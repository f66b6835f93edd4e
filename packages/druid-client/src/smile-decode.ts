/**
 * Decodes Smile, Jackson's binary JSON, as Druid writes it.
 *
 * Boundary: one value or one key at a time, from bytes that may end in the middle; who calls keeps what is left over.
 *
 * Invariant 1: a value is the one that the JSON of the same answer would hold. Integers beyond 2^53 - 1 are exact
 *   bigints, bytes are base64 text, and only a 32-bit float differs: JSON has its shortest decimal, Smile its exact value.
 * Invariant 2: bytes behind `end` never become part of a value that `isOverrun` does not disown.
 */
import { setOwn } from './json-decode.js';
import { ShortTexts } from './short-texts.js';

// Enough for the longest number; reading a little past the end is then harmless, so nothing checks for every byte.
const padding = 16;
const maxShared = 1024;

/** The tokens of structure. */
export const smileTokens = { startArray: 0xf8, endArray: 0xf9, startObject: 0xfa, endObject: 0xfb } as const;
const { startArray, endArray, startObject, endObject } = smileTokens;
const stringEnd = 0xfc;

/** Smile's first byte, a colon, as no JSON begins. */
export const smileStart = 0x3a;

/** What `key()` gives at the end of an object. */
export const noMoreKeys = Symbol('no more keys');

/**
 * Puts rows into `rows`, from `at` on, by looking at the bytes itself, and returns where a row begins that it did not take.
 */
export type ReadRows<T> = (bytes: Buffer, at: number, end: number, texts: ShortTexts, rows: T) => number;

/** See the head of the file. */
export class SmileReader {
  /** Whether a bigint has been read; reset by whoever asks. */
  hasBigInt = false;
  /** Whether texts may be given by their number; `readRows` is not for such documents. */
  sharesStrings = false;
  private bytes = Buffer.alloc(padding);
  private at = 0;
  private end = 0;
  private names: string[] = [];
  private strings: string[] = [];
  private readonly texts = new ShortTexts();
  // Where the step under way began.
  private begun = 0;
  private namesBefore = this.names;
  private nameCountBefore = 0;
  private stringsBefore = this.strings;
  private stringCountBefore = 0;
  private hadBigInt = false;

  /** Whether more was read than is there: what came of it is to be forgotten, and read again from a mark. */
  get isOverrun(): boolean {
    return this.at > this.end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  get isAtEndOfArray(): boolean {
    return this.bytes[this.at] === endArray;
  }

  /** Adds bytes behind those that have not been read. */
  append(chunk: Buffer): void {
    const left = this.end - this.at;
    const end = left + chunk.length;
    const fits = end + padding <= this.bytes.length;
    // Twice the room that is needed: a value of many chunks is then not copied for each of them.
    const bytes = fits ? this.bytes : Buffer.allocUnsafe(2 * (end + padding));
    if (!fits || this.at > 0) this.bytes.copy(bytes, 0, this.at, this.end);
    chunk.copy(bytes, left);
    bytes.fill(0, end, end + padding);
    this.bytes = bytes;
    this.end = end;
    this.at = 0;
  }

  /** Begins a step that may turn out to need more bytes. */
  begin(): void {
    this.begun = this.at;
    this.namesBefore = this.names;
    this.nameCountBefore = this.names.length;
    this.stringsBefore = this.strings;
    this.stringCountBefore = this.strings.length;
    this.hadBigInt = this.hasBigInt;
  }

  /** Undoes the step under way, which read too far. */
  undo(): void {
    this.at = this.begun;
    this.names = this.namesBefore;
    this.names.length = this.nameCountBefore;
    this.strings = this.stringsBefore;
    this.strings.length = this.stringCountBefore;
    this.hasBigInt = this.hadBigInt;
  }

  /** @throws SyntaxError unless the head of a Smile document follows */
  header(): void {
    const isSmile = this.byte() === smileStart && this.byte() === 0x29 && this.byte() === 0x0a;
    const flags = this.byte();
    if (!isSmile || flags >> 4 !== 0)
      throw new SyntaxError('The data does not begin as Smile, version 0, does');
    this.sharesStrings = (flags & 2) !== 0;
  }

  /** Takes the next token if it is `token`. */
  take(token: number): boolean {
    if (this.bytes[this.at] !== token) return false;
    this.at++;
    return true;
  }

  /** The next key of an object, or {@link noMoreKeys}. @throws SyntaxError */
  key(): string | typeof noMoreKeys {
    const token = this.byte();
    if (token >= 0x40 && token < 0x80) return this.shared(this.names, token & 0x3f);
    if (token === endObject) return noMoreKeys;
    if (token >= 0x80 && token < 0xc0)
      return this.newName(this.texts.ascii(this.bytes, this.skip((token & 0x3f) + 1), this.at));
    if (token >= 0xc0 && token < 0xf8) return this.newName(this.utf8((token & 0x3f) + 2));
    if (token >= 0x30 && token < 0x34) return this.shared(this.names, ((token & 3) << 8) | this.byte());
    if (token === 0x34) return this.longText();
    if (token === 0x20) return '';
    throw this.unexpected(token);
  }

  /** The next value. @throws SyntaxError */
  value(): unknown {
    const token = this.byte();
    if (token >= 0xc0 && token < 0xe0) return unzigzag(token & 0x1f);
    if (token >= 0x40 && token < 0x80) {
      return this.newString(this.texts.ascii(this.bytes, this.skip((token & 0x3f) + 1), this.at));
    }
    switch (token) {
      case 0x20:
        return '';
      case 0x21:
        return null;
      case 0x22:
        return false;
      case 0x23:
        return true;
      case 0x24:
      case 0x25:
        return this.integer();
      case 0x26:
        return this.bigInteger();
      case 0x28:
        return this.float();
      case 0x29:
        return this.double();
      case 0xe0:
      case 0xe4:
        return this.longText();
      case 0xe8:
        return this.packedBytes().toString('base64');
      case 0xfd: {
        const start = this.skip(this.length());
        return this.bytes.toString('base64', start, this.at);
      }
      case startArray:
        return this.array();
      case startObject:
        return this.object();
      default:
    }
    if (token >= 0x80 && token < 0xc0) return this.newString(this.utf8((token & 0x3f) + 2));
    if (token > 0 && token < 0x20) return this.shared(this.strings, token - 1);
    if (token >= 0xec && token < 0xf0) return this.shared(this.strings, ((token & 3) << 8) | this.byte());
    throw this.unexpected(token);
  }

  /** The next value; if it is an array, with room for `width` items from the start. @throws SyntaxError */
  row(width: number): unknown {
    if (!this.take(startArray)) return this.value();
    const items = new Array<unknown>(width);
    let count = 0;
    for (; !this.take(endArray); count++) items[count] = this.value();
    if (count < width) items.length = count;
    return items;
  }

  /** Lets `read` take whole rows; another step begins where it stops. */
  readRows<T>(read: ReadRows<T>, rows: T): void {
    this.at = read(this.bytes, this.at, this.end, this.texts, rows);
    this.begin();
  }

  private byte(): number {
    return this.bytes[this.at++] as number;
  }

  /** Passes over `count` bytes and returns where they begin. */
  private skip(count: number): number {
    const start = this.at;
    this.at += count;
    return start;
  }

  private array(): unknown[] {
    const items: unknown[] = [];
    while (!this.take(endArray)) items.push(this.value());
    return items;
  }

  private object(): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    for (let key = this.key(); key !== noMoreKeys; key = this.key()) setOwn(members, key, this.value());
    return members;
  }

  private utf8(length: number): string {
    const start = this.skip(length);
    return this.bytes.toString('utf8', start, this.at);
  }

  private longText(): string {
    const start = this.at;
    const found = this.bytes.indexOf(stringEnd, start);
    if (found < 0 || found >= this.end) {
      this.at = this.end + 1;
      return '';
    }
    this.at = found + 1;
    return this.bytes.toString('utf8', start, found);
  }

  private integer(): number | bigint {
    const start = this.at;
    const value = smileInteger(this.bytes, start);
    if (value !== value) return this.longInteger(start);
    while (this.byte() < 0x80);
    return value;
  }

  private longInteger(start: number): number | bigint {
    if (start + 8 > this.end) throw this.overrun();
    let value = 0n;
    this.at = start;
    let byte = this.byte();
    for (; byte < 0x80; byte = this.byte()) {
      if (this.at - start > 10) throw new SyntaxError('A Smile integer is longer than 64 bits');
      value = (value << 7n) | BigInt(byte);
    }
    value = (value << 6n) | BigInt(byte & 0x3f);
    return this.exact(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)));
  }

  /** Of any length, as nested data may hold: two's complement. */
  private bigInteger(): number | bigint {
    const bytes = this.packedBytes();
    return this.exact(BigInt.asIntN(8 * bytes.length, BigInt(`0x0${bytes.toString('hex')}`)));
  }

  private exact(value: bigint): number | bigint {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    this.hasBigInt = true;
    return value;
  }

  private length(): number {
    let value = 0;
    let byte = this.byte();
    for (; byte < 0x80 && this.at <= this.end; byte = this.byte()) value = value * 128 + byte;
    return value * 64 + (byte & 0x3f);
  }

  private float(): number {
    return smileFloat(this.bytes, this.skip(5));
  }

  private double(): number {
    return smileDouble(this.bytes, this.skip(10));
  }

  /** Bytes in groups of seven bits; the last group has those that are left. */
  private packedBytes(): Buffer {
    const length = this.length();
    let at = this.skip(Math.ceil((length * 8) / 7));
    if (this.isOverrun) return Buffer.alloc(0);
    const unpacked = Buffer.allocUnsafe(length);
    let bits = 0;
    let bitCount = 0;
    for (let i = 0; i < length; i++) {
      while (bitCount < 8) {
        const left = (length - i) * 8 - bitCount;
        const taken = Math.min(7, left);
        bits = ((bits << taken) | (this.bytes[at++] as number)) & 0xffff;
        bitCount += taken;
      }
      bitCount -= 8;
      unpacked[i] = bits >> bitCount;
    }
    return unpacked;
  }

  private newName(name: string): string {
    if (this.names.length === maxShared) this.names = [];
    this.names.push(name);
    return name;
  }

  private newString(text: string): string {
    if (!this.sharesStrings) return text;
    if (this.strings.length === maxShared) this.strings = [];
    this.strings.push(text);
    return text;
  }

  private shared(table: readonly string[], index: number): string {
    const text = table[index];
    if (text === undefined)
      throw new SyntaxError(`Smile data refer to text ${index}, which was not there before`);
    return text;
  }

  /** What there is ends in the middle of a value. */
  private overrun(): SyntaxError {
    this.at = this.end + 1;
    return overrun;
  }

  private unexpected(token: number): SyntaxError {
    if (this.isOverrun) return overrun;
    return new SyntaxError(`Unexpected byte 0x${token.toString(16)} in Smile data`);
  }
}

/**
 * The integer that begins at `at`: seven bits a byte, six in the last one, which has the highest bit set. NaN if it has more
 * than 48 bits.
 */
export function smileInteger(bytes: Buffer, at: number): number {
  // Bit operations take 32 bits: the first 21 are kept apart from those that follow.
  let high = 0;
  let low = 0;
  let count = 0;
  let byte = bytes[at] as number;
  for (; byte < 0x80; byte = bytes[at + count] as number) {
    if (count === 6) return Number.NaN;
    if (count === 3) {
      high = low;
      low = 0;
    }
    low = (low << 7) | byte;
    count++;
  }
  low = (low << 6) | (byte & 0x3f);
  if (count <= 3) return unzigzag(low);
  const half = high * (1 << (7 * count - 16)) + (low >>> 1);
  return (low & 1) === 0 ? half : -half - 1;
}

/** The float in five bytes of seven bits. */
export function smileFloat(bytes: Buffer, at: number): number {
  word[0] =
    ((bytes[at] as number) << 28) |
    ((bytes[at + 1] as number) << 21) |
    ((bytes[at + 2] as number) << 14) |
    ((bytes[at + 3] as number) << 7) |
    (bytes[at + 4] as number);
  return asFloat[0] as number;
}

/** The double in ten bytes of seven bits. */
export function smileDouble(bytes: Buffer, at: number): number {
  const middle = bytes[at + 5] as number;
  words.setInt32(
    0,
    ((bytes[at] as number) << 31) |
      ((bytes[at + 1] as number) << 24) |
      ((bytes[at + 2] as number) << 17) |
      ((bytes[at + 3] as number) << 10) |
      ((bytes[at + 4] as number) << 3) |
      (middle >> 4),
  );
  words.setInt32(
    4,
    (middle << 28) |
      ((bytes[at + 6] as number) << 21) |
      ((bytes[at + 7] as number) << 14) |
      ((bytes[at + 8] as number) << 7) |
      (bytes[at + 9] as number),
  );
  return words.getFloat64(0);
}

/** Decodes a whole document. @throws SyntaxError */
export function decodeSmile(bytes: Buffer): unknown {
  const reader = new SmileReader();
  reader.append(bytes);
  reader.header();
  const value = reader.value();
  if (reader.isOverrun) throw overrun;
  return value;
}

// Nobody sees it, and it is needed for most chunks: made once, it costs no stack trace each time.
const overrun = new SyntaxError('The Smile data end in the middle');

const word = new Int32Array(1);
const asFloat = new Float32Array(word.buffer);
const words = new DataView(new ArrayBuffer(8));

const unzigzag = (value: number): number => (value >>> 1) ^ -(value & 1);
