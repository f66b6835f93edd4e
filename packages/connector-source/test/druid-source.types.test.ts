import type { Source } from '@millrace/core-stream';
import { filter } from '@millrace/druid-client';
import { expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  and,
  DruidSource,
  equals,
  virtualColumn,
  type DruidEnumeratorState,
  type DruidFilter,
  type DruidSplit,
  type RowOf,
} from '../src/index.js';

const druid = { url: 'http://localhost:8888' };

/** The record type, as the engine infers it. */
function recordOf<T>(source: Source<T, DruidSplit, DruidEnumeratorState>): T {
  return source.recordType as T;
}

it('infers the row from the columns', () => {
  const source = new DruidSource({
    druid,
    dataSource: 'edits',
    columns: {
      __time: 'timestamp',
      page: 'string',
      tags: 'string[]',
      added: 'long',
      deltas: 'long[]',
      score: 'double',
      extra: 'json',
    },
  });
  expectTypeOf(recordOf(source)).toEqualTypeOf<{
    __time: number;
    page: string | null;
    tags: (string | null)[] | null;
    added: number | null;
    deltas: (number | null)[] | null;
    score: number | null;
    extra: unknown;
  }>();
});

it('infers what longs become', () => {
  const columns = { added: 'long', deltas: 'long[]' } as const;
  expectTypeOf(
    recordOf(new DruidSource({ druid, dataSource: 'edits', columns, int64: 'bigint' })),
  ).toEqualTypeOf<{
    added: bigint | null;
    deltas: (bigint | null)[] | null;
  }>();
  expectTypeOf<RowOf<{ added: 'long' }, 'string'>>().toEqualTypeOf<{ added: string | null }>();
});

it('infers the row from a schema', () => {
  const schema = z.object({ page: z.string(), added: z.coerce.number().transform(String) });
  const source = new DruidSource({ druid, dataSource: 'edits', schema });
  expectTypeOf(recordOf(source)).toEqualTypeOf<{ page: string; added: string }>();
});

it('types virtual columns as the columns name them, and takes filters of druid-client', () => {
  const source = new DruidSource({
    druid,
    dataSource: 'edits',
    columns: { page: 'string', total: 'long' },
    virtualColumns: [virtualColumn.expression('total', 'added + deleted', 'LONG')],
    filter: and(filter.contains('page', 'main'), equals('total', 2n ** 60n)),
    limit: 10,
  });
  expectTypeOf(recordOf(source)).toEqualTypeOf<{ page: string | null; total: number | null }>();
  expectTypeOf(equals).returns.toEqualTypeOf<DruidFilter>();
  const check = (): void => {
    const columns = { page: 'string' } as const;
    // @ts-expect-error Druid has no such type
    virtualColumn.expression('total', 'added', 'NUMBER');
    // @ts-expect-error a virtual column is an object
    new DruidSource({ druid, dataSource: 'edits', columns, virtualColumns: ['added + deleted'] });
    // @ts-expect-error a limit is a number
    new DruidSource({ druid, dataSource: 'edits', columns, limit: 10n });
  };
  expectTypeOf(check).toBeFunction();
});

it('refuses unknown types, and columns together with a schema', () => {
  const check = (): void => {
    // @ts-expect-error there is no such type
    new DruidSource({ druid, dataSource: 'edits', columns: { page: 'varchar' } });
    // @ts-expect-error there is no such path
    new DruidSource({ druid, dataSource: 'edits', columns: { page: 'string' }, path: 'historical' });
    // @ts-expect-error one or the other
    new DruidSource({ druid, dataSource: 'edits', columns: { page: 'string' }, schema: z.object({}) });
  };
  expectTypeOf(check).toBeFunction();
});
