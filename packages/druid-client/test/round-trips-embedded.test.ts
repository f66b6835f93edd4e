import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, describe } from 'vitest';
import { DruidClient } from '../src/index.js';
import { describeRoundTrips } from './round-trips.js';

describe('EmbeddedDruid', () => {
  let server: EmbeddedDruid;
  let client: DruidClient;

  beforeAll(async () => {
    server = await EmbeddedDruid.start();
    client = new DruidClient({ url: server.url });
  });

  afterAll(async () => {
    client.close();
    await server.stop();
  });

  describeRoundTrips(() => client);
});
