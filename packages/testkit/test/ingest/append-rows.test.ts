import { afterAll, beforeAll, expect, it } from 'vitest';
import { appendRows, EmbeddedDruid } from '../../src/index.js';
import { druidHttp } from '../druid-http.js';

let druid: EmbeddedDruid;
let sql: ReturnType<typeof druidHttp>['sql'];
beforeAll(async () => {
  druid = await EmbeddedDruid.start();
  sql = druidHttp(druid.url).sql;
});
afterAll(() => druid.stop());

it('makes a datasource, and appends to it what queries find at once', async () => {
  await appendRows(druid, 'flights', [
    { __time: '2024-01-01T06:00', origin: 'SFO', delay: 12, ratio: 1 },
    { __time: Date.UTC(2024, 0, 2), origin: null, delay: null, ratio: 0.5 },
  ]);
  await appendRows(druid, 'flights', [{ __time: '2024-01-01T07:00', origin: 'AUS', delay: 3 }]);
  expect(await sql('SELECT __time, origin, delay, ratio FROM flights ORDER BY __time')).toEqual([
    ['2024-01-01T06:00:00.000Z', 'SFO', 12, 1],
    ['2024-01-01T07:00:00.000Z', 'AUS', 3, null],
    ['2024-01-02T00:00:00.000Z', null, null, 0.5],
  ]);
  expect(
    await sql(
      `SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'flights' ORDER BY 1`,
    ),
  ).toEqual([
    ['__time', 'TIMESTAMP'],
    ['delay', 'BIGINT'],
    ['origin', 'VARCHAR'],
    ['ratio', 'DOUBLE'],
  ]);
});

it('makes segments of the length that is asked for', async () => {
  const rows = ['06:00', '07:00'].map((time) => ({ __time: `2024-01-01T${time}`, origin: 'SFO' }));
  await appendRows(druid, 'hourly', rows, { segmentGranularity: 'HOUR' });
  expect(await sql(`SELECT COUNT(*) FROM sys.segments WHERE datasource = 'hourly'`)).toEqual([[2]]);
});

it('says why rows are refused', async () => {
  await expect(appendRows(druid, 'never', [{ __time: 'no time', a: 'x' }])).rejects.toThrow(
    /never took no rows: .*task append_never_/s,
  );
});
