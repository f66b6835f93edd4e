import { describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../../tooling/shared-druid.js';
import { appendRows, requireRealServers } from '../../src/index.js';
import { druidHttp } from '../druid-http.js';

describe.skipIf(!requireRealServers())('appendRows', () => {
  it.each(['33.0.0', '27.0.0'] as const)(
    'resolves when queries of Druid %s find the rows',
    async (version) => {
      const druid = await sharedDruid(version);
      const { sql } = druidHttp(druid.url, { authorization: druid.credentials?.authorization ?? '' });
      const select = 'SELECT __time, origin, delay FROM appended ORDER BY __time';
      const [early, late] = [
        { __time: Date.UTC(2024, 0, 1, 6), origin: 'SFO', delay: 12 },
        { __time: '2024-01-02T07:00', origin: null, delay: -3 },
      ];
      await appendRows(druid, 'appended', [late!]);
      expect(await sql(select)).toEqual([['2024-01-02T07:00:00.000Z', null, -3]]);
      await appendRows(druid, 'appended', [early!]);
      expect(await sql(select)).toEqual([
        ['2024-01-01T06:00:00.000Z', 'SFO', 12],
        ['2024-01-02T07:00:00.000Z', null, -3],
      ]);
    },
  );
});
