import { isRealServerAvailable } from '@millrace/testkit';
import { describe, it } from 'vitest';
import { sharedDruid, type SharedDruid } from '../../../tooling/shared-druid.js';
import { describeTool } from './cli/tool-behaviour.js';
import { describeInjection } from './injection.js';
import { describeArrayRoundTrips } from './round-trips-arrays.js';
import { describeMsqRoundTrips } from './round-trips-msq.js';
import { describeRoundTrips } from './round-trips.js';
import { describeSql } from './sql-behaviour.js';

const real = isRealServerAvailable();

if (real.available) {
  let druid: SharedDruid;
  describeSql(
    'Apache Druid 27.0.0',
    async () => (druid = await sharedDruid('27.0.0')),
    (client, table) => {
      describeTool(client, table, () => ({
        MILLRACE_DRUID_USER: druid.credentials?.username ?? '',
        MILLRACE_DRUID_PASSWORD: druid.credentials?.password ?? '',
      }));
      describeRoundTrips(client);
      describeArrayRoundTrips(client);
      describeInjection(client, 40);
      describeMsqRoundTrips(client);
    },
  );
} else {
  describe('SQL against Apache Druid 27.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
