import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EventTimeSessionWindows,
  ProcessingTimeSessionWindows,
  SlidingEventTimeWindows,
  SlidingProcessingTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type DataStream,
  type TimeWindow,
  type WindowAssigner,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';
import { CustomTrigger, emitting, functionKinds } from '../support/window-scenario.js';
import { oracle, type Emitted, type Reading, type Windows } from '../support/window-oracle.js';

const readings = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    at: fc.integer({ min: -60, max: 60 }),
    value: fc.integer({ min: 0, max: 99 }),
  }),
  { maxLength: 30 },
);

const cases: [string, WindowAssigner<Reading, TimeWindow>, Windows, boolean][] = [
  ['tumbling', TumblingEventTimeWindows.of(10, 3), { type: 'aligned', size: 10, slide: 10, offset: 3 }, true],
  ['sliding', SlidingEventTimeWindows.of(10, 4), { type: 'aligned', size: 10, slide: 4, offset: 0 }, true],
  ['session', EventTimeSessionWindows.withGap(7), { type: 'session', gapOf: () => 7 }, true],
  [
    'tumbling clock',
    TumblingProcessingTimeWindows.of(10),
    { type: 'aligned', size: 10, slide: 10, offset: 0 },
    false,
  ],
  [
    'sliding clock',
    SlidingProcessingTimeWindows.of(10, 4),
    { type: 'aligned', size: 10, slide: 4, offset: 0 },
    false,
  ],
  ['session clock', ProcessingTimeSessionWindows.withGap(7), { type: 'session', gapOf: () => 7 }, false],
];

describe.each(cases)('%s windows in batch mode', (_name, assigner, windows, isEventTime) => {
  it.each([
    ['the chosen operator', false],
    ['the general operator', true],
  ])(
    '%s: emit all of a key’s windows when the key ends, nothing is late, no watermark comes out',
    async (_what, isGeneral) => {
      await fc.assert(
        fc.asyncProperty(readings, fc.constantFrom(...functionKinds), async (readings, kind) => {
          const build = (input: DataStream<Reading>) => {
            const windowed = input.keyBy(({ key }) => key).window(assigner);
            return emitting(
              isGeneral ? windowed.trigger(new CustomTrigger(assigner.defaultTrigger())) : windowed,
              kind,
            );
          };
          const harness = await OperatorHarness.of(build, { runtimeMode: 'batch' });
          const expected: Emitted[] = [];
          for (const key of ['a', 'b', 'c']) {
            const own = readings.filter((reading) => reading.key === key).sort((a, b) => a.at - b.at);
            for (const reading of own) harness.push(reading, reading.at);
            expect(harness.values()).toEqual(expected);
            if (own.length > 0) harness.endKey();
            const steps = own.map((reading) => ({ type: 'record' as const, ...reading }));
            const end = isEventTime ? [] : [{ type: 'clock' as const, by: 1_000 }];
            const outcomes = oracle([...steps, ...end], { windows, isEventTime, lateness: 0 });
            expected.push(...outcomes.flatMap(({ emitted }) => emitted));
            expect(harness.values()).toEqual(expected);
          }
          expect(harness.watermarks()).toEqual([]);
          expect(harness.lateRecordsDropped).toBe(0);
        }),
        { numRuns: 60 },
      );
    },
  );
});
