import { describe, it } from 'vitest';
import { describeDruidContract } from '../../src/contract/index.js';
import { DruidCluster, isRealServerAvailable } from '../../src/index.js';

// A cluster of its own, not the shared one: a Coordinator that has led for 15 minutes soon removes what is overshadowed.
const real = isRealServerAvailable();

if (real.available) {
  describeDruidContract(
    'Apache Druid 27.0.0',
    async () => {
      const druid = await DruidCluster.start({ version: '27.0.0', heapMb: 1200, basicSecurity: true });
      return {
        url: druid.url,
        headers: { authorization: druid.credentials?.authorization ?? '' },
        security: { url: druid.urls.coordinator, authenticator: 'Basic', authorizer: 'Authz' },
        stop: () => druid.stop(),
      };
    },
    { version: '27.0.0', lacks: ['Kafka supervisors', 'locks', 'sketches'] },
  );
} else {
  describe('Druid contract: Apache Druid 27.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
