/** Smile as literally as its specification says it, one byte array a value. Shares names and texts if asked to. */
export class SmileEncoder {
  private readonly names = new Shared();
  private readonly strings = new Shared();
  private readonly shares: { readonly names: boolean; readonly strings: boolean };

  constructor(shares: { readonly names: boolean; readonly strings: boolean }) {
    this.shares = shares;
  }

  document(value: unknown): Buffer {
    const flags = (this.shares.names ? 1 : 0) | (this.shares.strings ? 2 : 0);
    return Buffer.from([0x3a, 0x29, 0x0a, flags, ...this.value(value)]);
  }

  private value(value: unknown): number[] {
    if (value === null) return [0x21];
    if (value === false) return [0x22];
    if (value === true) return [0x23];
    if (typeof value === 'string') return this.string(value);
    if (typeof value === 'bigint') return integer(value);
    if (typeof value === 'number') {
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? integer(BigInt(value)) : double(value);
    }
    if (value instanceof Float32Array) return float(value[0] as number);
    if (value instanceof Uint8Array) return bytes(value);
    if (Array.isArray(value)) return [0xf8, ...value.flatMap((item) => this.value(item)), 0xf9];
    return [
      0xfa,
      ...Object.entries(value as object).flatMap(([key, item]) => [...this.key(key), ...this.value(item)]),
      0xfb,
    ];
  }

  private string(text: string): number[] {
    const utf8 = [...Buffer.from(text)];
    const isAscii = utf8.length === text.length;
    if (utf8.length === 0) return [0x20];
    if (utf8.length > 64) return [isAscii ? 0xe0 : 0xe4, ...utf8, 0xfc];
    if (this.shares.strings) {
      const index = this.strings.find(text);
      if (index !== undefined) return index < 31 ? [index + 1] : [0xec | (index >> 8), index & 0xff];
      this.strings.add(text);
    }
    if (isAscii) return [utf8.length <= 32 ? 0x40 + utf8.length - 1 : 0x60 + utf8.length - 33, ...utf8];
    return [utf8.length <= 33 ? 0x80 + utf8.length - 2 : 0xa0 + utf8.length - 34, ...utf8];
  }

  private key(text: string): number[] {
    const utf8 = [...Buffer.from(text)];
    const isAscii = utf8.length === text.length;
    if (utf8.length === 0) return [0x20];
    if (utf8.length > (isAscii ? 64 : 56)) return [0x34, ...utf8, 0xfc];
    if (this.shares.names) {
      const index = this.names.find(text);
      if (index !== undefined) return index < 64 ? [0x40 | index] : [0x30 | (index >> 8), index & 0xff];
      this.names.add(text);
    }
    return [isAscii ? 0x80 + utf8.length - 1 : 0xc0 + utf8.length - 2, ...utf8];
  }
}

/** At most 1,024 texts; then it begins anew. Positions that end in FE or FF are taken, but never referred to. */
class Shared {
  private texts: string[] = [];

  find(text: string): number | undefined {
    const index = this.texts.findIndex((known, i) => known === text && (i & 0xff) < 0xfe);
    return index < 0 ? undefined : index;
  }

  add(text: string): void {
    if (this.texts.length === 1024) this.texts = [];
    this.texts.push(text);
  }
}

function variable(value: bigint): number[] {
  const groups = [Number(value & 0x3fn) | 0x80];
  for (let rest = value >> 6n; rest > 0n; rest >>= 7n) groups.unshift(Number(rest & 0x7fn));
  return groups;
}

function integer(value: bigint): number[] {
  const zigzag = value < 0n ? -value * 2n - 1n : value * 2n;
  if (BigInt.asIntN(64, value) !== value) return [0x26, ...bytes(twosComplement(value)).slice(1)];
  if (value >= -16n && value < 16n) return [0xc0 + Number(zigzag)];
  return [BigInt.asIntN(32, value) === value ? 0x24 : 0x25, ...variable(zigzag)];
}

/** As Java's BigInteger writes itself. */
function twosComplement(value: bigint): Uint8Array {
  let size = 1;
  while (BigInt.asIntN(8 * size, value) !== value) size++;
  const hex = BigInt.asUintN(8 * size, value).toString(16);
  return Buffer.from(hex.padStart(2 * size, '0'), 'hex');
}

/** The bits of `value`, seven a byte, the last byte at the right. */
function sevens(value: bigint, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Number((value >> BigInt(7 * (count - 1 - i))) & 0x7fn));
}

function double(value: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return [0x29, ...sevens(view.getBigUint64(0), 10)];
}

function float(value: number): number[] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return [0x28, ...sevens(BigInt(view.getUint32(0)), 5)];
}

function bytes(value: Uint8Array): number[] {
  const bits = [...value].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,7}/g) ?? [];
  return [0xe8, ...variable(BigInt(value.length)), ...groups.map((group) => Number.parseInt(group, 2))];
}
