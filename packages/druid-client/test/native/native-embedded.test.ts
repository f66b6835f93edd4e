import { EmbeddedDruid } from '@millrace/testkit';
import { describeNative } from './native-behaviour.js';

describeNative(
  'EmbeddedDruid',
  async () => {
    const druid = await EmbeddedDruid.start();
    return { url: druid.url, dataUrls: [], stop: () => druid.stop() };
  },
  { hasMultiValues: false },
);
