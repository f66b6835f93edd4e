import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIN_TIMESTAMP, OutputTag, type DataStream, type TemporalJoinType } from '../../src/index.js';
import { OperatorHarness, type HarnessOptions } from '../../src/testing/index.js';
import {
  arrivals,
  joinScripts,
  play,
  playBatch,
  type JoinRecord,
  type JoinStep,
} from '../support/join-scripts.js';

type Pair = readonly [left: number, version: number | undefined];

const late = new OutputTag<JoinRecord>('late');
const isDeletion = ({ id }: JoinRecord) => id % 3 === 0;

const program =
  (type: TemporalJoinType) =>
  (left: DataStream<JoinRecord>, right: DataStream<JoinRecord>): DataStream<Pair> =>
    left
      .keyBy((record) => record.key)
      .temporalJoin(
        right.keyBy((record) => record.key),
        type,
      )
      .deletedWhen(isDeletion)
      .sideOutputLateData(late)
      .process<Pair>((l, version, _context, out) => out.collect([l.id, version?.id]));

const harnessOf = (type: TemporalJoinType, options?: HarnessOptions) =>
  OperatorHarness.ofTwo(program(type), options);

/** For each left record that is not late, the latest of all versions that are there when the watermark reaches it. */
function oracle(type: TemporalJoinType, steps: readonly JoinStep[]): string[] {
  const lines: string[] = [];
  let watermark = MIN_TIMESTAMP;
  for (const [index, step] of steps.entries()) {
    if (step.type === 'watermark') watermark = step.watermark;
    if (step.type === 'watermark' || !step.record.isLeft || step.record.timestamp < watermark) continue;
    const left = step.record;
    const reachedAt = steps.findIndex(
      (other, at) => at > index && other.type === 'watermark' && other.watermark >= left.timestamp,
    );
    const until = left.timestamp === watermark ? index : reachedAt === -1 ? steps.length : reachedAt;
    const versions = arrivals(steps.slice(0, until))
      .map(({ record }) => record)
      .filter((other) => !other.isLeft && other.key === left.key && other.timestamp <= left.timestamp)
      .sort((a, b) => a.timestamp - b.timestamp);
    const latest = versions.at(-1);
    const valid = latest === undefined || isDeletion(latest) ? undefined : latest;
    if (valid !== undefined || type === 'left') lines.push(line([left.id, valid?.id], left.timestamp));
  }
  return lines.sort();
}

const line = ([left, version]: Pair, timestamp: number | undefined) => `${left}/${version}@${timestamp}`;
const lines = (pairs: readonly { value: Pair; timestamp: number | undefined }[]) =>
  pairs.map(({ value, timestamp }) => line(value, timestamp)).sort();

/** Leaves out late versions: one that is older than a deletion which is forgotten would count again. */
function withoutLateVersions(steps: readonly JoinStep[]): JoinStep[] {
  let watermark = MIN_TIMESTAMP;
  return steps.filter((step) => {
    if (step.type === 'watermark') watermark = step.watermark;
    return step.type === 'watermark' || step.record.isLeft || step.record.timestamp >= watermark;
  });
}

/** The same with late versions, but none that is a deletion. */
function withoutDeletions(steps: readonly JoinStep[]): JoinStep[] {
  return steps.filter((step) => step.type === 'watermark' || step.record.isLeft || !isDeletion(step.record));
}

