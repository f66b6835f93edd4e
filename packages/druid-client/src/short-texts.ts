const textSlots = 4096;
const maxTextLength = 24;

/** Short texts that were seen lately: columns repeat their values, and making a string costs more than finding it. */
export class ShortTexts {
  private readonly texts: string[] = Array.from({ length: textSlots }, () => '');

  /** The text of ASCII bytes. */
  ascii(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > maxTextLength) return bytes.toString('latin1', start, end);
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (textSlots - 1);
    const known = this.texts[slot] as string;
    if (known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[start + i]) i++;
      if (i === length) return known;
    }
    return (this.texts[slot] = bytes.toString('latin1', start, end));
  }
}
