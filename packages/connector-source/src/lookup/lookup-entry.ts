import { DruidSourceConfigError } from '../errors.js';

/** What Druid holds for one key. No rows: the key matches nothing, which is worth remembering as well. */
export interface LookupEntry<Row> {
  readonly rows: readonly Row[];
  /** Of a versioned lookup: when each row is valid, in epoch milliseconds, ascending; no two begin together. */
  readonly valid: readonly LookupValidity[] | undefined;
}

/** From one moment on until before another; `null`: until a later version begins. */
export interface LookupValidity {
  readonly from: number;
  readonly to: number | null;
}

/** The row of a versioned entry that is valid at `timestamp`: the latest that is not later than it, unless it has ended. */
export function rowValidAt<Row>(entry: LookupEntry<Row>, timestamp: number | undefined): Row | undefined {
  if (timestamp === undefined) {
    throw new DruidSourceConfigError(
      "A lookup with match 'version' joins by event time, and a record has no timestamp: give the source a watermark strategy with timestamps.",
      { details: { option: 'match' } },
    );
  }
  const valid = entry.valid ?? [];
  let low = 0;
  let high = valid.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (valid[middle]!.from <= timestamp) low = middle + 1;
    else high = middle;
  }
  const end = valid[low - 1]?.to ?? null;
  return low === 0 || (end !== null && end <= timestamp) ? undefined : entry.rows[low - 1];
}
