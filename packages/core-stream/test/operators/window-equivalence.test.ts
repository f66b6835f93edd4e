import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EventTimeSessionWindows,
  ProcessingTimeSessionWindows,
  SlidingEventTimeWindows,
  SlidingProcessingTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type TimeWindow,
  type WindowAssigner,
} from '../../src/index.js';
import { oracle, type OracleOptions, type Reading } from '../support/window-oracle.js';
import { comparable, denseSteps, functionKinds, ordered, run, steps } from '../support/window-scenario.js';

interface Case extends OracleOptions {
  readonly assigner: WindowAssigner<Reading, TimeWindow>;
}

const size = fc.integer({ min: 1, max: 25 });
const lateness = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }));

const tumbling = (isEventTime: boolean): fc.Arbitrary<Case> =>
  fc.tuple(size, fc.integer({ min: -24, max: 24 }), lateness).map(([size, shift, lateness]) => {
    const offset = shift % size;
    const kind = isEventTime ? TumblingEventTimeWindows : TumblingProcessingTimeWindows;
    return {
      assigner: kind.of(size, offset),
      windows: { type: 'aligned', size, slide: size, offset },
      isEventTime,
      lateness,
    };
  });

const sliding = (isEventTime: boolean): fc.Arbitrary<Case> =>
  fc.tuple(size, size, fc.integer({ min: -24, max: 24 }), lateness).map(([size, slide, shift, lateness]) => {
    const offset = shift % slide;
    const kind = isEventTime ? SlidingEventTimeWindows : SlidingProcessingTimeWindows;
    return {
      assigner: kind.of(size, slide, offset),
      windows: { type: 'aligned', size, slide, offset },
      isEventTime,
      lateness,
    };
  });

const session = (isEventTime: boolean): fc.Arbitrary<Case> =>
  fc.tuple(size, fc.boolean(), lateness).map(([gap, isDynamic, lateness]) => {
    const gapOf = isDynamic ? (reading: Reading) => 1 + (reading.value % gap) : () => gap;
    const kind = isEventTime ? EventTimeSessionWindows : ProcessingTimeSessionWindows;
    return {
      assigner: isDynamic ? kind.withDynamicGap(gapOf) : kind.withGap(gap),
      windows: { type: 'session', gapOf },
      isEventTime,
      lateness,
    };
  });

const cases: Record<string, fc.Arbitrary<Case>> = {
  'tumbling event time': tumbling(true),
  'sliding event time': sliding(true),
  'session event time': session(true),
  'tumbling processing time': tumbling(false),
  'sliding processing time': sliding(false),
  'session processing time': session(false),
};

const someLateness = fc.constantFrom(0, 0, 30);
const aligned = (slide: number, isEventTime: boolean): fc.Arbitrary<Case> =>
  someLateness.map((lateness) => {
    const kind = isEventTime ? SlidingEventTimeWindows : SlidingProcessingTimeWindows;
    return {
      assigner: kind.of(10, slide),
      windows: { type: 'aligned', size: 10, slide, offset: 0 },
      isEventTime,
      lateness,
    };
  });
const sessions = (isEventTime: boolean): fc.Arbitrary<Case> =>
  someLateness.map((lateness) => ({
    assigner: (isEventTime ? EventTimeSessionWindows : ProcessingTimeSessionWindows).withGap(5),
    windows: { type: 'session', gapOf: () => 5 },
    isEventTime,
    lateness,
  }));

/** Of the same kinds, a few windows each. */
const dense: Record<string, fc.Arbitrary<Case>> = {
  'tumbling event time': aligned(10, true),
  'sliding event time': aligned(5, true),
  'session event time': sessions(true),
  'tumbling processing time': aligned(10, false),
  'sliding processing time': aligned(5, false),
  'session processing time': sessions(false),
};

describe.each(Object.entries(cases))('%s windows', (name, arbitrary) => {
  it.each([
    ['the chosen operator', false],
    ['the general operator', true],
  ])('%s emits and drops exactly what the definition says, also over restores', async (_what, isGeneral) => {
    await fc.assert(
      fc.asyncProperty(steps, arbitrary, fc.constantFrom(...functionKinds), async (steps, one, kind) => {
        const isArrivalOrder = kind === 'process';
        const expected = comparable(steps, oracle(steps, one), isArrivalOrder);
        const { assigner, lateness } = one;
        const actual = await run(steps, { assigner, lateness, kind, isGeneral });
        expect(comparable(steps, actual, isArrivalOrder)).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it('of state that is in place after a restore at any parallelism come out as when all of it was read, in the same order where there is one', async () => {
    await fc.assert(
      fc.asyncProperty(denseSteps, dense[name]!, async (steps, { assigner, lateness }) => {
        const onDisk = steps.map((step) => (step.type === 'restore' ? { ...step, isOnDisk: true } : step));
        const options = { assigner, lateness, kind: 'process', isGeneral: true } as const;
        const expected = ordered(onDisk, await run(onDisk, options));
        expect(ordered(onDisk, await run(onDisk, { ...options, isInPlace: true }))).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it.each([false, true])(
    'hold values of the program only, whatever versions have stored them (in place: %s)',
    async (isInPlace) => {
      await fc.assert(
        fc.asyncProperty(
          denseSteps,
          dense[name]!,
          fc.constantFrom(...functionKinds),
          async (steps, { assigner, lateness }, kind) => {
            const options = { assigner, lateness, kind, isInPlace };
            const expected = comparable(steps, await run(steps, options), true);
            const actual = await run(steps, { ...options, isVersioned: true });
            expect(comparable(steps, actual, true)).toEqual(expected);
          },
        ),
        { numRuns: 150 },
      );
    },
  );

  it('of which a checkpoint stores what has changed since the last one are restored as they were', async () => {
    await fc.assert(
      fc.asyncProperty(
        denseSteps,
        dense[name]!,
        fc.constantFrom(...functionKinds),
        fc.boolean(),
        async (steps, one, kind, isGeneral) => {
          const isArrivalOrder = kind === 'process';
          const expected = comparable(steps, oracle(steps, one), isArrivalOrder);
          const { assigner, lateness } = one;
          const actual = await run(steps, { assigner, lateness, kind, isGeneral });
          expect(comparable(steps, actual, isArrivalOrder)).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });
});
