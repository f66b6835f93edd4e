import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  OutputTag,
  StreamConfigError,
  StreamExecutionEnvironment,
  type DataStream,
  type JoinType,
} from '../../src/index.js';
import { OperatorHarness, type HarnessOptions } from '../../src/testing/index.js';
import {
  arrivals,
  joinScripts,
  play,
  playBatch,
  type JoinRecord,
  type JoinStep,
} from '../support/join-scripts.js';

type Pair = readonly [left: number | undefined, right: number | undefined];
interface Bounds {
  readonly lowerMs: number;
  readonly upperMs: number;
}

const types = ['inner', 'left', 'right', 'full'] as const;
const lateLeft = new OutputTag<JoinRecord>('late left');
const lateRight = new OutputTag<JoinRecord>('late right');
const bounds = fc
  .tuple(fc.integer({ min: -8, max: 8 }), fc.integer({ min: 0, max: 10 }))
  .map(([lowerMs, length]): Bounds => ({ lowerMs, upperMs: lowerMs + length }));

const program =
  (type: JoinType, { lowerMs, upperMs }: Bounds) =>
  (left: DataStream<JoinRecord>, right: DataStream<JoinRecord>): DataStream<Pair> =>
    left
      .keyBy((record) => record.key)
      .intervalJoin(
        right.keyBy((record) => record.key),
        type,
      )
      .between(lowerMs, upperMs)
      .sideOutputLeftLateData(lateLeft)
      .sideOutputRightLateData(lateRight)
      .process<Pair>((l, r, _context, out) => out.collect([l?.id, r?.id]));

const harnessOf = (type: JoinType, interval: Bounds, options?: HarnessOptions) =>
  OperatorHarness.ofTwo(program(type, interval), options);

/** All pairs by nested loops, and what they leave over. */
function oracle(type: JoinType, { lowerMs, upperMs }: Bounds, records: readonly JoinRecord[]): string[] {
  const lefts = records.filter(({ isLeft }) => isLeft);
  const rights = records.filter(({ isLeft }) => !isLeft);
  const isPair = (l: JoinRecord, r: JoinRecord) =>
    l.key === r.key && r.timestamp >= l.timestamp + lowerMs && r.timestamp <= l.timestamp + upperMs;
  const lines: string[] = [];
  for (const l of lefts) {
    for (const r of rights)
      if (isPair(l, r)) lines.push(line([l.id, r.id], Math.max(l.timestamp, r.timestamp)));
    if ((type === 'left' || type === 'full') && !rights.some((r) => isPair(l, r)))
      lines.push(line([l.id, undefined], l.timestamp));
  }
  for (const r of rights) {
    if ((type === 'right' || type === 'full') && !lefts.some((l) => isPair(l, r)))
      lines.push(line([undefined, r.id], r.timestamp));
  }
  return lines.sort();
}

const line = ([left, right]: Pair, timestamp: number | undefined) => `${left}/${right}@${timestamp}`;
const lines = (pairs: readonly { value: Pair; timestamp: number | undefined }[]) =>
  pairs.map(({ value, timestamp }) => line(value, timestamp)).sort();
const onTime = (steps: readonly JoinStep[]) =>
  arrivals(steps).flatMap(({ record, watermark }) => (record.timestamp >= watermark ? [record] : []));

describe.each(types)('interval join, %s', (type) => {
  it('invariant 1: gives what nested loops give, for any disorder, also after a restore at another parallelism', async () => {
    await fc.assert(
      fc.asyncProperty(bounds, joinScripts, fc.nat({ max: 60 }), async (interval, steps, at) => {
        const before = await harnessOf(type, interval, { parallelism: 2 });
        play(before, steps.slice(0, at));
        const after = await harnessOf(type, interval, { parallelism: 3, restored: before.snapshot() });
        play(after, steps.slice(at));
        await after.endInput();
        expect(lines([...before.records(), ...after.records()])).toEqual(
          oracle(type, interval, onTime(steps)),
        );

        const late = arrivals(steps).filter(({ record, watermark }) => record.timestamp < watermark);
        const seenLate = [before, after].flatMap((h) => [...h.values(lateLeft), ...h.values(lateRight)]);
        expect(seenLate.map(({ id }) => id).sort()).toEqual(late.map(({ record }) => record.id).sort());
      }),
      { numRuns: 100 },
    );
  });

  it('invariant 3: gives no record that is later than its input was', async () => {
    await fc.assert(
      fc.asyncProperty(bounds, joinScripts, async (interval, steps) => {
        const harness = await harnessOf(type, interval);
        play(harness, steps);
        await harness.endInput();
        const atWatermark = new Set(
          arrivals(steps).flatMap(({ record, watermark }) =>
            record.timestamp === watermark ? [record.id] : [],
          ),
        );
        let watermark = -Infinity;
        for (const element of harness.elements) {
          if (element.type === 'watermark') watermark = element.timestamp;
          if (
            element.type !== 'record' ||
            element.value.some((id) => id !== undefined && atWatermark.has(id))
          )
            continue;
          expect(element.timestamp).toBeGreaterThan(watermark);
        }
        expect(watermark).toBe(Infinity);
      }),
      { numRuns: 100 },
    );
  });

  it('gives the same in batch mode, where nothing is late', async () => {
    await fc.assert(
      fc.asyncProperty(bounds, joinScripts, async (interval, steps) => {
        const harness = await harnessOf(type, interval, { runtimeMode: 'batch' });
        playBatch(harness, steps);
        await harness.endInput();
        const records = arrivals(steps).map(({ record }) => record);
        expect(lines(harness.records())).toEqual(oracle(type, interval, records));
      }),
      { numRuns: 100 },
    );
  });
});

