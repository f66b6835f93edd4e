import { expect, it } from 'vitest';
import { aggregation, dataSource, eternity, filter, groupByQuery, postAggregation } from '../../src/index.js';
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

  // What is of another type than the builder says is an error of the decoder.
  it('gives each post-aggregation of sketches as the type that its builder says', async () => {
    const { arrayOfDoublesSketch, HLLSketchBuild, hyperUnique, thetaSketch } = aggregation;
    const aggregations = [
      aggregation.quantilesDoublesSketch('q', 'd'),
      aggregation.KllDoublesSketch('kd', 'd'),
      aggregation.KllFloatsSketch('kf', 'd'),
      arrayOfDoublesSketch('t1', 'lang', { metricColumns: ['d'] }),
      arrayOfDoublesSketch('t2', 'page', { metricColumns: ['d'] }),
      thetaSketch('theta', 'lang'),
      HLLSketchBuild('hll', 'lang'),
    ] as const;
    const one = { splitPoints: [0] };
    const both = ['t1', 't2'];
    const p = postAggregation;
    const postAggregations = [
      p.quantilesDoublesSketchToString('1', 'q'),
      p.quantilesDoublesSketchToHistogram('2', 'q', { numBins: 3 }),
      p.KllDoublesSketchToQuantiles('3', 'kd', { fractions: [0, 1] }),
      p.KllDoublesSketchToHistogram('4', 'kd', one),
      p.KllDoublesSketchToRank('5', 'kd', { value: 1 }),
      p.KllDoublesSketchToCDF('6', 'kd', one),
      p.KllDoublesSketchToString('7', 'kd'),
      p.KllFloatsSketchToQuantile('8', 'kf', { fraction: 0.5 }),
      p.KllFloatsSketchToQuantiles('9', 'kf', { fractions: [0, 1] }),
      p.KllFloatsSketchToHistogram('10', 'kf', one),
      p.KllFloatsSketchToRank('11', 'kf', { value: 1 }),
      p.KllFloatsSketchToCDF('12', 'kf', one),
      p.KllFloatsSketchToString('13', 'kf'),
      p.arrayOfDoublesSketchToEstimateAndBounds('14', 't1', { numStdDevs: 2 }),
      p.arrayOfDoublesSketchToVariances('15', 't1'),
      p.arrayOfDoublesSketchToQuantilesSketch('16', 't1', { column: 1, k: 32 }),
      p.arrayOfDoublesSketchToString('17', 't1'),
      p.arrayOfDoublesSketchSetOp('18', both, { operation: 'UNION' }),
      p.arrayOfDoublesSketchTTest('19', both),
      p.HLLSketchToString('20', 'hll'),
    ] as const;
    const [row] = await client().native.timeseries({ ...base, aggregations, postAggregations });
    for (const { name } of postAggregations) expect(row?.result[name], name).not.toBeNull();
    // Of sketches that were made before: by a query inside.
    const inner = groupByQuery({
      ...base,
      dimensions: ['page'],
      aggregations: [
        HLLSketchBuild('h', 'lang', { shouldFinalize: false }),
        thetaSketch('t', 'lang', { shouldFinalize: false }),
        hyperUnique('u', 'lang'),
      ],
      context: { finalize: false },
    });
    const [merged] = await client().native.timeseries({
      ...base,
      intervals: [eternity],
      dataSource: dataSource.query(inner),
      aggregations: [
        aggregation.HLLSketchMerge('h', 'h', { round: true }),
        thetaSketch('t', 't', { isInputThetaSketch: true }),
      ],
    });
    expect(merged?.result).toMatchObject({ h: 3 });
  });
}
