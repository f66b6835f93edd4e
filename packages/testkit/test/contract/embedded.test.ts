import { describeDruidContract } from '../../src/contract/index.js';
import { EmbeddedDruid } from '../../src/index.js';

describeDruidContract(
  'EmbeddedDruid',
  async () => {
    const druid = await EmbeddedDruid.start();
    return { url: druid.url, stop: () => druid.stop() };
  },
  {
    lacks: [
      'arrays',
      'basic security',
      'compaction',
      'dynamic configuration',
      'EXPLAIN',
      'locks',
      'lookups',
      'multi-stage queries',
      'rules',
      'search',
      'segments used again',
      'servers and tiers',
      'sketches',
      'supervisor reports',
      'topN',
    ],
  },
);
