import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  DruidClient,
  DruidError,
  DruidRemoteError,
  DruidThrottledError,
  extern,
  insertStatement,
  replaceStatement,
  sql,
  type NativeBatchTask,
  type SamplerSpec,
  type ScanBatch,
  type ScanQuery,
  type SqlContext,
  type SqlFragment,
  type SqlQueryText,
  type SqlRow,
  type SqlTemplateValue,
  type TaskStatus,
} from '../src/index.js';

const druid = new DruidClient({ url: 'http://localhost:8888' });
const schema = z.object({ page: z.string() }).transform(({ page }) => page);

describe('public types', () => {
  it('follow the schema', () => {
    expectTypeOf(() => druid.sql.query('SELECT', { schema })).returns.resolves.toEqualTypeOf<string[]>();
    expectTypeOf(() => druid.sql.stream('SELECT', { schema })).returns.toEqualTypeOf<
      AsyncIterable<string[]>
    >();
    expectTypeOf(() =>
      druid.native.query({ queryType: 'x' }, { schema }),
    ).returns.resolves.toEqualTypeOf<string>();
  });

  it('are unknown without one', () => {
    expectTypeOf(() => druid.sql.query('SELECT')).returns.resolves.toEqualTypeOf<SqlRow[]>();
    expectTypeOf(() => druid.sql.query('SELECT', { rowFormat: 'array' })).returns.resolves.toEqualTypeOf<
      unknown[][]
    >();
    expectTypeOf(() => druid.native.query({ queryType: 'x' })).returns.resolves.toEqualTypeOf<unknown>();
    expectTypeOf(druid.native.scan).returns.toEqualTypeOf<AsyncIterable<ScanBatch>>();
  });

  it('take templates wherever a statement is wanted', () => {
    expectTypeOf(druid.msq.submit).parameter(0).toEqualTypeOf<SqlQueryText>();
    expectTypeOf(druid.statements.submit).parameter(0).toEqualTypeOf<SqlQueryText>();
    expectTypeOf(extern).returns.toEqualTypeOf<SqlFragment>();
    expectTypeOf(insertStatement).parameter(0).toHaveProperty('query').toEqualTypeOf<SqlFragment>();
    expectTypeOf(replaceStatement).returns.toEqualTypeOf<SqlFragment>();
  });

  it('follow the declared columns and the modes', () => {
    const columns = {
      page: 'string not null',
      added: 'long',
      at: 'timestamp',
      tags: 'array<string>',
      counts: 'array<long> not null',
      j: 'json',
      hll: 'bytes',
      d: 'double',
    } as const;
    interface Row {
      page: string;
      added: number | null;
      at: number | null;
      tags: (string | null)[] | null;
      counts: (number | null)[];
      j: unknown;
      hll: Uint8Array | null;
      d: number | null;
    }
    expectTypeOf(() => druid.sql.query('SELECT', { columns })).returns.resolves.toEqualTypeOf<Row[]>();
    expectTypeOf(() => druid.sql.stream(sql`SELECT`, { columns })).returns.toEqualTypeOf<
      AsyncIterable<Row[]>
    >();
    expectTypeOf(() =>
      druid.sql.query('SELECT', {
        columns: { n: 'long', at: 'timestamp' },
        int64: 'bigint',
        timestamps: 'date',
      }),
    ).returns.resolves.toEqualTypeOf<{ n: bigint | null; at: Date | null }[]>();
    // @ts-expect-error no such type
    void (() => druid.sql.query('SELECT', { columns: { n: 'int' } }));
  });

  it('allow only what can be a parameter, or a fragment, in a template', () => {
    expectTypeOf(sql`SELECT ${1}`).toEqualTypeOf<SqlFragment>();
    expectTypeOf<
      string | number | bigint | boolean | Date | null | SqlFragment
    >().toExtend<SqlTemplateValue>();
    expectTypeOf<undefined>().not.toExtend<SqlTemplateValue>();
    expectTypeOf<string[]>().not.toExtend<SqlTemplateValue>();
    expectTypeOf<{ a: number }>().not.toExtend<SqlTemplateValue>();
    expectTypeOf<symbol>().not.toExtend<SqlTemplateValue>();
    expectTypeOf<() => string>().not.toExtend<SqlTemplateValue>();
    expectTypeOf<unknown>().not.toExtend<SqlTemplateValue>();
    expectTypeOf<{ text: string; parameters: [] }>().not.toExtend<SqlTemplateValue>();
    expectTypeOf<{ toStatement: SqlFragment['toStatement'] }>().not.toExtend<SqlTemplateValue>();
    // @ts-expect-error a plain call is no template
    void (() => sql('SELECT 1'));
    // @ts-expect-error a list has elements that are parameters
    void (() => sql.list([{ a: 1 }]));
    // @ts-expect-error a separator is SQL, not a text
    void (() => sql.join([sql`a`], ' AND '));
    // @ts-expect-error names are text
    void (() => sql.identifier(7));
  });

  it('know the query context and let other keys pass', () => {
    expectTypeOf({ timeout: 1000, sqlTimeZone: 'UTC', someNewKey: [1] }).toExtend<SqlContext>();
    expectTypeOf({ timeout: 'soon' }).not.toExtend<SqlContext>();
  });

  it('want intervals or segments, not both', () => {
    const base = { dataSource: 'x', columns: ['a'] };
    expectTypeOf({ ...base, intervals: ['2020/2021'] }).toExtend<ScanQuery>();
    expectTypeOf({ ...base, segments: [{ itvl: '', ver: '', part: 0 }] }).toExtend<ScanQuery>();
    expectTypeOf(base).not.toExtend<ScanQuery>();
    expectTypeOf({ ...base, intervals: [''], segments: [] }).not.toExtend<ScanQuery>();
  });

  it('know native batch tasks, whose spec can be sampled', () => {
    expectTypeOf<NativeBatchTask>().toExtend<Parameters<typeof druid.tasks.submit>[0]>();
    expectTypeOf<{ type: 'index'; spec: NativeBatchTask['spec'] }>().toExtend<SamplerSpec>();
    expectTypeOf<{ dataSchema: { dataSource: 'a' } }>().not.toExtend<NativeBatchTask['spec']>();
  });

  it('narrow errors and final states', () => {
    const error: unknown = undefined;
    if (DruidError.is(error)) expectTypeOf(error.retryable).toEqualTypeOf<boolean>();
    if (DruidRemoteError.is(error)) expectTypeOf(error.details.status).toEqualTypeOf<number>();
    if (DruidThrottledError.is(error)) expectTypeOf(error.code).toEqualTypeOf<'DRUID_THROTTLED'>();
    expectTypeOf<TaskStatus['statusCode']>().toEqualTypeOf<'RUNNING' | 'SUCCESS' | 'FAILED'>();
    expectTypeOf(() => druid.tasks.status('x')).returns.resolves.toEqualTypeOf<TaskStatus | undefined>();
  });
});
