import { EmbeddedDruid } from '@millrace/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DruidClient, type ScanBatch } from '../../src/index.js';
import { encodeJson } from '../../src/json-encode.js';
import { collect } from '../fake-druid.js';

let embedded: EmbeddedDruid;
let druid: DruidClient;

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.integer({ min: 1, max: 70 }).map((length) => 'x'.repeat(length)),
  fc.integer({ min: 1, max: 40 }).map((length) => 'ü'.repeat(length)),
);
const row = fc.record({
  // Empty text and a byte order mark are stored in another form.
  s: fc.option(text.filter((value) => value !== '' && !value.startsWith('\ufeff'))),
  n: fc.option(
    fc.oneof(
      fc.bigInt({ min: -20n, max: 20n }),
      // Where its form changes: 32 bits, a number's 53, 64.
      fc
        .tuple(fc.constantFrom(31n, 32n, 51n, 52n, 53n, 62n), fc.bigInt({ min: -2n, max: 2n }), fc.boolean())
        .map(([bits, near, isNegative]) => (isNegative ? -1n : 1n) * (2n ** bits + near)),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    ),
  ),
  d: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  f: fc.option(fc.float({ noNaN: true, noDefaultInfinity: true })),
});

beforeAll(async () => {
  embedded = await EmbeddedDruid.start();
  druid = new DruidClient({ url: embedded.url, sleep: () => Promise.resolve() });
  const rows = fc.sample(row, { numRuns: 500, seed: 7 });
  const { taskId } = await druid.tasks.submit({
    type: 'index_parallel',
    id: 'values',
    spec: {
      dataSchema: {
        dataSource: 'values',
        timestampSpec: { column: 't', format: 'millis' },
        dimensionsSpec: {
          dimensions: [
            's',
            { type: 'long', name: 'n' },
            { type: 'double', name: 'd' },
            { type: 'float', name: 'f' },
          ],
        },
        granularitySpec: { segmentGranularity: 'DAY', queryGranularity: 'NONE', rollup: false },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: {
          type: 'inline',
          data: rows.map((r, i) => encodeJson({ t: i * 1e6, ...r })).join('\n'),
        },
        inputFormat: { type: 'json' },
      },
      tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' } },
    },
  });
  expect((await druid.tasks.waitFor(taskId)).statusCode).toBe('SUCCESS');
});

afterAll(async () => {
  druid.close();
  await embedded.stop();
});

function scan(format: 'json' | 'smile', dataSource = 'values'): Promise<ScanBatch[]> {
  const columns = ['__time', 's', 'n', 'd', 'f', 'none'];
  const query = { dataSource, intervals: ['1970/1980'], columns, batchSize: 100 };
  return collect(druid.native.scan(query, { format, int64: 'bigint' }));
}

it('gives the same rows and types by Smile as by JSON', async () => {
  const [json, smile] = [await scan('json'), await scan('smile')];
  expect(json.reduce((sum, { rows }) => sum + rows.length, 0)).toBe(500);
  // JSON has the shortest decimal of a FLOAT, Smile its 32 bits.
  for (const { rows } of json) {
    for (const values of rows) values[4] = values[4] === null ? null : Math.fround(values[4] as number);
  }
  expect(smile).toEqual(json);
});

it('gives no batches by Smile where there are no rows', async () => {
  expect(await scan('smile', 'nothing')).toEqual([]);
});
