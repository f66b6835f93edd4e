import { describe, expect, it } from 'vitest';
import { MAX_WATERMARK, WatermarkStrategy } from '../../src/index.js';
import type { OperatorContext } from '../../src/operators/operator.js';
import { timestampsAndWatermarksOperator } from '../../src/operators/timestamps-and-watermarks.js';
import { ManualClock } from '../../src/testing/index.js';

const strategy = WatermarkStrategy.forMonotonousTimestamps().withTimestampAssigner((value) => Number(value));

/** What the operator emits, in order, without anything behind it that would hide a watermark. */
function open() {
  const clock = new ManualClock();
  const emitted: unknown[] = [];
  const context = {
    clock,
    watermarkIntervalMs: 200,
    operatorName: 'times',
    parallelism: 1,
    subtaskIndex: 0,
    schedule: (delayMs: number, callback: () => void) => clock.schedule(delayMs, callback),
  } as Partial<OperatorContext> as OperatorContext;
  const operator = timestampsAndWatermarksOperator(strategy)(context, {
    collect: (value, timestamp) => void emitted.push([value, timestamp]),
    sideOutput: () => undefined,
    emitWatermark: (timestamp) => void emitted.push(timestamp),
    emitIdle: (isIdle) => void emitted.push(isIdle),
  });
  operator.start?.();
  return { clock, emitted, operator };
}

describe('timestamps and watermarks in the middle of a stream', () => {
  it('take the place of those from upstream', () => {
    const { clock, emitted, operator } = open();
    operator.processElement(100, 7);
    operator.processWatermark(5_000);
    operator.processIdle(true);
    clock.advance(200);
    expect(emitted).toEqual([[100, 100], 99]);
  });

  it('are over with +∞, although a tick may come before the operator finishes', () => {
    const { clock, emitted, operator } = open();
    operator.processElement(100, 7);
    operator.processWatermark(MAX_WATERMARK);
    clock.advance(200);
    expect(emitted).toEqual([[100, 100], MAX_WATERMARK]);
    expect(operator.snapshotState?.(1)).toEqual({ watermark: MAX_WATERMARK, isIdle: false });
    expect(clock.pending).toBe(0);
  });
});
