import type { Source } from '@millrace/core-stream';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  DruidSource,
  range,
  type DruidEnumeratorState,
  type DruidSplit,
  type RejectedRow,
} from '../src/index.js';
import { append } from './support/ingest.js';
import { TestJob } from './support/test-job.js';

/** Rows in Smile become objects while they are decoded, rows in JSON afterwards: nobody may see a difference. */
describe('rows in Smile and in JSON', () => {
  const count = 900;
  const columns = { __time: 'timestamp', id: 'long', page: 'string', price: 'double' } as const;
  const pages = ['home', null, '', 'é', 'ü'.repeat(40), 'x'.repeat(64), 'x'.repeat(65), '東京'];
  // Beyond 2^53: such a row is read as plain values.
  const big = 2n ** 60n;
  const idOf = (i: number): bigint => (i % 100 === 77 ? big + BigInt(i) : BigInt(i * 9_999_991));
  const start = Date.UTC(2024, 0, 1);
  let embedded: EmbeddedDruid;
  let druid: DruidClient;

  beforeAll(async () => {
    embedded = await EmbeddedDruid.start();
    druid = new DruidClient({ url: embedded.url, sleep: () => Promise.resolve() });
    const lines = Array.from({ length: count }, (_, i) => {
      const page = JSON.stringify(pages[i % pages.length]);
      return `{"t":${start + i * 60_000},"id":${idOf(i)},"page":${page},"price":${i / 7}}`;
    });
    const dimensions = [{ type: 'long', name: 'id' }, 'page', { type: 'double', name: 'price' }];
    await append(druid, 'visits', lines, { dimensions });
  });

  afterAll(async () => {
    druid.close();
    await embedded.stop();
  });

  async function read<Row>(
    sourceOf: (onInvalidRow: (row: RejectedRow) => void) => Source<Row, DruidSplit, DruidEnumeratorState>,
  ) {
    const rejected: RejectedRow[] = [];
    const job = new TestJob(sourceOf((row) => rejected.push(row)));
    await job.run();
    await job.stop();
    return { emitted: job.emitted, rejected: rejected.map(({ position, row }) => ({ position, row })) };
  }

  it('are the same records', async () => {
    const filter = range('id', { lt: Number.MAX_SAFE_INTEGER });
    const by = (format: 'json' | 'smile') =>
      read(() => new DruidSource({ druid, dataSource: 'visits', columns, filter, format }));
    const smile = await by('smile');
    expect(smile).toEqual(await by('json'));
    expect(smile.emitted).toHaveLength(count - 9);
  });

  it.each(['bigint', 'string'] as const)('are the same with int64 as %s', async (int64) => {
    const by = (format: 'json' | 'smile') =>
      read(() => new DruidSource({ druid, dataSource: 'visits', columns, int64, format }));
    const smile = await by('smile');
    expect(smile).toEqual(await by('json'));
    expect(smile.emitted.map(({ row }) => BigInt(row.id ?? 0))).toEqual(
      Array.from({ length: count }, (_, i) => idOf(i)),
    );
  });

  it('are checked by a schema alike, and need not have their time', async () => {
    const schema = z.object({ id: z.bigint().max(9_999_991n * 500n), page: z.string().nullable() });
    const by = (format: 'json' | 'smile') =>
      read((onInvalidRow) => {
        const options = { druid, dataSource: 'visits', schema, int64: 'bigint', onInvalidRow } as const;
        return new DruidSource({ ...options, format });
      });
    const smile = await by('smile');
    expect(smile).toEqual(await by('json'));
    expect(smile.emitted[1]).toMatchObject({
      row: { id: 9_999_991n, page: null },
      timestamp: start + 60_000,
    });
    expect(smile.rejected.slice(0, 6).map(({ position }) => position)).toEqual([77, 177, 277, 377, 477, 501]);
  });

  it('go on after a restore with the next row, before and behind a rejected one', async () => {
    for (const taken of [1, 76, 77, 78, 500]) {
      const rejected: number[] = [];
      const source = new DruidSource({
        druid,
        dataSource: 'visits',
        schema: z.object({ id: z.bigint().max(big) }),
        int64: 'bigint',
        batchSize: 64,
        maxBufferedRows: 64,
        onInvalidRow: ({ position }) => rejected.push(position),
      });
      const first = new TestJob(source);
      await first.run(() => first.emitted.length >= taken, 1);
      const restored = first.checkpoint();
      const before = first.rows();
      await first.stop();
      const second = new TestJob(source, { restored });
      await second.run();
      await second.stop();
      const ids = [...before, ...second.rows()].map((row) => Number(row.id / 9_999_991n));
      const all = Array.from({ length: count }, (_, i) => i);
      expect(ids).toEqual(all.filter((i) => i % 100 !== 77));
      expect(rejected).toEqual(all.filter((i) => i % 100 === 77));
    }
  });
});
