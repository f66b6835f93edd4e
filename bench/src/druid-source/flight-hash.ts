import { flightRow } from '../druid-read/flights.js';
import type { RowProof } from './source-report.js';

/** A row as the job declares it. */
export interface Flight {
  readonly __time: number;
  readonly origin: string | null;
  readonly destination: string | null;
  readonly delay: number | null;
  readonly distance: number | null;
}

/** Counts rows, and adds up their hashes. */
export class FlightHash {
  #rows = 0;
  #hash = 0;

  add(row: Flight): void {
    let h =
      Math.imul(row.__time / 60_000, 0x9e3779b1) ^ ((row.delay as number) * 4096 + (row.distance as number));
    // The first two letters tell the airports apart.
    const origin = row.origin as string;
    const destination = row.destination as string;
    h = Math.imul(h ^ (origin.charCodeAt(0) * 256 + origin.charCodeAt(1)), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15) ^ (destination.charCodeAt(0) * 256 + destination.charCodeAt(1)), 0xc2b2ae35);
    this.#hash = (this.#hash + (h ^ (h >>> 13))) | 0;
    this.#rows++;
  }

  get proof(): RowProof {
    return { rows: this.#rows, hash: this.#hash >>> 0 };
  }
}

/** What reading all of `count` rows must give. */
export function expectedProof(count: number): RowProof {
  const hash = new FlightHash();
  for (let i = 0; i < count; i++) {
    const { time, ...row } = flightRow(i, count);
    hash.add({ __time: time, ...row });
  }
  return hash.proof;
}
