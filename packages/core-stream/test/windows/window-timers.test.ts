import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WindowTimers, type WindowTimer } from '../../src/windows/window-timers.js';

type Step =
  | { readonly type: 'register'; readonly at: number }
  | { readonly type: 'cancel'; readonly index: number }
  | { readonly type: 'take'; readonly time: number };

const at = fc.integer({ min: 0, max: 20 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('register' as const), at }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('cancel' as const), index: fc.nat(200) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('take' as const), time: at }) },
  ),
  { maxLength: 200, size: 'max' },
);

describe('timers of windows', () => {
  it('invariants 1 and 2: are taken in the order of their time, then of registration, and never when cancelled', () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const timers = new WindowTimers<number>();
        let naive: WindowTimer<number>[] = [];
        let id = 0;
        const inOrder = () => [...naive].sort((a, b) => a.at - b.at || a.target - b.target);
        for (const step of steps) {
          if (step.type === 'register') naive.push(timers.register(step.at, id++));
          else if (step.type === 'cancel') {
            const timer = naive[step.index % Math.max(1, naive.length)];
            if (timer !== undefined) timers.cancel(timer.order);
            naive = naive.filter((other) => other !== timer);
          } else {
            const taken = [];
            for (let next = timers.takeDue(step.time); next; next = timers.takeDue(step.time))
              taken.push(next);
            expect(taken).toEqual(inOrder().filter(({ at }) => at <= step.time));
            naive = naive.filter(({ at }) => at > step.time);
          }
          expect(timers.nextTime).toBe(inOrder()[0]?.at);
          expect(timers.inOrder()).toEqual(inOrder());
        }
      }),
      { numRuns: 200 },
    );
  });

  it('of one time are taken in the order that is given', () => {
    const timers = new WindowTimers<string>();
    timers.register(5, 'second', 2);
    timers.register(5, 'first', 1);
    expect([timers.takeDue(5)?.target, timers.takeDue(5)?.target, timers.takeDue(5)]).toEqual([
      'first',
      'second',
      undefined,
    ]);
  });

  it('can be taken at the end of time', () => {
    const timers = new WindowTimers<string>();
    timers.register(Infinity, 'last');
    expect(timers.takeDue(1e15)).toBeUndefined();
    expect(timers.takeDue(Infinity)?.target).toBe('last');
  });
});
