import { describe, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { describeDruidContract } from '../../src/contract/index.js';
import { isRealServerAvailable } from '../../src/index.js';

const real = isRealServerAvailable();

if (real.available) {
  describeDruidContract(
    'Apache Druid 27.0.0',
    async () => {
      const druid = await sharedDruid('27.0.0');
      return {
        url: druid.url,
        headers: { authorization: druid.credentials?.authorization ?? '' },
        security: { url: druid.urls.coordinator, authenticator: 'Basic', authorizer: 'Authz' },
      };
    },
    { version: '27.0.0', lacks: ['Kafka supervisors', 'locks', 'sketches'] },
  );
} else {
  describe('Druid contract: Apache Druid 27.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
