import { EmbeddedDruid } from '@millrace/testkit';
import { describeConnections } from './connections-behaviour.js';
import { describeSql } from './sql-behaviour.js';

describeSql(
  'EmbeddedDruid',
  async () => {
    const druid = await EmbeddedDruid.start();
    return { url: druid.url, stop: () => druid.stop() };
  },
  (client) => describeConnections(() => client().url),
);
