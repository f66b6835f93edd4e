/**
 * Cuts the bytes of Druid's line formats into blocks of whole lines, so that a block is parsed in one go.
 *
 * Invariant 1: nothing is handed out before its line is complete.
 * Invariant 2: `isComplete` is true only after the blank line that Druid writes on success, with nothing behind it.
 */
export class LineBlocks {
  private pending: Buffer[] = [];
  private terminated = false;

  get isComplete(): boolean {
    return this.terminated && this.pending.length === 0; // invariant 2
  }

  /** The whole lines that `chunk` completes, each ending in `\n`; '' if none. @throws SyntaxError after the blank line */
  push(chunk: Buffer): string {
    const last = chunk.lastIndexOf(0x0a);
    if (last < 0) {
      if (chunk.length > 0) this.pending.push(chunk);
      if (this.terminated && chunk.length > 0) throw afterEnd();
      return '';
    }
    // Bytes, not characters, are cut here: a chunk may end inside a UTF-8 sequence, a line never does.
    const head = chunk.subarray(0, last + 1);
    const whole = this.pending.length === 0 ? head : Buffer.concat([...this.pending, head]);
    this.pending = last + 1 < chunk.length ? [chunk.subarray(last + 1)] : [];
    const text = whole.toString('utf8');
    if (this.terminated) throw afterEnd();
    const blank = text.startsWith('\n') ? 0 : text.indexOf('\n\n') + 1;
    if (blank === 0 && !text.startsWith('\n')) return text;
    this.terminated = true;
    if (blank + 1 < text.length || this.pending.length > 0) throw afterEnd();
    return text.slice(0, blank);
  }
}

function afterEnd(): SyntaxError {
  return new SyntaxError('Data after the blank line that ends a result');
}

/**
 * Makes one JSON array of a block of lines that each hold a JSON value; `count` is the number of lines.
 * JSON allows no raw line break inside a value, so turning line ends into commas is exact as long as the count agrees.
 */
export function blockToJsonArray(block: string): { text: string; count: number } {
  let count = 0;
  for (let at = block.indexOf('\n'); at >= 0; at = block.indexOf('\n', at + 1)) count++;
  return { text: `[${block.slice(0, -1).replaceAll('\n', ',')}]`, count };
}
