import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MeterClock } from '../../src/metrics/meter-clock.js';
import { TaskTimes, type Waiting } from '../../src/metrics/task-times.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

const waiting = fc.constantFrom<Waiting>('idle', 'back-pressured', 'ready');
/** A turn: the wait before it, how long it took where it did something, and what the task waits for then. */
const turn = fc.record({
  waitMs: fc.nat(50),
  workMs: fc.option(fc.nat(50), { nil: undefined }),
  next: waiting,
});

describe('the times of a task', () => {
  it('count each moment once, for what the task did in it (invariants 1 and 2)', () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 30 }), fc.nat(50), (turns, restMs) => {
        const clock = new ManualClock();
        const meterClock = new MeterClock(clock);
        const times = new TaskTimes(meterClock);
        const expected = { busy: 0, idle: 0, 'back-pressured': 0, ready: 0 };
        let current: Waiting = 'idle';
        for (const { waitMs, workMs, next } of turns) {
          clock.advance(waitMs);
          expected[current] += waitMs;
          meterClock.read(); // the job's loop
          if (workMs === undefined) times.waits(next);
          else {
            const startedAt = times.now;
            clock.advance(workMs);
            expected.busy += workMs;
            times.worked(startedAt, next);
          }
          current = next;
        }
        clock.advance(restMs);
        expected[current] += restMs;
        const at = meterClock.read();
        expect({
          busy: times.busyMs,
          idle: times.idleMsAt(at),
          'back-pressured': times.backPressuredMsAt(at),
          ready: at - times.busyMs - times.idleMsAt(at) - times.backPressuredMsAt(at),
        }).toEqual(expected);
      }),
    );
  });
});
