import { setOwn, type DecodedJson } from './json-decode.js';
import { noMoreKeys, SmileReader, smileTokens } from './smile-decode.js';

/** Reads items of an array that is a member, at least one; false if the bytes end in the middle of the first. */
export type ReadItem = (reader: SmileReader) => boolean;

/** May take the items of the array of that name away from the element, which then has it empty. */
export type ItemReader = (name: string, element: Readonly<Record<string, unknown>>) => ReadItem | undefined;

/**
 * Takes apart an array of objects in Smile while its bytes arrive. Where a member is an array, as the rows of a scan and the
 * results of a topN are, its items are decoded one at a time, so that a chunk may end anywhere and only the last is looked at
 * twice.
 *
 * Invariant 1: `isComplete` is true only after the outer array's own end, with nothing behind it.
 */
export class SmileElements {
  private readonly reader = new SmileReader();
  private state: 'head' | 'array' | 'element' | 'member' | 'rows' | 'after' = 'head';
  private element: Record<string, unknown> = {};
  private readItem: ReadItem = () => false;
  private readonly itemReader: ItemReader;

  constructor(itemReader: ItemReader = () => undefined) {
    this.itemReader = itemReader;
  }

  get isComplete(): boolean {
    return this.state === 'after';
  }

  /** The elements that `chunk` completes. @throws SyntaxError if the bytes are no Smile array of objects */
  push(chunk: Buffer): DecodedJson[] {
    const { reader } = this;
    const elements: DecodedJson[] = [];
    reader.append(chunk);
    while (!reader.isAtEnd) {
      reader.begin();
      let isWhole = false;
      try {
        isWhole = this.step(elements);
      } catch (error) {
        if (!reader.isOverrun) throw error;
      }
      if (!isWhole) {
        reader.undo();
        break;
      }
    }
    return elements;
  }

  /** Reads on; false if the bytes end in the middle, and then nothing here has changed since the reader's `begin`. */
  private step(elements: DecodedJson[]): boolean {
    const { reader } = this;
    switch (this.state) {
      case 'head':
        reader.header();
        if (reader.isOverrun) return false;
        this.state = 'array';
        return true;
      case 'array':
        if (!reader.take(smileTokens.startArray)) throw new SyntaxError('Expected a Smile array');
        this.state = 'element';
        return true;
      case 'element':
        if (reader.take(smileTokens.endArray)) this.state = 'after';
        else if (reader.take(smileTokens.startObject)) this.state = 'member';
        else throw new SyntaxError('Expected a Smile object');
        return true;
      case 'member':
        return this.member(elements);
      case 'rows':
        return this.readRows();
      case 'after':
        throw new SyntaxError('Data after the end of the Smile array'); // invariant 1
    }
  }

  private member(elements: DecodedJson[]): boolean {
    const { reader } = this;
    const key = reader.key();
    if (key === noMoreKeys) {
      elements.push({ value: this.element, hasBigInt: reader.hasBigInt });
      this.element = {};
      reader.hasBigInt = false;
      this.state = 'element';
    } else if (!reader.isOverrun && reader.take(smileTokens.startArray)) {
      const rows: unknown[] = [];
      this.readItem = this.itemReader(key, this.element) ?? readInto(rows);
      setOwn(this.element, key, rows);
      this.state = 'rows';
    } else {
      const value = reader.value();
      if (reader.isOverrun) return false;
      setOwn(this.element, key, value);
    }
    return true;
  }

  private readRows(): boolean {
    const { reader, readItem } = this;
    while (!reader.isAtEnd) {
      reader.begin();
      if (reader.take(smileTokens.endArray)) {
        this.state = 'member';
        return true;
      }
      if (!readItem(reader)) return false;
    }
    return true;
  }
}

/** Rows have mostly as many values as the one before. */
function readInto(rows: unknown[]): ReadItem {
  let width = 0;
  return (reader) => {
    const row = reader.row(width);
    if (reader.isOverrun) return false;
    if (Array.isArray(row)) width = row.length;
    rows.push(row);
    return true;
  };
}
