import { OutputTag, type Source } from '@millrace/core-stream';
import { sql } from '@millrace/druid-client';
import { expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  DruidSqlChangesSource,
  DruidSqlSource,
  DruidStatementSource,
  type InvalidRow,
  type SqlChange,
  type SqlEnumeratorState,
  type SqlSplit,
  type StatementEnumeratorState,
  type StatementSplit,
} from '../../src/index.js';

const druid = { url: 'http://localhost:8888' };
const query = 'SELECT page, added FROM edits';

/** The record type, as the engine infers it. */
function recordOf<T>(
  source: Source<T, SqlSplit, SqlEnumeratorState> | Source<T, StatementSplit, StatementEnumeratorState>,
): T {
  return source.recordType as T;
}

it('infers the row from the columns', () => {
  const source = new DruidSqlSource({
    druid,
    query,
    columns: { at: 'timestamp not null', page: 'string', added: 'long', tags: 'array<string>' },
  });
  expectTypeOf(recordOf(source)).toEqualTypeOf<{
    at: number;
    page: string | null;
    added: number | null;
    tags: (string | null)[] | null;
  }>();
  const exact = new DruidSqlSource({ druid, query, columns: { added: 'long not null' }, int64: 'bigint' });
  expectTypeOf(recordOf(exact)).toEqualTypeOf<{ added: bigint }>();
});

it('infers the row from a schema', () => {
  const schema = z.object({ page: z.string(), added: z.number().transform(String) });
  const source = new DruidSqlSource({
    druid,
    query: ({ condition }) => sql`SELECT page, added FROM edits WHERE ${condition}`,
    incremental: { latenessMs: 0, pollIntervalMs: 1000 },
    schema,
  });
  expectTypeOf(recordOf(source)).toEqualTypeOf<{ page: string; added: string }>();
});

it('infers changes of rows', () => {
  const columns = { page: 'string', added: 'long' } as const;
  const source = new DruidSqlChangesSource({ druid, query, columns, key: ['page'], pollIntervalMs: 1000 });
  expectTypeOf(recordOf(source)).toEqualTypeOf<SqlChange<{ page: string | null; added: number | null }>>();
});

it('infers the rows of a statement that Druid runs by itself', () => {
  const columns = { at: 'timestamp not null', tags: 'array<string>' } as const;
  const onInvalidRow = new OutputTag<InvalidRow>('invalid');
  const source = new DruidStatementSource({ druid, query, columns, onInvalidRow });
  expectTypeOf(recordOf(source)).toEqualTypeOf<{ at: number; tags: (string | null)[] | null }>();
  const schema = z.object({ page: z.string() });
  const checked = new DruidStatementSource({ druid, query: sql`SELECT 1`, schema });
  expectTypeOf(recordOf(checked)).toEqualTypeOf<{ page: string }>();
});

it('refuses what does not go together', () => {
  const columns = { page: 'string' } as const;
  const check = (): void => {
    // @ts-expect-error there is no such type
    new DruidSqlSource({ druid, query, columns: { page: 'varchar' } });
    // @ts-expect-error one or the other
    new DruidSqlSource({ druid, query, columns, schema: z.object({}) });
    // @ts-expect-error a function of ranges needs an interval or 'incremental'
    new DruidSqlSource({ druid, query: () => sql`SELECT 1`, columns });
    // @ts-expect-error a statement without ranges cannot be split
    new DruidSqlSource({ druid, query, columns, interval: { start: 0, end: 1 }, splitMs: 1 });
    // @ts-expect-error a key has at least one column
    new DruidSqlChangesSource({ druid, query, columns, key: [], pollIntervalMs: 1000 });
    // @ts-expect-error it has no ranges
    new DruidStatementSource({ druid, query: () => sql`SELECT 1`, columns });
    // @ts-expect-error the side output is of invalid rows
    new DruidStatementSource({ druid, query, columns, onInvalidRow: new OutputTag<number>('n') });
  };
  expectTypeOf(check).toBeFunction();
});
