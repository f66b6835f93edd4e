import { isRealServerAvailable } from '@millrace/testkit';
import { describe, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { describeManagement } from '../management/management-behaviour.js';
import { describeNative } from './native-behaviour.js';
import { describeServer } from './native-server.js';
import { describeSketches } from './native-sketches.js';
import { describeNewer, describeSources } from './native-sources.js';

const real = isRealServerAvailable();

if (real.available) {
  describeNative(
    'Apache Druid 33.0.0',
    async () => {
      const { url, urls } = await sharedDruid();
      return { url, dataUrls: [urls.broker, urls.historical] };
    },
    {
      hasMultiValues: true,
      more: [describeServer, describeSketches, describeSources, describeNewer, describeManagement(true)],
    },
  );
} else {
  describe('Native queries against Apache Druid 33.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
