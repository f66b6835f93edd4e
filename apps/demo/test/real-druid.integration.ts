import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid, type SharedDruid } from '../../../tooling/shared-druid.js';
import { buildDemo } from './support/build-demo.js';
import { readTables } from './support/druid-tables.js';
import { computeExpected, expectedFigures } from './support/expected.js';
import { killUntilDone } from './support/kill-until-done.js';
import { figuresOf, runDemo } from './support/run-demo.js';
import { temporaryFolder } from './support/temporary-folder.js';

const TIMEOUT_MS = 240_000;

describe.skipIf(!requireRealServers())('the demo on a real Druid', { timeout: TIMEOUT_MS }, () => {
  let cluster: SharedDruid;
  let client: DruidClient;

  beforeAll(async () => {
    await buildDemo();
    cluster = await sharedDruid();
    client = new DruidClient({ url: cluster.url });
  }, TIMEOUT_MS);

  afterAll(() => client?.close());

  it('finds what SQL over the file finds, row by row', async () => {
    const rows = 100_000;
    const expected = await computeExpected(rows, 0.01);
    const flags = ['--rows', `${rows}`, '--corrupt', '0.01', '--parallelism', '2', '--json'];
    const run = await runDemo(...flags, '--druid', cluster.url, '--datasource-prefix', 'whole_');
    expect(figuresOf(run)).toEqual(expectedFigures(rows, expected));
    const { airportDelays, alerts, recommendations } = expected;
    expect(await readTables(client, 'whole_')).toEqual({ airportDelays, alerts, recommendations });
  });

  it('ends with the same figures after kill -9 at three random moments', async () => {
    const rows = 100_000;
    const expected = await computeExpected(rows);
    const where = [
      '--druid',
      cluster.url,
      '--datasource-prefix',
      'killed_',
      '--data-dir',
      await temporaryFolder(),
    ];
    const flags = ['--rows', `${rows}`, '--checkpoint-interval', '100', '--json', ...where];
    const { last, killed } = await killUntilDone({ flags, kills: 3, maxLifeMs: 3_000, seed: 20_010_102 });
    expect(killed).toBe(3);
    expect(figuresOf(last)).toEqual(expectedFigures(rows, expected));
    const { airportDelays, alerts, recommendations } = expected;
    expect(await readTables(client, 'killed_')).toEqual({ airportDelays, alerts, recommendations });
  });
});
