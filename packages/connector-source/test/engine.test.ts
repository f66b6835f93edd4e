import { StreamExecutionEnvironment, WatermarkStrategy } from '@millrace/core-stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DruidSource } from '../src/index.js';
import { FakeDruid } from './support/fake-druid.js';

const dayMs = 86_400_000;
let druid: FakeDruid;

beforeEach(async () => {
  druid = await FakeDruid.start({ __time: 'TIMESTAMP', added: 'BIGINT' });
});

afterEach(() => druid.stop());

/** Runs a job over three days of three segments each and returns how many records there were, and which came late. */
async function countLate(lagMs: number): Promise<{ total: number; late: number }> {
  for (let i = 0; i < 9; i++) {
    const date = 1 + Math.floor(i / 3);
    const rows = Array.from({ length: 100 }, (_, n) => ({
      __time: Date.UTC(2024, 0, date) + n * 864_000,
      added: n,
    }));
    druid.addSegment(date, rows);
  }
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const source = new DruidSource({
    druid: { url: druid.url },
    dataSource: 'edits',
    columns: { added: 'long' },
    batchSize: 10,
  });
  const watermarks = WatermarkStrategy.forBoundedOutOfOrderness<{ added: number | null }>(lagMs);
  let total = 0;
  let late = 0;
  env
    .fromSource(source, watermarks.withEmission('on-advance'), 'edits')
    .setParallelism(2)
    .process(() => ({
      processElement: (_row, context, out) => {
        total++;
        if ((context.timestamp as number) <= context.currentWatermark) late++;
        out.collect(null);
      },
    }))
    .setParallelism(1)
    .addSink({ emit: () => undefined });
  await env.execute('read edits');
  return { total, late };
}

it('makes no row late in a job whose watermark lags by the length of a segment', async () => {
  expect(await countLate(dayMs)).toEqual({ total: 900, late: 0 });
});

it('makes rows late with a smaller lag, because segments of a day are read one after the other', async () => {
  expect((await countLate(0)).late).toBeGreaterThan(0);
});
