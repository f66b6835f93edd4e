import { JsonArrayElements } from '../json-array-elements.js';
import { decodeJson, type DecodedJson } from '../json-decode.js';
import type { ResultFormat } from '../result-stream.js';
import { smileStart } from '../smile-decode.js';
import { SmileElements } from '../smile-elements.js';

interface Elements {
  readonly isComplete: boolean;
  /** The elements that `chunk` completes. @throws SyntaxError */
  push(chunk: Buffer): DecodedJson[];
}

class JsonElements implements Elements {
  private readonly elements = new JsonArrayElements();

  get isComplete(): boolean {
    return this.elements.isComplete;
  }

  push(chunk: Buffer): DecodedJson[] {
    return this.elements.push(chunk).map(decodeJson);
  }
}

/** An array in JSON or Smile, element by element while it arrives. What a server sends counts, not what it was asked for. */
export class AnswerElements implements Elements {
  private elements: Elements | undefined;

  get isComplete(): boolean {
    return this.elements?.isComplete === true;
  }

  push(chunk: Buffer): DecodedJson[] {
    if (chunk.length === 0) return [];
    this.elements ??= chunk[0] === smileStart ? new SmileElements() : new JsonElements();
    return this.elements.push(chunk);
  }
}

/** The rows of an answer that is an array with one row to an element. */
export class ElementsFormat<T> implements ResultFormat<T> {
  rowCount = 0;
  private readonly elements = new AnswerElements();
  private readonly read: (element: DecodedJson, row: number) => T;

  constructor(read: (element: DecodedJson, row: number) => T) {
    this.read = read;
  }

  get isComplete(): boolean {
    return this.elements.isComplete;
  }

  push(chunk: Buffer): T[] {
    return this.elements.push(chunk).map((element) => this.read(element, this.rowCount++));
  }
}
