/**
 * What was found for keys, for a while.
 *
 * Role: keeps entries within a bound, the most recently used ones. Boundary: knows neither Druid nor clocks.
 *
 * Invariants
 * 1. The rows kept are never more than `maxRows`; a key without rows counts as one.
 * 2. An entry is not handed out from its expiry on.
 * 3. What makes room is what was used least recently.
 */
import type { LookupEntry } from './lookup-entry.js';

interface Kept<Row> {
  readonly entry: LookupEntry<Row>;
  readonly expiresAt: number;
}

export class LookupCache<Row> {
  readonly #maxRows: number;
  /** Least recently used first. */
  readonly #kept = new Map<string, Kept<Row>>();
  #rows = 0;
  #evictions = 0;

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  /** Rows kept. */
  get rows(): number {
    return this.#rows;
  }

  /** Entries that had to make room before they expired, or were not asked for again. */
  get evictions(): number {
    return this.#evictions;
  }

  get(id: string, now: number): LookupEntry<Row> | undefined {
    const kept = this.#kept.get(id);
    if (kept === undefined) return undefined;
    this.#kept.delete(id);
    if (kept.expiresAt <= now) {
      this.#rows -= weightOf(kept.entry); // invariant 2
      return undefined;
    }
    this.#kept.set(id, kept);
    return kept.entry;
  }

  put(id: string, entry: LookupEntry<Row>, expiresAt: number): void {
    this.#remove(id);
    const weight = weightOf(entry);
    if (weight > this.#maxRows) return;
    this.#kept.set(id, { entry, expiresAt });
    this.#rows += weight;
    while (this.#rows > this.#maxRows) {
      this.#remove(this.#kept.keys().next().value!); // invariants 1 and 3
      this.#evictions++;
    }
  }

  #remove(id: string): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    this.#rows -= weightOf(kept.entry);
  }
}

function weightOf(entry: LookupEntry<unknown>): number {
  return Math.max(1, entry.rows.length);
}
