import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { DruidSource, equals } from '../../src/index.js';
import { bothListings, comparable } from '../support/both-listings.js';
import { exportRows, hashOf } from '../support/independent-export.js';
import { append, overwrite } from '../support/ingest.js';
import { flightColumns, flightIngestion, flights, flightValues, readPaths } from '../support/paused-reads.js';
import { TestJob } from '../support/test-job.js';

const dataSource = 'partly_replaced_flights';
const columns = {
  __time: 'timestamp',
  origin: 'string',
  flights: 'long',
  delay: 'double',
  pad: 'string',
} as const;

describe.skipIf(!requireRealServers())('a month of which a real Druid has replaced a day', () => {
  let url: string;
  let druid: DruidClient;

  beforeAll(async () => {
    url = (await sharedDruid()).url;
    druid = new DruidClient({ url });
    await append(druid, dataSource, flights(1000), { ...flightIngestion, segmentGranularity: 'MONTH' });
    await overwrite(druid, dataSource, flights(500, 500_000).slice(0, 500), flightIngestion);
  });

  afterAll(() => druid?.close());

  const exported = (where = '') => exportRows(url, `SELECT ${flightColumns} FROM ${dataSource} ${where}`);

  it.each(readPaths)('is read without the replaced rows (%s)', async (path) => {
    let rows = await exported();
    while (rows.length !== 2500) rows = await exported(); // until the day is loaded
    for (const [where, filter] of [
      ['', undefined],
      [`WHERE origin = 'o1'`, equals('origin', 'o1')],
    ] as const) {
      const source = new DruidSource({ druid, path, dataSource, columns, ...(filter && { filter }) });
      const job = new TestJob(source, { clock: systemClock });
      try {
        await job.run();
        expect(hashOf(flightValues(job.rows()))).toBe(hashOf(await exported(where)));
      } finally {
        await job.stop();
      }
    }
  });

  it('is listed alike by the Coordinator and by SQL, with what is hidden and with tombstones', async () => {
    const twoDays = { ...flightIngestion, dropExisting: '2024-01-01/2024-01-03' };
    await overwrite(druid, dataSource, flights(500, 700_000).slice(0, 500), twoDays); // a tombstone for the second
    let [told, listed] = await bothListings(druid, dataSource);
    // Where tombstones are only SQL tells; queries find the replaced rows until they are loaded.
    const isServed = () =>
      [...comparable(told).visible, ...listed].every(
        ({ availability, isOvershadowed }) => isOvershadowed || availability === 'available',
      );
    while (!told.some(({ isTombstone }) => isTombstone) || !isServed()) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      [told, listed] = await bothListings(druid, dataSource);
    }
    expect(comparable(told)).toEqual(comparable(listed));
    expect(told.some(({ isOvershadowed }) => isOvershadowed)).toBe(true);
    const pins = comparable(told).splits;
    expect(pins.map(({ replacedIn }) => replacedIn?.length)).toContain(2); // the month, without the two days
    const job = new TestJob(new DruidSource({ druid, dataSource, columns }), { clock: systemClock });
    try {
      await job.run();
      expect(job.emitted).toHaveLength(1500);
      expect(hashOf(flightValues(job.rows()))).toBe(hashOf(await exported()));
    } finally {
      await job.stop();
    }
  });
});
