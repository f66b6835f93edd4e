import fc from 'fast-check';
import type { TwoInputHarness } from '../../src/testing/index.js';
import { MIN_TIMESTAMP } from '../../src/index.js';

/** A record of one side of a join, with a number of its own. */
export interface JoinRecord {
  readonly id: number;
  readonly isLeft: boolean;
  readonly key: number;
  readonly timestamp: number;
}

export type JoinStep =
  | { readonly type: 'record'; readonly record: JoinRecord }
  | { readonly type: 'watermark'; readonly watermark: number };

/**
 * Records of both sides around the watermark of their time – some of them late, some with the very time of the watermark –
 * and watermarks in between.
 */
export const joinScripts: fc.Arbitrary<readonly JoinStep[]> = fc
  .array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          isLeft: fc.boolean(),
          key: fc.integer({ min: 0, max: 3 }),
          ahead: fc.integer({ min: -2, max: 15 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ advance: fc.integer({ min: 1, max: 9 }) }) },
    ),
    { maxLength: 60 },
  )
  .map((drawn) => {
    let watermark = 0;
    let id = 0;
    return drawn.map((step): JoinStep => {
      if ('advance' in step) {
        watermark += step.advance;
        return { type: 'watermark', watermark };
      }
      const { isLeft, key, ahead } = step;
      return { type: 'record', record: { id: id++, isLeft, key, timestamp: watermark + ahead } };
    });
  });

/** Each record of a script with the watermark at which it came. */
export function arrivals(steps: readonly JoinStep[]): { record: JoinRecord; watermark: number }[] {
  let watermark = MIN_TIMESTAMP;
  const arrived: { record: JoinRecord; watermark: number }[] = [];
  for (const step of steps) {
    if (step.type === 'watermark') watermark = step.watermark;
    else arrived.push({ record: step.record, watermark });
  }
  return arrived;
}

export type JoinHarness<R> = TwoInputHarness<JoinRecord, JoinRecord, R>;

/** Takes a snapshot with each watermark: it changes nothing, and what a later one leaves out is restored from it. */
export function play<R>(harness: JoinHarness<R>, steps: readonly JoinStep[]): void {
  for (const step of steps) {
    if (step.type === 'watermark') {
      harness.watermark(step.watermark);
      harness.snapshot();
    } else if (step.record.isLeft) harness.pushLeft(step.record, step.record.timestamp);
    else harness.pushRight(step.record, step.record.timestamp);
  }
}

/** The records in the order of batch mode: key by key, by time, both sides together; calls `endKey` after each key. */
export function playBatch<R>(harness: JoinHarness<R>, steps: readonly JoinStep[]): void {
  const records = arrivals(steps).map(({ record }) => record);
  for (const key of new Set(records.map((record) => record.key))) {
    const own = records.filter((record) => record.key === key).sort((a, b) => a.timestamp - b.timestamp);
    play(
      harness,
      own.map((record) => ({ type: 'record', record })),
    );
    harness.endKey();
  }
}
