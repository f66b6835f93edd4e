import { isRealServerAvailable } from '@millrace/testkit';
import { describe, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { describeManagement, describeSecurity } from '../management/management-behaviour.js';
import { describeNative } from './native-behaviour.js';
import { describeServer } from './native-server.js';
import { describeSources } from './native-sources.js';

const real = isRealServerAvailable();

if (real.available) {
  let coordinator = '';
  describeNative(
    'Apache Druid 27.0.0',
    async () => {
      const druid = await sharedDruid('27.0.0');
      const { username = '', password = '' } = druid.credentials ?? {};
      const withLogin = (url: string): string => Object.assign(new URL(url), { username, password }).href;
      coordinator = withLogin(druid.urls.coordinator);
      const dataUrls = [druid.urls.broker, druid.urls.historical].map(withLogin);
      return { url: withLogin(druid.url), dataUrls };
    },
    {
      hasMultiValues: true,
      more: [describeServer, describeSources, describeManagement(false), describeSecurity(() => coordinator)],
    },
  );
} else {
  describe('Native queries against Apache Druid 27.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
