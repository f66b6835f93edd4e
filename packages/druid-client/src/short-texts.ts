const slotCount = 4096;
const maxTextLength = 24;

/** Short texts that were seen lately: columns repeat their values, and making a string costs more than finding it. */
export class ShortTexts {
  private readonly texts: string[] = Array.from({ length: slotCount }, () => '');
  /** The bytes of each text, which are read faster than those of a string. */
  private readonly bytes = new Uint8Array(slotCount * maxTextLength);

  /** The text of ASCII bytes. */
  ascii(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > maxTextLength) return bytes.toString('latin1', start, end);
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (slotCount - 1);
    const known = this.texts[slot] as string;
    const at = slot * maxTextLength;
    if (known.length === length) {
      let i = 0;
      while (i < length && this.bytes[at + i] === bytes[start + i]) i++;
      if (i === length) return known;
    }
    for (let i = 0; i < length; i++) this.bytes[at + i] = bytes[start + i] as number;
    return (this.texts[slot] = bytes.toString('latin1', start, end));
  }
}
