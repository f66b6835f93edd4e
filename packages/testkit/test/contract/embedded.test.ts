import { describeDruidContract } from '../../src/contract/index.js';
import { EmbeddedDruid } from '../../src/index.js';

describeDruidContract('EmbeddedDruid', async () => {
  const druid = await EmbeddedDruid.start();
  return { url: druid.url, stop: () => druid.stop() };
});
