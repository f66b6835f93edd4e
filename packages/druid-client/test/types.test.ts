import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  DruidClient,
  DruidError,
  DruidRemoteError,
  DruidThrottledError,
  type ScanBatch,
  type ScanQuery,
  type SqlRow,
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

  it('want intervals or segments, not both', () => {
    const base = { dataSource: 'x', columns: ['a'] };
    expectTypeOf({ ...base, intervals: ['2020/2021'] }).toExtend<ScanQuery>();
    expectTypeOf({ ...base, segments: [{ itvl: '', ver: '', part: 0 }] }).toExtend<ScanQuery>();
    expectTypeOf(base).not.toExtend<ScanQuery>();
    expectTypeOf({ ...base, intervals: [''], segments: [] }).not.toExtend<ScanQuery>();
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
