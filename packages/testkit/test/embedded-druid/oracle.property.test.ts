import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ingestionTask, lines } from '../../src/contract/fixtures.js';
import type { DruidHttp } from '../../src/contract/druid-http.js';
import type { EmbeddedDruid } from '../../src/index.js';
import { startDruid } from './support/client.js';

/** A row of the oracle; `n` and `w` may be missing. */
interface Row {
  t: number;
  k: string | null;
  n: number | null;
  w: number | null;
}

const START = Date.UTC(2024, 1, 27);
const DAY = 86_400_000;
const HOUR = 3_600_000;

/** Quarters add up exactly in any order, so that sums can be compared with `toEqual`. */
const quarters = fc.integer({ min: -4000, max: 4000 }).map((value) => value / 4);
const rows = fc.array(
  fc.record<Row>({
    t: fc.integer({ min: 0, max: 4 * DAY - 1 }).map((offset) => START + offset),
    k: fc.option(fc.constantFrom('', 'a', 'b', 'ü', 'a"b', 'line\nbreak', '7', '2.50', '{"x":1}')),
    n: fc.option(fc.integer({ min: -1_000_000, max: 1_000_000 })),
    w: fc.option(quarters),
  }),
  { minLength: 1, maxLength: 60 },
);

const sum = (values: (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0);
};

const byKey = <K>(list: readonly Row[], key: (row: Row) => K): Map<K, Row[]> => {
  const groups = new Map<K, Row[]>();
  for (const row of list) groups.set(key(row), [...(groups.get(key(row)) ?? []), row]);
  return groups;
};

const compareText = (a: string | null, b: string | null): number =>
  a === b ? 0 : a === null ? -1 : b === null ? 1 : Buffer.compare(Buffer.from(a), Buffer.from(b));

describe('EmbeddedDruid against a naive oracle', () => {
  let druid: EmbeddedDruid;
  let http: DruidHttp;
  let runs = 0;

  beforeAll(async () => ({ druid, http } = await startDruid()));
  afterAll(() => druid.stop());

  async function load(data: readonly Row[], more: Record<string, unknown> = {}): Promise<string> {
    const dataSource = `run_${(runs += 1)}`;
    const text = lines(data.map(({ t, ...row }) => ({ __time: new Date(t).toISOString(), ...row })));
    const dimensions = ['k', { type: 'long', name: 'n' }, { type: 'double', name: 'w' }];
    const status = await http.run(ingestionTask({ dataSource, dimensions, data: text, ...more }));
    expect(status).toMatchObject({ status: 'SUCCESS', errorMsg: null });
    return dataSource;
  }

  it('SQL sums, groups and orders like the oracle', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async (data) => {
        const source = await load(data);
        const totals = await http.rows(`SELECT COUNT(*), SUM(n), SUM(w), COUNT(k) FROM ${source}`);
        expect(totals).toEqual([
          [
            data.length,
            sum(data.map(({ n }) => n)),
            sum(data.map(({ w }) => w)),
            data.filter(({ k }) => k !== null).length,
          ],
        ]);
        const groups = [...byKey(data, ({ k }) => k)].sort(([a], [b]) => compareText(a, b));
        expect(await http.rows(`SELECT k, COUNT(*), SUM(n) FROM ${source} GROUP BY k ORDER BY k`)).toEqual(
          groups.map(([k, list]) => [k, list.length, sum(list.map(({ n }) => n))]),
        );
        const hours = [...byKey(data, ({ t }) => Math.floor(t / HOUR) * HOUR)].sort(([a], [b]) => a - b);
        expect(
          await http.rows(`SELECT TIME_FLOOR(__time, 'PT1H'), SUM(w) FROM ${source} GROUP BY 1 ORDER BY 1`),
        ).toEqual(hours.map(([t, list]) => [new Date(t).toISOString(), sum(list.map(({ w }) => w))]));
      }),
      { numRuns: 25 },
    );
  }, 240_000);

  it('scan gives every row once, and the segments in sys.segments add up to them', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 20 }), async (data, maxRowsPerSegment) => {
        const tuningConfig = { partitionsSpec: { type: 'dynamic', maxRowsPerSegment } };
        const dataSource = await load(data, { tuningConfig });
        const scan = {
          queryType: 'scan',
          dataSource,
          resultFormat: 'compactedList',
          columns: ['__time', 'k', 'n', 'w'],
          batchSize: 7,
        };
        const read = async (intervals: unknown): Promise<unknown[]> =>
          ((await http.native({ ...scan, intervals })) as { events: unknown[] }[]).flatMap(
            ({ events }) => events,
          );
        const expected = data.map(({ t, k, n, w }) => JSON.stringify([t, k, n, w])).sort();
        const whole = await read(['2024-01-01/2025-01-01']);
        expect(whole.map((row) => JSON.stringify(row)).sort()).toEqual(expected);
        const segments = await http.rows(
          `SELECT "start", "end", version, partition_num, num_rows FROM sys.segments WHERE datasource = '${dataSource}'`,
        );
        const pinned: unknown[] = [];
        for (const [start, end, ver, part, count] of segments) {
          const found = await read({
            type: 'segments',
            segments: [{ itvl: `${String(start)}/${String(end)}`, ver, part }],
          });
          expect(found).toHaveLength(Number(count));
          pinned.push(...found);
        }
        expect(pinned.map((row) => JSON.stringify(row)).sort()).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  }, 240_000);

  it('timeseries and rollup add up like the oracle', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async (data) => {
        const source = await load(
          data.map(({ t, k, n }) => ({ t, k, n, w: null })),
          {
            dimensions: ['k'],
            rollup: true,
            queryGranularity: 'HOUR',
            metricsSpec: [
              { type: 'count', name: 'cnt' },
              { type: 'longSum', name: 'n_sum', fieldName: 'n' },
            ],
          },
        );
        const groups = byKey(data, ({ t, k }) => JSON.stringify([Math.floor(t / HOUR), k]));
        expect(await http.rows(`SELECT COUNT(*), SUM(cnt), SUM(n_sum) FROM ${source}`)).toEqual([
          [groups.size, data.length, sum(data.map(({ n }) => n))],
        ]);
        const series = (await http.native({
          queryType: 'timeseries',
          dataSource: source,
          intervals: ['2024-01-01/2025-01-01'],
          granularity: 'day',
          aggregations: [
            { type: 'longSum', name: 'c', fieldName: 'cnt' },
            { type: 'longMax', name: 'm', fieldName: 'n_sum' },
          ],
        })) as { timestamp: string; result: { c: number; m: number | null } }[];
        const largest = (list: Row[]): number | null => {
          const sums = [...byKey(list, ({ t, k }) => JSON.stringify([Math.floor(t / HOUR), k])).values()].map(
            (group) => sum(group.map(({ n }) => n)),
          );
          const known = sums.filter((value) => value !== null);
          return known.length === 0 ? null : Math.max(...known);
        };
        const days = [...byKey(data, ({ t }) => Math.floor(t / DAY) * DAY)].sort(([a], [b]) => a - b);
        expect(series.map(({ timestamp, result }) => [timestamp, result.c, result.m])).toEqual(
          days.map(([t, list]) => [new Date(t).toISOString(), list.length, largest(list)]),
        );
      }),
      { numRuns: 20 },
    );
  }, 240_000);
});
