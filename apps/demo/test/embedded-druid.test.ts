import { join } from 'node:path';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildDemo } from './support/build-demo.js';
import { readTables } from './support/druid-tables.js';
import { computeExpected, expectedFigures } from './support/expected.js';
import { killUntilDone } from './support/kill-until-done.js';
import { figuresOf, runDemo } from './support/run-demo.js';
import { temporaryFolder } from './support/temporary-folder.js';

const ROWS = 20_000;

describe('the demo on the embedded Druid', { timeout: 180_000 }, () => {
  beforeAll(buildDemo, 180_000);

  it('finds what SQL over the file finds, row by row', async () => {
    const expected = await computeExpected(ROWS);
    const folder = await temporaryFolder();
    const run = await runDemo('--rows', `${ROWS}`, '--data-dir', folder, '--json');
    expect(figuresOf(run)).toEqual(expectedFigures(ROWS, expected));
    expect(expected.alerts.length).toBeGreaterThan(0);

    const druid = await EmbeddedDruid.start({ dataDir: join(folder, 'embedded-druid') });
    const client = new DruidClient({ url: druid.url });
    try {
      const { airportDelays, alerts, recommendations } = expected;
      expect(await readTables(client)).toEqual({ airportDelays, alerts, recommendations });
    } finally {
      client.close();
      await druid.stop();
    }
  });

  it('counts spoiled records by reason, and keeps them out of everything else, at any parallelism', async () => {
    const expected = await computeExpected(ROWS, 0.05);
    const run = await runDemo('--rows', `${ROWS}`, '--corrupt', '0.05', '--parallelism', '3', '--json');
    expect(figuresOf(run)).toEqual(expectedFigures(ROWS, expected));
    expect(Object.values(run.report.invalid).every((count) => count > 100)).toBe(true);
  });

  it('ends with the same figures after kill -9 at random moments, and again when there is nothing left to do', async () => {
    const expected = await computeExpected(ROWS);
    const folder = await temporaryFolder();
    const flags = ['--rows', `${ROWS}`, '--data-dir', folder, '--checkpoint-interval', '100', '--json'];
    const { last, killed } = await killUntilDone({ flags, kills: 4, maxLifeMs: 2_000, seed: 20_010_101 });
    expect(killed).toBeGreaterThan(0);
    expect(figuresOf(last)).toEqual(expectedFigures(ROWS, expected));
    expect(figuresOf(await runDemo(...flags))).toEqual(expectedFigures(ROWS, expected));
  });
});
