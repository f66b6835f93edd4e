import { describe, it } from 'vitest';
import { describeDruidContract } from '../../src/contract/index.js';
import { DruidCluster, isRealServerAvailable } from '../../src/index.js';

// A cluster of its own, not the shared one: a Coordinator that has led for 15 minutes soon removes what is overshadowed.
const real = isRealServerAvailable();

if (real.available) {
  describeDruidContract(
    'Apache Druid 33.0.0',
    async () => {
      const druid = await DruidCluster.start({ heapMb: 1200 });
      return { url: druid.url, stop: () => druid.stop() };
    },
    { lacks: ['basic security', 'multi-stage queries'] },
  );
} else {
  describe('Druid contract: Apache Druid 33.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
