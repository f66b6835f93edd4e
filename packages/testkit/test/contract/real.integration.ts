import { describe, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { describeDruidContract } from '../../src/contract/index.js';
import { isRealServerAvailable } from '../../src/index.js';

const real = isRealServerAvailable();

if (real.available) {
  describeDruidContract('Apache Druid 33.0.0', sharedDruid, {
    lacks: ['basic security', 'multi-stage queries'],
  });
} else {
  describe('Druid contract: Apache Druid 33.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
