/** What not every Druid has: by its version, by its extensions, or because it is not a real one. */

import { describe, expect, it } from 'vitest';
import type { ContractContext } from './describe-druid-contract.js';

/** Something that a server may lack. */
export type ContractFeature =
  | 'multi-stage queries'
  | 'Kafka supervisors'
  | 'supervisor reports'
  | 'basic security'
  | 'EXPLAIN'
  | 'sketches'
  | 'arrays'
  | 'topN'
  | 'search'
  | 'segments used again'
  | 'locks'
  | 'rules'
  | 'lookups'
  | 'compaction'
  | 'dynamic configuration'
  | 'servers and tiers';

/** A request that only a server with the feature answers. */
interface Probe {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
}

// 400: a type that is not known; 404, 405: no such path; 501: EmbeddedDruid says so.
const REFUSALS = [400, 404, 405, 501];

/**
 * Registers the tests of a feature. Where the server lacks it there is one test instead: that it refuses `probe`. So
 * nothing is answered wrongly in the meantime, and a gap that has closed is noticed.
 */
export function describeFeature(
  context: ContractContext,
  feature: ContractFeature,
  probe: (context: ContractContext) => Probe,
  tests: () => void,
): void {
  describe(feature, () => {
    if (!context.lacks.has(feature)) return tests();
    it('is refused, not answered wrongly', async () => {
      const { method = 'GET', path, body } = probe(context);
      const { status, text } = await context.druid.request(method, path, body);
      expect(REFUSALS, `${method} ${path}: ${text}`).toContain(status);
    });
  });
}
