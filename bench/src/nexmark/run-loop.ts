import { Generator } from './generator.js';
import { LOOPS } from './loops.js';
import type { Query } from './queries.js';
import { RowHash, type RowHashResult } from './row-hash.js';
import type { SteadyState } from './steady-state.js';

/** Events between two looks at the clock. */
const RANGE = 1_000;

export function runLoop(
  query: Query,
  events: number,
  seed: number,
  steadyState?: SteadyState,
): RowHashResult {
  const hash = new RowHash();
  const loop = LOOPS[query](new Generator(seed), hash);
  for (let from = 0; from < events; from += RANGE) {
    const to = Math.min(events, from + RANGE);
    loop.run(from, to);
    steadyState?.advance(to - from);
  }
  loop.finish();
  steadyState?.end();
  return hash.result();
}
