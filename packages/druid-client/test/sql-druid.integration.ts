import { isRealServerAvailable } from '@millrace/testkit';
import { describe, expect, it } from 'vitest';
import { sharedDruid } from '../../../tooling/shared-druid.js';
import { sql } from '../src/sql-template.js';
import { describeTool } from './cli/tool-behaviour.js';
import { describeConnections } from './connections-behaviour.js';
import { describeInjection } from './injection.js';
import { describeArrayRoundTrips } from './round-trips-arrays.js';
import { describeRoundTrips } from './round-trips.js';
import { describeSql } from './sql-behaviour.js';

const real = isRealServerAvailable();

if (real.available) {
  describeSql('Apache Druid 33.0.0', sharedDruid, (client, table) => {
    describeConnections(() => client().url);
    describeTool(client, table);

    it('gives arrays, JSON, multi-value strings, sketches and special numbers', async () => {
      const from = sql.identifier(table);
      const columns = {
        tags: 'array<string>',
        counts: 'array<long>',
        ratios: 'array<double>',
        mv: 'multi-value',
        j: 'json',
        hll: 'bytes',
        nan: 'double',
        big: 'boolean',
        latest: 'timestamp',
      } as const;
      const [row] = await client().sql.query(
        sql`SELECT ARRAY_AGG(s) AS tags, ARRAY_AGG(n) AS counts, ARRAY_AGG(d) AS ratios,
            STRING_TO_MV('a,b', ',') AS mv, JSON_OBJECT('n': 9007199254740993, 's': 'x') AS j,
            DS_HLL(s) AS hll, LN(-1e0 * COUNT(*)) AS nan, COUNT(*) > ${2} AS big, MAX(__time) AS latest
            FROM ${from}`,
        { columns, int64: 'bigint', timestamps: 'date' },
      );
      expect(row).toMatchObject({
        nan: Number.NaN,
        big: true,
        latest: new Date('2026-01-01T04:00:00.000Z'),
      });
      expect(row?.mv).toEqual(['a', 'b']);
      expect(row?.j).toEqual({ n: 9007199254740993n, s: 'x' });
      expect(row?.tags).toContain("x' OR 1=1 --");
      expect(row?.counts).toContain(9007199254740993n);
      expect(row?.ratios).toContain(1e300);
      expect(row?.hll?.length).toBeGreaterThan(8);
    });

    it('takes an array as one parameter', async () => {
      const count = sql`SELECT COUNT(*) AS c FROM ${sql.identifier(table)}`;
      const byText = sql`${count} WHERE SCALAR_IN_ARRAY(s, ${sql.array(['plain', "x' OR 1=1 --"])})`;
      expect(await client().sql.query(byText)).toEqual([{ c: 2 }]);
      const byNumber = sql`${count} WHERE SCALAR_IN_ARRAY(n, ${sql.array([7, 9007199254740993n])})`;
      expect(await client().sql.query(byNumber)).toEqual([{ c: 2 }]);
    });

    it('explains', async () => {
      const plan = await client().sql.explain(
        sql`SELECT COUNT(*) FROM ${sql.identifier(table)} WHERE n > ${1}`,
      );
      expect(plan.queries?.[0]?.query.queryType).toBe('timeseries');
      expect(plan.resources).toEqual([{ name: table, type: 'DATASOURCE' }]);
      expect(plan.attributes?.statementType).toBe('SELECT');
      expect((await client().sql.explain('SELECT * FROM sys.servers')).queries).toBeUndefined();
    });

    describeRoundTrips(client);
    describeArrayRoundTrips(client);
    describeInjection(client, 40);
  });
} else {
  describe('SQL against Apache Druid 33.0.0', () => {
    it.skip(`needs a JDK and Maven: ${real.reason}`);
  });
}
