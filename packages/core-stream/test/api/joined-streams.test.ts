import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CountEvictor,
  CountTrigger,
  EventTimeSessionWindows,
  OutputTag,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  type DataStream,
  type JoinType,
  type SidedRecord,
  type WindowAssigner,
} from '../../src/index.js';
import { OperatorHarness, type HarnessOptions } from '../../src/testing/index.js';
import { arrivals, joinScripts, play, playBatch, type JoinRecord } from '../support/join-scripts.js';

type Pair = readonly [left: number | undefined, right: number | undefined];

const keyOf = (record: JoinRecord) => record.key;
const late = new OutputTag<SidedRecord<JoinRecord, JoinRecord>>('late');

const joinHarness = (type: JoinType, assigner: WindowAssigner, options?: HarnessOptions) =>
  OperatorHarness.ofTwo(
    (left: DataStream<JoinRecord>, right: DataStream<JoinRecord>): DataStream<Pair> =>
      left
        .join(right, type)
        .where(keyOf)
        .equalTo(keyOf)
        .window(assigner)
        .sideOutputLateData(late)
        .apply<Pair>((l, r) => [l?.id, r?.id]),
    options,
  );

const line = ([left, right]: Pair, timestamp: number | undefined) => `${left}/${right}@${timestamp}`;
const lines = (pairs: readonly { value: Pair; timestamp: number | undefined }[]) =>
  pairs.map(({ value, timestamp }) => line(value, timestamp)).sort();

/** What is left of one key's window: all pairs, or what is alone. */
function joined(type: JoinType, records: readonly JoinRecord[], timestamp: number): string[] {
  const lefts = records.filter(({ isLeft }) => isLeft).map(({ id }) => id);
  const rights = records.filter(({ isLeft }) => !isLeft).map(({ id }) => id);
  if (lefts.length > 0 && rights.length > 0)
    return lefts.flatMap((l) => rights.map((r) => line([l, r], timestamp)));
  const keepsLeft = type === 'left' || type === 'full';
  const keepsRight = type === 'right' || type === 'full';
  return [
    ...(keepsLeft ? lefts.map((l) => line([l, undefined], timestamp)) : []),
    ...(keepsRight ? rights.map((r) => line([undefined, r], timestamp)) : []),
  ];
}

interface Arrival {
  readonly record: JoinRecord;
  readonly watermark: number;
}

/** Every window of every key, one after the other, with the records that were in time for it. */
function slidingOracle(
  type: JoinType,
  sizeMs: number,
  slideMs: number,
  arrived: readonly Arrival[],
): string[] {
  const found: string[] = [];
  for (let start = -sizeMs; start < 300; start++) {
    if (start % slideMs !== 0) continue;
    const end = start + sizeMs;
    const inWindow = arrived
      .filter(
        ({ record, watermark }) => record.timestamp >= start && record.timestamp < end && end - 1 > watermark,
      )
      .map(({ record }) => record);
    for (let key = 0; key <= 3; key++) {
      found.push(...joined(type, inWindow.filter((record) => record.key === key), end - 1)); // prettier-ignore
    }
  }
  return found.sort();
}

/** Each key's records, of both sides, until there is a gap. */
function sessionOracle(type: JoinType, gapMs: number, records: readonly JoinRecord[]): string[] {
  const found: string[] = [];
  for (let key = 0; key <= 3; key++) {
    const own = records.filter((record) => record.key === key).sort((a, b) => a.timestamp - b.timestamp);
    let session: JoinRecord[] = [];
    for (const [index, record] of own.entries()) {
      session.push(record);
      const next = own[index + 1];
      if (next !== undefined && next.timestamp <= record.timestamp + gapMs) continue;
      found.push(...joined(type, session, record.timestamp + gapMs - 1));
      session = [];
    }
  }
  return found.sort();
}

