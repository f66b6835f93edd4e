/** Values in a statement that loads them (EXTERN), and in the results of one that reads them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { replaceStatement, selectExtern, type DruidClient } from '../src/index.js';
import { sql } from '../src/sql-template.js';
import { collect } from './fake-druid.js';
import { uniqueName } from './load.js';
import { inOrder, rowsOf, type Row } from './round-trips.js';

// What JSON, a multi-stage query or one of its rows cannot hold, and what extern therefore refuses, is left out.
const isWritable = (row: Row): boolean =>
  Object.values(row).every((value) =>
    typeof value === 'number'
      ? Number.isFinite(value)
      : typeof value !== 'string' || (!value.includes('\0') && value.length < 500_000),
  );

/** Registers the round trips of a server with multi-stage queries. */
export function describeMsqRoundTrips(getClient: () => DruidClient): void {
  const seed = Math.floor(Math.random() * 2 ** 31);
  describe(`round trips by multi-stage queries (seed ${seed})`, () => {
    const table = uniqueName('msq');
    const rows = rowsOf(seed).rows.filter(isWritable);
    const mark = `it's "?" \\ \n 𝒳`;

    beforeAll(async () => {
      const { msq, datasources } = getClient();
      const signature = { t: 'long', id: 'long', s: 'string', n: 'long', d: 'double', f: 'float' } as const;
      const input = { rows: rows.map(({ __time, ...row }) => ({ t: __time, ...row })) };
      const read = selectExtern({ input, signature }, { column: 't', format: 'millis' });
      const query = sql`SELECT *, ${mark} AS mark FROM (${read})`;
      const statement = replaceStatement({ into: table, overwrite: 'all', query, partitionedBy: 'ALL' });
      const { taskId } = await msq.submit(statement, { context: { maxNumTasks: 2 } });
      const { status, report } = await msq.waitFor(taskId);
      if (status.statusCode !== 'SUCCESS') throw new Error(JSON.stringify(report?.error ?? status));
      await datasources.waitUntilQueryable(table);
    });

    it('loads every value as it was', async () => {
      const columns = {
        __time: 'timestamp',
        id: 'long',
        s: 'string',
        n: 'long',
        d: 'double',
        f: 'double',
      } as const;
      const query = sql`SELECT __time, id, s, n, d, f FROM ${sql.identifier(table)} WHERE mark = ${mark}`;
      const found = await getClient().sql.query(query, { columns, int64: 'bigint' });
      expect(inOrder(found)).toEqual(rows);
    });

    it('gives every value back as the result of a statement', async () => {
      const { statements } = getClient();
      const query = sql`SELECT __time, id, s, n, d, f FROM ${sql.identifier(table)} WHERE mark = ${mark}`;
      const { queryId } = await statements.submit(query, { context: { maxNumTasks: 2 } });
      expect((await statements.waitFor(queryId)).state).toBe('SUCCESS');
      const batches = await collect(statements.results(queryId, { int64: 'bigint' }));
      expect(inOrder(batches.flat())).toEqual(rows);
    });

    it('shows the place of an error', async () => {
      const query = sql`INSERT INTO ${sql.identifier(table)}\nSELECT nope FROM ${sql.identifier(table)} PARTITIONED BY ALL`;
      await expect(getClient().msq.submit(query)).rejects.toThrow(
        /2 \| SELECT nope FROM .*\n {4}\| {8}\^{4}$/,
      );
    });
  });
}
