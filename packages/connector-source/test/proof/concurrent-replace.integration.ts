import { DruidClient, type DruidClientOptions } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { exportRows } from '../support/independent-export.js';
import { append } from '../support/ingest.js';
import { flightColumns, flightIngestion, flights, PausedReads } from '../support/paused-reads.js';

const dataSource = 'replaced_flights';

describe.skipIf(!requireRealServers())('a read while a REPLACE of a real Druid 27 goes on', () => {
  let druid: DruidClient;
  let paused: PausedReads;
  let snapshot: () => Promise<unknown[][]>;

  beforeAll(async () => {
    const { url, credentials } = await sharedDruid('27.0.0');
    const options: DruidClientOptions = { url, ...(credentials && { auth: credentials }) };
    const login = `${credentials?.username}:${credentials?.password}`;
    snapshot = () =>
      exportRows(
        url,
        `SELECT ${flightColumns} FROM ${dataSource}`,
        `Basic ${Buffer.from(login).toString('base64')}`,
      );
    druid = new DruidClient(options);
    paused = new PausedReads(options);
    await append(druid, dataSource, flights(4000), flightIngestion);
  });

  afterAll(async () => {
    await paused?.stop();
    druid?.close();
  });

  it('keeps to the version it has pinned, on every path', async () => {
    const before = await snapshot();
    const reads = await paused.overSegments(dataSource);
    const sqlReads = await paused.overSql(dataSource);
    const { taskId } = await druid.msq.submit(
      `REPLACE INTO ${dataSource} OVERWRITE ALL
       SELECT __time, origin, flights + 500000 AS flights, delay, pad FROM ${dataSource} PARTITIONED BY DAY`,
      { context: { maxNumTasks: 2 } },
    );
    expect((await druid.msq.waitFor(taskId)).status.statusCode).toBe('SUCCESS');
    let after = before;
    // Days change one after the other.
    while (after.some(([, , id]) => (id as number) < 500_000)) after = await snapshot();
    await paused.expectSnapshot(reads, before);
    expect(after.length).toBe(before.length);
    await paused.expectWholeDays(sqlReads, before, after);
  });
});
