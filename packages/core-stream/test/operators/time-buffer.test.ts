import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimeBuffer, type Buffered } from '../../src/operators/time-buffer.js';

const times = fc.integer({ min: 0, max: 20 });
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: times }) },
    { weight: 1, arbitrary: fc.record({ remove: fc.nat({ max: 5 }) }) },
  ),
);

describe('time buffer', () => {
  it('is a list that is sorted by time after each step, equal times in order of arrival', () => {
    fc.assert(
      fc.property(steps, times, (drawn, asked) => {
        const buffer = new TimeBuffer();
        let model: Buffered[] = [];
        for (const [value, step] of drawn.entries()) {
          if ('add' in step) {
            const item = { timestamp: step.add, value, isMatched: false };
            buffer.add(item);
            model = [...model, item].sort((a, b) => a.timestamp - b.timestamp);
          } else {
            const count = Math.min(step.remove, model.length);
            buffer.removeFirst(count);
            model = model.slice(count);
          }
          expect(buffer.toArray()).toEqual(model);
          expect(buffer.size).toBe(model.length);
          expect(buffer.first).toBe(model[0]);
          expect(buffer.at(model.length - 1)).toBe(model.at(-1));
          expect(buffer.at(model.length)).toBeUndefined();
          expect(buffer.countBelow(asked)).toBe(model.filter(({ timestamp }) => timestamp < asked).length);
          expect(buffer.countUpTo(asked)).toBe(model.filter(({ timestamp }) => timestamp <= asked).length);
        }
      }),
      { numRuns: 200 },
    );
  });
});
