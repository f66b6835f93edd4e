import { EXPECTED } from './expected.js';
import type { Query } from './queries.js';
import { referenceResults } from './reference.js';
import { RowHash, type RowHashResult } from './row-hash.js';

/** What a query has to give; `undefined` where that is not known without running the reference program. */
export function expectedResult(
  query: Query,
  events: number,
  seed: number,
  mayCompute: boolean,
): RowHashResult | undefined {
  const published = seed === 0 ? EXPECTED.get(events) : undefined;
  const results = published ?? (mayCompute ? referenceResults(events, seed) : undefined);
  if (results === undefined) return undefined;
  if (query !== 'q12') return results[query];
  const counted = new RowHash();
  counted.count(results.q0.outputs); // every bid is in one of the windows
  return counted.result();
}

/** @throws Error where `result` is not what was expected */
export function checkResult(name: string, result: RowHashResult, expected: RowHashResult): void {
  if (result.outputs === expected.outputs && result.hash === expected.hash) return;
  throw new Error(
    `${name}: ${result.outputs} rows with hash ${result.hash}, but ${expected.outputs} with hash ${expected.hash} are right`,
  );
}