describe.each(['inner', 'left'] as const)('temporal join, %s', (type) => {
  it.each([
    ['deletions', withoutLateVersions],
    ['late versions', withoutDeletions],
  ])('gives the valid version, with %s, also after a restore at another parallelism', async (_, filter) => {
    await fc.assert(
      fc.asyncProperty(joinScripts.map(filter), fc.nat({ max: 60 }), async (steps, at) => {
        const before = await harnessOf(type, { parallelism: 2 });
        play(before, steps.slice(0, at));
        const after = await harnessOf(type, { parallelism: 3, restored: before.snapshot() });
        play(after, steps.slice(at));
        await after.endInput();
        expect(lines([...before.records(), ...after.records()])).toEqual(oracle(type, steps));

        const lateIds = arrivals(steps)
          .filter(({ record, watermark }) => record.isLeft && record.timestamp < watermark)
          .map(({ record }) => record.id);
        expect([...before.values(late), ...after.values(late)].map(({ id }) => id)).toEqual(lateIds);
      }),
      { numRuns: 100 },
    );
  });

  it('gives the same in batch mode, where nothing is late', async () => {
    await fc.assert(
      fc.asyncProperty(joinScripts, async (steps) => {
        const harness = await harnessOf(type, { runtimeMode: 'batch' });
        playBatch(harness, steps);
        await harness.endInput();
        expect(lines(harness.records())).toEqual(
          oracle(
            type,
            steps.filter((step) => step.type === 'record'),
          ),
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe('temporal join', () => {
  const left = (id: number, timestamp: number): JoinRecord => ({ id, isLeft: true, key: 1, timestamp });
  const version = (id: number, timestamp: number): JoinRecord => ({ id, isLeft: false, key: 1, timestamp });

  it('invariant 1: sees versions that come after the record they are valid for', async () => {
    const harness = await harnessOf('inner');
    harness.pushRight(version(1, 10), 10);
    harness.pushLeft(left(2, 30), 30);
    harness.watermark(15);
    harness.pushRight(version(4, 20), 20);
    harness.pushRight(version(5, 31), 31);
    expect(harness.values()).toEqual([]);
    harness.watermark(30);
    expect(harness.elements.slice(-2)).toEqual([
      { type: 'record', value: [2, 4], timestamp: 30 },
      { type: 'watermark', timestamp: 30 },
    ]);
  });

  it('invariant 3: keeps the version that is valid at the watermark and later ones, no deletion', async () => {
    const harness = await harnessOf('inner');
    for (const [id, at] of [
      [1, 10],
      [2, 20],
      [4, 30],
    ] as const)
      harness.pushRight(version(id, at), at);
    harness.watermark(25);
    const other = await harnessOf('inner');
    other.pushRight(version(2, 20), 20);
    other.pushRight(version(4, 30), 30);
    other.watermark(25);
    expect(harness.snapshot()).toEqual(other.snapshot());

    harness.pushRight(version(6, 40), 40); // a deletion
    harness.watermark(50);
    const empty = await harnessOf('inner');
    empty.watermark(50);
    expect(harness.snapshot()).toEqual(empty.snapshot());
  });

  it('invariant 3: forgets a key of which it has seen a deletion only', async () => {
    const harness = await harnessOf('inner');
    harness.pushRight(version(3, 10), 10);
    harness.watermark(10);
    const empty = await harnessOf('inner');
    empty.watermark(10);
    expect(harness.snapshot()).toEqual(empty.snapshot());
  });

  it('invariant 4: a late version counts for what is joined after it', async () => {
    const harness = await harnessOf('left');
    harness.pushRight(version(1, 10), 10);
    harness.watermark(100);
    harness.pushRight(version(2, 50), 50);
    harness.pushRight(version(4, 40), 40);
    harness.pushLeft(left(5, 100), 100);
    expect(harness.values()).toEqual([[5, 2]]);
  });

  it('invariant 2: counts late records that have no side output', async () => {
    const harness = await OperatorHarness.ofTwo((l: DataStream<JoinRecord>, r: DataStream<JoinRecord>) =>
      l
        .keyBy(({ key }) => key)
        .temporalJoin(r.keyBy(({ key }) => key))
        .process<string>((_l, _r, context, out) => {
          out.collect(`${context.leftTimestamp} ${context.rightTimestamp} ${context.timestamp}`);
        }),
    );
    harness.pushRight(version(3, 5), 5);
    harness.watermark(10);
    harness.pushLeft(left(1, 9), 9);
    harness.pushLeft(left(2, 11), 11);
    await harness.endInput();
    expect(harness.values()).toEqual(['11 5 11']);
    expect(harness.lateRecordsDropped).toBe(1);
  });

  it('refuses a record without a timestamp', async () => {
    const harness = await harnessOf('inner');
    expect(() => harness.pushRight(version(1, 0))).toThrow(/without a timestamp reached 'TemporalJoin'/);
  });
});
