import { DruidCluster, isRealServerAvailable } from '@millrace/testkit';
import { describe, it } from 'vitest';
import { describeSql } from './sql-behaviour.js';

const real = isRealServerAvailable();

if (real.available) {
  describeSql('Apache Druid 27.0.0', async () => {
    const druid = await DruidCluster.start({ heapMb: 1200, version: '27.0.0' });
    return { url: druid.url, stop: () => druid.stop() };
  });
} else {
  describe('SQL against Apache Druid 27.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
