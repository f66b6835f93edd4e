/**
 * Finds the elements of a JSON array while its bytes arrive, without holding more than the element under way.
 *
 * Invariant 1: `isComplete` is true only after the array's own closing bracket, with nothing but white space behind it.
 */
export class JsonArrayElements {
  private pending: Buffer[] = [];
  private state: 'before' | 'inside' | 'after' = 'before';
  private depth = 0;
  private inString = false;
  private escaped = false;
  private needsElement = false;

  get isComplete(): boolean {
    return this.state === 'after';
  }

  /** The JSON texts of the elements that `chunk` completes. @throws SyntaxError if the bytes are no JSON array */
  push(chunk: Buffer): string[] {
    const elements: string[] = [];
    let start = 0;
    let at = this.state === 'before' ? this.open(chunk) : 0;
    if (this.state === 'inside') {
      start = at;
      // The hot loop: local copies, because fields are slower to read for every byte.
      let { depth, inString, escaped } = this;
      for (; at < chunk.length; at++) {
        const code = chunk[at] as number;
        if (inString) {
          if (escaped) escaped = false;
          else if (code === 0x5c) escaped = true;
          else if (code === 0x22) inString = false;
        } else if (code < 0x5b && code !== 0x22 && (code !== 0x2c || depth > 0)) {
          continue; // most of all: digits, and the commas between them
        } else if (code === 0x22) {
          inString = true;
        } else if (code === 0x5b || code === 0x7b) {
          depth++;
        } else if ((code === 0x5d || code === 0x7d) && depth > 0) {
          depth--;
        } else if (depth === 0 && (code === 0x2c || code === 0x5d)) {
          this.finish(chunk.subarray(start, at), code === 0x2c, elements);
          start = at + 1;
          if (code === 0x5d) {
            this.state = 'after';
            break;
          }
        }
      }
      Object.assign(this, { depth, inString, escaped });
    }
    if (this.state === 'inside') {
      if (start < chunk.length) this.pending.push(chunk.subarray(start));
    } else if (this.state === 'after') {
      requireBlank(chunk.subarray(start)); // invariant 1
    }
    return elements;
  }

  private open(chunk: Buffer): number {
    const at = chunk.findIndex((code) => code > 0x20);
    if (at < 0) return chunk.length;
    if (chunk[at] !== 0x5b)
      throw new SyntaxError(`Expected a JSON array, but it starts with ${excerpt(chunk, at)}`);
    this.state = 'inside';
    return at + 1;
  }

  private finish(tail: Buffer, byComma: boolean, elements: string[]): void {
    const text = (this.pending.length === 0 ? tail : Buffer.concat([...this.pending, tail])).toString('utf8');
    this.pending = [];
    if (text.trim() !== '') elements.push(text);
    else if (byComma || this.needsElement) throw new SyntaxError('An element is missing in a JSON array');
    this.needsElement = byComma;
  }
}

function requireBlank(rest: Buffer): void {
  const at = rest.findIndex((code) => code > 0x20);
  if (at >= 0) throw new SyntaxError(`Data after the end of the JSON array: ${excerpt(rest, at)}`);
}

function excerpt(bytes: Buffer, at: number): string {
  return JSON.stringify(bytes.subarray(at, at + 80).toString('utf8'));
}
