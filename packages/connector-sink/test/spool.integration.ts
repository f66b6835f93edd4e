import { systemClock } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { requireRealServers } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../tooling/shared-druid.js';
import { druidRoutes, DruidSink } from '../src/index.js';
import { FIRST_DAY, SinkJob, flightSchema, temporaryDirectory, type Flight } from './support/sink-harness.js';

let client: DruidClient;

beforeAll(async () => {
  requireRealServers();
  client = new DruidClient({ url: (await sharedDruid()).url });
});
afterAll(() => client?.close());

describe('Spool files with a real Druid', () => {
  it('are read compressed, by datasource, with the dead letters of the same checkpoint', async () => {
    const sink = new DruidSink<Flight>({
      druid: client,
      schema: druidRoutes<Flight>()({
        route: ({ origin }) => (origin === 'SFO' ? 'one' : 'two'),
        schemas: { one: flightSchema('spool_one'), two: flightSchema('spool_two') },
      }),
      deadLetters: { dataSource: 'spool_letters' },
      compression: 'gzip',
      inlineMaxBytes: 300,
      spoolDirectory: await temporaryDirectory(),
    });
    const job = new SinkJob(sink, { clock: systemClock });
    const committer = await job.committer();
    // Enough for several chunks in one file.
    const rows = Array.from({ length: 30_000 }, (_, index): Flight => ({
      date: FIRST_DAY + index * 1_000,
      origin: index % 10 === 0 ? 'LAX' : 'SFO',
      delay: index === 7 ? 0.5 : index,
    }));
    await committer.commit(await job.checkpoint(1, rows));
    const found = await Promise.all(
      ['spool_one', 'spool_two'].map((dataSource) =>
        client.sql.query(`SELECT COUNT(*), SUM("delay"), SUM("delay" * "delay") FROM "${dataSource}"`, {
          rowFormat: 'array',
        }),
      ),
    );
    const sums = (wanted: readonly Flight[]) => {
      const delays = wanted.map(({ delay }) => delay ?? 0);
      const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
      return [[delays.length, sum(delays), sum(delays.map((delay) => delay ** 2))]];
    };
    expect(found).toEqual([
      sums(rows.filter(({ origin, delay }) => origin === 'SFO' && delay !== 0.5)),
      sums(rows.filter(({ origin }) => origin === 'LAX')),
    ]);
    expect(
      await client.sql.query('SELECT "dataSource", "column", "reason", "record" FROM "spool_letters"'),
    ).toEqual([
      {
        dataSource: 'spool_one',
        column: 'delay',
        reason: '0.5 is not an integer',
        record: JSON.stringify(rows[7]),
      },
    ]);
  });
});