describe('interval join', () => {
  const left = (id: number, timestamp: number): JoinRecord => ({ id, isLeft: true, key: 1, timestamp });
  const right = (id: number, timestamp: number): JoinRecord => ({ id, isLeft: false, key: 1, timestamp });

  it('invariant 2: an unmatched record is emitted when the watermark is past its last possible match, not before', async () => {
    const harness = await harnessOf('full', { lowerMs: -5, upperMs: 10 });
    harness.pushLeft(left(1, 100), 100);
    harness.pushRight(right(2, 200), 200);
    harness.watermark(110);
    expect(harness.values()).toEqual([]);
    harness.watermark(111);
    expect(harness.records()).toEqual([{ value: [1, undefined], timestamp: 100 }]);
    // Held back by 11 ms: so long an unmatched left record is kept.
    expect(harness.watermarks()).toEqual([99, 100]);
    harness.watermark(205);
    expect(harness.values()).toHaveLength(1);
    harness.watermark(206);
    expect(harness.values()).toEqual([
      [1, undefined],
      [undefined, 2],
    ]);
  });

  it('an inner join does not hold the watermark back', async () => {
    const harness = await harnessOf('inner', { lowerMs: -5, upperMs: 10 });
    harness.watermark(7);
    expect(harness.watermarks()).toEqual([7]);
  });

  it('bounds can be exclusive', async () => {
    const harness = await OperatorHarness.ofTwo((l: DataStream<JoinRecord>, r: DataStream<JoinRecord>) =>
      l
        .keyBy(({ key }) => key)
        .intervalJoin(r.keyBy(({ key }) => key))
        .between(-2, 2)
        .lowerBoundExclusive()
        .upperBoundExclusive()
        .process<number>((_l, { timestamp }, _context, out) => out.collect(timestamp)),
    );
    harness.pushLeft(left(0, 10), 10);
    for (const at of [8, 9, 10, 11, 12]) harness.pushRight(right(at, at), at);
    expect(harness.values()).toEqual([9, 10, 11]);
  });

  it('tells the function the times of both records, and lets it write to side outputs', async () => {
    const side = new OutputTag<string>('side');
    const harness = await OperatorHarness.ofTwo((l: DataStream<JoinRecord>, r: DataStream<JoinRecord>) =>
      l
        .keyBy(({ key }) => key)
        .intervalJoin(
          r.keyBy(({ key }) => key),
          'left',
        )
        .between(0, 5)
        .process<never>((_l, _r, context) => {
          context.output(side, `${context.leftTimestamp} ${context.rightTimestamp} ${context.timestamp}`);
        }),
    );
    harness.pushLeft(left(1, 10), 10);
    harness.pushRight(right(2, 12), 12);
    harness.pushLeft(left(3, 20), 20);
    await harness.endInput();
    expect(harness.records(side)).toEqual([
      { value: '10 12 12', timestamp: 12 },
      { value: '20 undefined 20', timestamp: 20 },
    ]);
  });

  it('counts late records that have no side output', async () => {
    const harness = await OperatorHarness.ofTwo((l: DataStream<JoinRecord>, r: DataStream<JoinRecord>) =>
      l
        .keyBy(({ key }) => key)
        .intervalJoin(r.keyBy(({ key }) => key))
        .between(0, 5)
        .process<never>(() => undefined),
    );
    harness.watermark(10);
    harness.pushLeft(left(1, 9), 9);
    harness.pushRight(right(2, 9), 9);
    harness.pushRight(right(3, 10), 10);
    expect(harness.lateRecordsDropped).toBe(2);
  });

  it('keyed buffers invariant 2: keeps nothing of keys whose time is over', async () => {
    const harness = await harnessOf('full', { lowerMs: -5, upperMs: 5 });
    for (let i = 0; i < 50; i++) harness.pushLeft({ ...left(i, i), key: i }, i);
    harness.watermark(1000);
    expect(harness.snapshot()).toEqual(await emptySnapshot());

    async function emptySnapshot() {
      const other = await harnessOf('full', { lowerMs: -5, upperMs: 5 });
      other.watermark(1000);
      return other.snapshot();
    }
  });

  it('refuses bounds that are no interval', () => {
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    const keyed = env.fromCollection([1]).keyBy((n) => n);
    const join = keyed.intervalJoin(keyed);
    expect(() => join.between(5, 4)).toThrow(StreamConfigError);
    expect(() => join.between(5, 4)).toThrow(/IntervalJoin.*from 5 to 4/);
    expect(() => join.between(0.5, 4)).toThrow(/IntervalJoin.*got 0.5/);
    expect(() => join.between(NaN, 4)).toThrow(/got NaN/);
    expect(() => join.between(4, 4).upperBoundExclusive()).toThrow(/from 4 to 3/);
  });

  it('refuses a record without a timestamp', async () => {
    const harness = await harnessOf('inner', { lowerMs: 0, upperMs: 1 });
    expect(() => harness.pushLeft(left(1, 0))).toThrow(/without a timestamp reached 'IntervalJoin'/);
  });
});
