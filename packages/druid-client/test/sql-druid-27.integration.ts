import { DruidCluster, isRealServerAvailable } from '@millrace/testkit';
import { describe, it } from 'vitest';
import { describeTool } from './cli/tool-behaviour.js';
import { describeInjection } from './injection.js';
import { describeArrayRoundTrips } from './round-trips-arrays.js';
import { describeMsqRoundTrips } from './round-trips-msq.js';
import { describeRoundTrips } from './round-trips.js';
import { describeSql } from './sql-behaviour.js';

const real = isRealServerAvailable();

if (real.available) {
  describeSql(
    'Apache Druid 27.0.0',
    async () => {
      const druid = await DruidCluster.start({ heapMb: 1200, version: '27.0.0' });
      return { url: druid.url, stop: () => druid.stop() };
    },
    (client, table) => {
      describeTool(client, table);
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
