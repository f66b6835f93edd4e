/** The result of a query: the same for the same rows in any order. */
export interface RowHashResult {
  /** Additions minus retractions. */
  readonly outputs: number;
  /** Two times eight hex digits. */
  readonly hash: string;
}

/**
 * Counts rows and hashes them, whatever their order: `begin`, the fields of the row, then `add` or `retract`.
 * A retraction undoes the addition of the same row, so the hash of a changelog is that of its final contents.
 */
export class RowHash {
  #outputs = 0;
  #all1 = 0;
  #all2 = 0;
  #row1 = 0;
  #row2 = 0;

  begin(): void {
    this.#row1 = 0x12345678;
    this.#row2 = 0x9abcdef0 | 0;
  }

  #word(word: number): void {
    const p = Math.imul(this.#row1 ^ word, 0x9e3779b1);
    this.#row1 = p ^ (p >>> 15);
    const q = Math.imul(this.#row2 ^ word, 0x85ebca77);
    this.#row2 = q ^ (q >>> 13);
  }

  /** A whole number: two words, the lower 32 bits first. */
  integer(value: number): void {
    const low = value | 0;
    this.#word(low);
    this.#word(low === value ? low >> 31 : Math.floor(value / 0x1_0000_0000) | 0);
  }

  string(value: string): void {
    this.#word(stringWord(value));
  }

  add(): void {
    this.#outputs++;
    this.#all1 ^= this.#row1;
    this.#all2 ^= this.#row2;
  }

  retract(): void {
    this.#outputs--;
    this.#all1 ^= this.#row1;
    this.#all2 ^= this.#row2;
  }

  /** Counts without hashing: for results that may differ from run to run in all but their number. */
  count(outputs: number): void {
    this.#outputs += outputs;
  }

  /** Takes over the rows of another hash. */
  merge(other: RowHashState): void {
    this.#outputs += other.outputs;
    this.#all1 ^= other.all1;
    this.#all2 ^= other.all2;
  }

  state(): RowHashState {
    return { outputs: this.#outputs, all1: this.#all1, all2: this.#all2 };
  }

  result(): RowHashResult {
    return { outputs: this.#outputs, hash: hex(this.#all1) + hex(this.#all2) };
  }
}

/** What a checkpoint stores of a `RowHash`. */
export interface RowHashState {
  readonly outputs: number;
  readonly all1: number;
  readonly all2: number;
}

/** The one word that stands for a string: its length and three of its characters. */
export function stringWord(value: string): number {
  const length = value.length;
  if (length === 0) return 0;
  const head = (Math.imul(length, 31) + value.charCodeAt(0)) | 0;
  const middle = (Math.imul(head, 31) + value.charCodeAt(length >> 1)) | 0;
  return (Math.imul(middle, 31) + value.charCodeAt(length - 1)) | 0;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
