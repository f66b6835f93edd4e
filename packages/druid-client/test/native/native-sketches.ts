import { expect, it } from 'vitest';
import { aggregation, filter, postAggregation } from '../../src/index.js';
import type { NativeContext } from './native-behaviour.js';

/** Sketches, for which the server needs the DataSketches extension. */
export function describeSketches({ client, table }: NativeContext): void {
  const base = { dataSource: table, intervals: ['2026-01-01/2026-01-03'], granularity: 'all' } as const;

  it.each(['json', 'smile'] as const)(
    'estimates by sketches, and gives them as bytes, by %s',
    async (format) => {
      const aggregations = [
        aggregation.thetaSketch('theta', 'lang'),
        aggregation.filtered(filter.equals('page', 'Main'), aggregation.thetaSketch('main', 'lang')),
        aggregation.HLLSketchBuild('hll', 'lang', { round: true }),
        aggregation.quantilesDoublesSketch('q', 'd', { k: 64 }),
        aggregation.KllDoublesSketch('kll', 'd'),
        aggregation.arrayOfDoublesSketch('tuple', 'lang', { numberOfValues: 1, metricColumns: ['d'] }),
        aggregation.cardinality('langs', ['lang']),
      ] as const;
      const postAggregations = [
        postAggregation.fieldAccess('bytes', 'theta'),
        postAggregation.fieldAccess('langsBytes', 'langs'),
        postAggregation.finalizingFieldAccess('number', 'theta'),
        postAggregation.thetaSketchEstimate(
          'notMain',
          postAggregation.thetaSketchSetOp('difference', ['theta', 'main'], { func: 'NOT' }),
        ),
        postAggregation.thetaSketchSetOp('both', ['theta', 'main'], { func: 'INTERSECT' }),
        postAggregation.thetaSketchToString('text', 'theta'),
        postAggregation.HLLSketchEstimate('hllEstimate', 'hll', { round: true }),
        postAggregation.HLLSketchEstimateWithBounds('bounds', 'hll', { numStdDev: 2 }),
        postAggregation.HLLSketchUnion('union', ['hll', 'hll']),
        postAggregation.quantilesDoublesSketchToQuantile('median', 'q', { fraction: 0.5 }),
        postAggregation.quantilesDoublesSketchToQuantiles('ends', 'q', { fractions: [0, 1] }),
        postAggregation.quantilesDoublesSketchToHistogram('bins', 'q', { splitPoints: [0, 10] }),
        postAggregation.quantilesDoublesSketchToRank('rank', 'q', { value: 50 }),
        postAggregation.quantilesDoublesSketchToCDF('cdf', 'q', { splitPoints: [0] }),
        postAggregation.KllDoublesSketchToQuantile('kllMedian', 'kll', { fraction: 1 }),
        postAggregation.arrayOfDoublesSketchToEstimate('keys', 'tuple'),
        postAggregation.arrayOfDoublesSketchToNumEntries('entries', 'tuple'),
        postAggregation.arrayOfDoublesSketchToMeans('means', 'tuple'),
        postAggregation.hyperUniqueCardinality('langCount', 'langs'),
      ] as const;
      const [row] = await client().native.timeseries({ ...base, aggregations, postAggregations }, { format });
      const result = row?.result;
      expect(result).toMatchObject({
        theta: 3,
        main: 2,
        hll: 3,
        q: 4,
        kll: 4,
        tuple: 3,
        number: 3,
        notMain: 1,
        hllEstimate: 3,
        ends: [-2.25, 100],
        bins: [1, 2, 1],
        rank: 0.75,
        cdf: [0.25, 1],
        kllMedian: 100,
        keys: 3,
        entries: 3,
      });
      expect(result?.langs).toBeCloseTo(3, 0);
      expect(result?.langCount).toBeCloseTo(3, 0);
      expect(result?.bounds).toHaveLength(3);
      expect(result?.means?.[0]).toBeCloseTo((1.75 - 2.25 + 100) / 3, 6);
      expect(result?.text).toContain('SUMMARY');
      for (const sketch of [result?.bytes, result?.langsBytes, result?.both, result?.union]) {
        expect(sketch?.length).toBeGreaterThan(0);
      }
      const raw = await client().native.timeseries(
        { ...base, aggregations, context: { finalize: false } },
        { format },
      );
      for (const sketch of Object.values(raw[0]?.result ?? {})) expect(sketch).toBeInstanceOf(Uint8Array);
      const own = [aggregation.thetaSketch('theta', 'lang', { shouldFinalize: false })] as const;
      const [kept] = await client().native.timeseries({ ...base, aggregations: own }, { format });
      expect(kept?.result.theta).toEqual(result?.bytes);
    },
  );
}