describe.each(['inner', 'left', 'right', 'full'] as const)('window join, %s', (type) => {
  it.each([
    ['tumbling', TumblingEventTimeWindows.of(10), 10, 10],
    ['sliding', SlidingEventTimeWindows.of(10, 5), 10, 5],
    ['overlapping', SlidingEventTimeWindows.of(10, 4), 10, 4],
  ])(
    'gives what nested loops give in %s windows, also after a restore',
    async (_, assigner, sizeMs, slideMs) => {
      await fc.assert(
        fc.asyncProperty(joinScripts, fc.nat({ max: 60 }), async (steps, at) => {
          const before = await joinHarness(type, assigner, { parallelism: 2 });
          play(before, steps.slice(0, at));
          const after = await joinHarness(type, assigner, { parallelism: 3, restored: before.snapshot() });
          play(after, steps.slice(at));
          await after.endInput();
          expect(lines([...before.records(), ...after.records()])).toEqual(
            slidingOracle(type, sizeMs, slideMs, arrivals(steps)),
          );
        }),
        { numRuns: 60 },
      );
    },
  );

  it('gives what nested loops give in sessions of both sides, in batch mode', async () => {
    await fc.assert(
      fc.asyncProperty(joinScripts, async (steps) => {
        const assigner = EventTimeSessionWindows.withGap(4);
        const harness = await joinHarness(type, assigner, { runtimeMode: 'batch' });
        playBatch(harness, steps);
        await harness.endInput();
        const records = arrivals(steps).map(({ record }) => record);
        expect(lines(harness.records())).toEqual(sessionOracle(type, 4, records));
      }),
      { numRuns: 60 },
    );
  });
});

describe('window join', () => {
  const left = (id: number, timestamp: number): JoinRecord => ({ id, isLeft: true, key: 1, timestamp });
  const right = (id: number, timestamp: number): JoinRecord => ({ id, isLeft: false, key: 1, timestamp });
  const tumbling = TumblingEventTimeWindows.of(10);

  it('late records of both sides go to the side output, with their side', async () => {
    const harness = await joinHarness('full', tumbling);
    harness.watermark(20);
    harness.pushLeft(left(1, 5), 5);
    harness.pushRight(right(2, 6), 6);
    expect(harness.values(late).map(({ side, value }) => [side, value.id])).toEqual([
      ['left', 1],
      ['right', 2],
    ]);
  });

  it('allowed lateness emits a window’s pairs again', async () => {
    const harness = await OperatorHarness.ofTwo((l: DataStream<JoinRecord>, r: DataStream<JoinRecord>) =>
      l
        .join(r)
        .where(keyOf)
        .equalTo(keyOf)
        .window(tumbling)
        .allowedLateness(5)
        .apply<Pair>((a, b) => [a.id, b.id]),
    );
    harness.pushLeft(left(1, 1), 1);
    harness.pushRight(right(2, 2), 2);
    harness.watermark(9);
    harness.pushRight(right(3, 3), 3);
    expect(harness.values()).toEqual([[1, 2], [1, 2], [1, 3]]); // prettier-ignore
  });

  it('takes a trigger and an evictor', async () => {
    const harness = await OperatorHarness.ofTwo((l: DataStream<JoinRecord>, r: DataStream<JoinRecord>) =>
      l
        .join(r)
        .where(keyOf)
        .equalTo(keyOf)
        .window(tumbling)
        .trigger(CountTrigger.of(3))
        .evictor(CountEvictor.of(2))
        .flatApply<string>((a, b, out) => [a, b].forEach(({ id }) => out.collect(`${id}`))),
    );
    for (const id of [1, 2]) harness.pushLeft(left(id, id), id);
    harness.pushRight(right(3, 3), 3);
    expect(harness.values()).toEqual(['2', '3']);
  });
});

describe('coGroup', () => {
  it('gives each key’s window to one call, whichever sides it has', async () => {
    const harness = await OperatorHarness.ofTwo((l: DataStream<JoinRecord>, r: DataStream<JoinRecord>) =>
      l
        .coGroup(r)
        .where(keyOf)
        .equalTo(keyOf)
        .window(TumblingEventTimeWindows.of(10))
        .apply<string>((lefts, rights, out) => {
          const ids = (records: readonly JoinRecord[]) => records.map(({ id }) => id).join();
          out.collect(`${ids(lefts)}|${ids(rights)}`);
        })
        .name('groups'),
    );
    const push = (id: number, isLeft: boolean, key: number, timestamp: number) =>
      play(harness, [{ type: 'record', record: { id, isLeft, key, timestamp } }]);
    push(1, true, 1, 1);
    push(2, false, 1, 2);
    push(3, true, 1, 3);
    push(4, false, 2, 4);
    push(5, true, 3, 5);
    push(6, true, 1, 15);
    await harness.endInput();
    expect(harness.records()).toEqual([
      { value: '1,3|2', timestamp: 9 },
      { value: '|4', timestamp: 9 },
      { value: '5|', timestamp: 9 },
      { value: '6|', timestamp: 19 },
    ]);
  });
});
