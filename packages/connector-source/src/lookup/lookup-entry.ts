import { DruidSourceConfigError } from '../errors.js';

/** What Druid holds for one key. No rows: the key matches nothing, which is worth remembering as well. */
export interface LookupEntry<Row> {
  readonly rows: readonly Row[];
  /** Of a versioned lookup: from when on each row is valid, in epoch milliseconds, ascending; no two are equal. */
  readonly validFrom: readonly number[] | undefined;
}

/** The row of a versioned entry that is valid at `timestamp`: the latest that is not later than it. */
export function rowValidAt<Row>(entry: LookupEntry<Row>, timestamp: number | undefined): Row | undefined {
  if (timestamp === undefined) {
    throw new DruidSourceConfigError(
      "A lookup with match 'version' joins by event time, and a record has no timestamp: give the source a watermark strategy with timestamps.",
      { details: { option: 'match' } },
    );
  }
  const validFrom = entry.validFrom ?? [];
  let low = 0;
  let high = validFrom.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (validFrom[middle]! <= timestamp) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? undefined : entry.rows[low - 1];
}
