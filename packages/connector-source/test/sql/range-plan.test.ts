import fc from 'fast-check';
import { expect, it } from 'vitest';
import { firstPosition, nextStep, type RangePlan } from '../../src/sql/range-plan.js';

it('cuts an interval into ranges that follow each other and cover it exactly (invariant 1)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1e6, max: 1e6 }),
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 900 }),
      (startMs, length, splitMs) => {
        const plan: RangePlan = { kind: 'interval', startMs, endMs: startMs + length, splitMs };
        let position = firstPosition(plan, 0);
        const moments: number[] = [];
        for (;;) {
          const step = nextStep(plan, position, 0);
          if (step.kind !== 'read') {
            expect(step.kind).toBe('end');
            break;
          }
          for (let ms = step.range?.startMs ?? 0; ms < (step.range?.endMs ?? 0); ms++) moments.push(ms);
          position = step.position;
        }
        expect(moments).toEqual(Array.from({ length }, (_, i) => startMs + i));
      },
    ),
    { numRuns: 100 },
  );
});

const incremental = fc.record({
  latenessMs: fc.integer({ min: 0, max: 500 }),
  pollIntervalMs: fc.integer({ min: 1, max: 300 }),
  alignMs: fc.integer({ min: 1, max: 50 }),
  alignedRanges: fc.integer({ min: 1, max: 20 }),
  startMs: fc.option(fc.integer({ min: 0, max: 2000 })),
});

it('follows the time without a gap, never closer than the lateness, in aligned ranges (invariants 1 and 2)', () => {
  fc.assert(
    fc.property(
      incremental,
      fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 30 }),
      ({ alignedRanges, ...rest }, advances) => {
        const maxRangeMs = alignedRanges * rest.alignMs;
        const plan: RangePlan = { kind: 'incremental', ...rest, maxRangeMs };
        let nowMs = 1000;
        let position = firstPosition(plan, nowMs);
        expect(position).toBeLessThanOrEqual(rest.startMs ?? nowMs - rest.latenessMs);
        for (const advance of advances) {
          nowMs += advance;
          const step = nextStep(plan, position, nowMs);
          if (step.kind === 'wait') {
            expect(step.delayMs).toBeGreaterThan(0);
            expect(nextStep(plan, position, nowMs + step.delayMs).kind).toBe('read');
            continue;
          }
          if (step.kind === 'end' || step.range === null) throw new Error('an incremental plan has no end');
          expect(step.range.startMs).toBe(position);
          expect(step.range.endMs).toBe(step.position);
          expect(step.range.endMs).toBeGreaterThan(position);
          expect(step.range.endMs).toBeLessThanOrEqual(nowMs - rest.latenessMs);
          expect(step.range.endMs - position).toBeLessThanOrEqual(maxRangeMs);
          expect(Math.abs(step.range.endMs % rest.alignMs)).toBe(0);
          position = step.position;
        }
      },
    ),
    { numRuns: 200 },
  );
});

it('hands a statement without a range out once', () => {
  expect(nextStep({ kind: 'once' }, 0, 5)).toEqual({ kind: 'read', range: null, position: 1 });
  expect(nextStep({ kind: 'once' }, 1, 5)).toEqual({ kind: 'end' });
});
