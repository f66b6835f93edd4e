import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ingestionTask } from '../../src/contract/fixtures.js';
import type { DruidHttp } from '../../src/contract/druid-http.js';
import type { EmbeddedDruid } from '../../src/index.js';
import { startDruid } from './support/client.js';

/** JSON texts of values: what clients send, and what they should not. */
const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('1', '-7', '"x"', '"12"', 'null', '2.5', '"2.50"', '"ü"', '""') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'true',
      '1.0',
      '1e3',
      '-0',
      '1e300',
      '0.0001',
      '12345678.5',
      '99999999999999999999',
      '9007199254740993',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{"x":1}',
      '["one"]',
      '[]',
      '" 12"',
      '"1_000"',
      '"0x10"',
      '"NaN"',
      '"1e5"',
      '"-"',
      '"\\u0000"',
      '0.12345678901234567',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
  },
  { weight: 2, arbitrary: fc.string({ maxLength: 6 }).map((text) => JSON.stringify(text)) },
);
const time = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('"2024-01-01T00:00:00Z"', '"2024-01-01T00:00:00.123Z"') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '"2024-01-01"',
      '"2024-01-01T01:00:00+01:00"',
      '"2024-01-01T00:00:00.1234567Z"',
      '"2024-01-01 00:00:00"',
      '1704067200000',
      '"later"',
      'null',
    ),
  },
);
const line = fc
  .record({ t: time, s: value, l: value, d: value })
  .map(({ t, s, l, d }) => `{"__time":${t},"s":${s},"l":${l},"d":${d}}`);

describe('the fast reader', () => {
  let druid: EmbeddedDruid;
  let http: DruidHttp;
  let runs = 0;

  beforeAll(async () => ({ druid, http } = await startDruid()));
  afterAll(() => druid.stop());

  async function load(data: string): Promise<{ text: string; counts: Record<string, number> }> {
    const dataSource = `run_${(runs += 1)}`;
    const dimensions = ['s', { type: 'long', name: 'l' }, { type: 'double', name: 'd' }];
    const status = await http.run(ingestionTask({ id: dataSource, dataSource, dimensions, data }));
    expect(status).toMatchObject({ status: 'SUCCESS' });
    const report = (await http.json(`/druid/indexer/v1/task/${dataSource}/reports`)) as {
      ingestionStatsAndErrors: { payload: { rowStats: { buildSegments: Record<string, number> } } };
    };
    const counts = report.ingestionStatsAndErrors.payload.rowStats.buildSegments;
    const answer = await http.sql(`SELECT * FROM ${dataSource}`, { resultFormat: 'arrayLines' });
    return { text: answer.status === 200 ? answer.text : 'no rows', counts };
  }

  it('gives the same rows as the exact reader, which a blank line forces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 2 }), async (data) => {
        const free = await load(data.join('\n'));
        const exact = await load(`${data.join('\n')}\n\n`);
        expect(free.text).toBe(exact.text);
        expect({ ...free.counts, processedBytes: 0 }).toEqual({
          ...exact.counts,
          processedBytes: 0,
          unparseable: (exact.counts['unparseable'] ?? 0) - 1,
        });
      }),
      { numRuns: 150 },
    );
  }, 240_000);
});
