/** SPEC.md, "Timers": each invariant by its number. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  ValueStateDescriptor,
  type DataStream,
  type KeyedProcessFunctionFactory,
  type TimerService,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';

interface Command {
  readonly key: string;
  readonly run: (timers: TimerService) => void;
}

/** Does with timers what the records say; each timer that fires comes out. */
const obey: KeyedProcessFunctionFactory<string, Command, string> = () => ({
  processElement({ key, run }, { timers }, out) {
    out.collect(`record of ${key}`);
    run(timers);
  },
  onTimer: (timestamp, { currentKey, timeDomain }, out) =>
    out.collect(`${currentKey} ${timestamp} ${timeDomain}`),
});
const program = (commands: DataStream<Command>) => commands.keyBy(({ key }) => key).process(obey);
const at = (key: string, ...times: readonly number[]): Command => ({
  key,
  run: (timers) => times.forEach((time) => timers.registerEventTimeTimer(time)),
});

describe('timers', () => {
  it('T1: event-time timers fire in the order of their time, then of registration, before the watermark', async () => {
    const harness = await OperatorHarness.of(program);
    harness.push(at('b', 20, 10));
    harness.push(at('a', 10, 5, 30));
    harness.clear();
    harness.watermark(20);
    expect(harness.elements).toEqual([
      { type: 'record', value: 'a 5 event-time', timestamp: 5 },
      { type: 'record', value: 'b 10 event-time', timestamp: 10 },
      { type: 'record', value: 'a 10 event-time', timestamp: 10 },
      { type: 'record', value: 'b 20 event-time', timestamp: 20 },
      { type: 'watermark', timestamp: 20 },
    ]);
  });

  it('T1: … whatever is registered and deleted', async () => {
    const step = fc.oneof(
      { weight: 1, arbitrary: fc.record({ watermark: fc.nat(12) }) },
      {
        weight: 8,
        arbitrary: fc.record({
          key: fc.constantFrom('a', 'b', 'c'),
          time: fc.nat(12), // few, so that keys share them
          isDelete: fc.boolean(),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const harness = await OperatorHarness.of(program);
        let pending: { readonly key: string; readonly time: number }[] = [];
        const expected: string[] = [];
        let watermark = -Infinity;
        const fire = () => {
          const due = pending.filter(({ time }) => time <= watermark).sort((a, b) => a.time - b.time);
          pending = pending.filter(({ time }) => time > watermark);
          expected.push(...due.map(({ key, time }) => `${key} ${time} event-time`));
        };
        for (const each of steps) {
          if ('watermark' in each) {
            harness.watermark(each.watermark);
            watermark = Math.max(watermark, each.watermark);
            fire();
            continue;
          }
          const { key, time, isDelete } = each;
          const isSame = (timer: { key: string; time: number }) => timer.key === key && timer.time === time;
          harness.push({
            key,
            run: (timers) =>
              isDelete ? timers.deleteEventTimeTimer(time) : timers.registerEventTimeTimer(time),
          });
          if (isDelete) pending = pending.filter((timer) => !isSame(timer));
          else if (!pending.some(isSame)) pending.push({ key, time });
          fire();
        }
        expect(harness.values().filter((text) => !text.startsWith('record'))).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it('T2: a timer at or below the watermark fires at once: after its record, before the next, in order', async () => {
    const harness = await OperatorHarness.of(program);
    harness.watermark(10);
    harness.clear();
    harness.push(at('a', 10, 11, 3, 7));
    harness.push(at('b', 10));
    harness.push(at('c'));
    expect(harness.values()).toEqual([
      'record of a',
      'a 3 event-time',
      'a 7 event-time',
      'a 10 event-time',
      'record of b',
      'b 10 event-time',
      'record of c',
    ]);
  });

  it('T2: … also one that another timer registers', async () => {
    const harness = await OperatorHarness.of((numbers: DataStream<number>) =>
      numbers
        .keyBy(() => 0)
        .process<number>(() => ({
          processElement: (n, { timers }) => timers.registerEventTimeTimer(n),
          onTimer(timestamp, { timers }, out) {
            out.collect(timestamp);
            if (timestamp < 8) timers.registerEventTimeTimer(timestamp + 3);
          },
        })),
    );
    harness.push(1);
    harness.push(6);
    harness.watermark(7);
    expect(harness.values()).toEqual([1, 4, 6, 7]);
    harness.watermark(20);
    expect(harness.values()).toEqual([1, 4, 6, 7, 9, 10]);
  });

  it('T3: at the end of the input event-time timers fire, processing-time timers do not', async () => {
    const harness = await OperatorHarness.of(program);
    harness.push({
      key: 'a',
      run(timers) {
        timers.registerEventTimeTimer(1e15);
        timers.registerProcessingTimeTimer(100);
      },
    });
    harness.clear();
    await harness.endInput();
    const ended = harness.snapshot();
    harness.advanceProcessingTime(1_000);
    expect(harness.elements).toEqual([
      { type: 'record', value: 'a 1000000000000000 event-time', timestamp: 1e15 },
      { type: 'watermark', timestamp: Infinity },
    ]);
    const restored = await OperatorHarness.of(program, { restored: ended });
    restored.advanceProcessingTime(1_000);
    expect(restored.records()).toEqual([]);
  });

  it('T4: a time is registered once per key and time domain, and fires once; a deleted one does not', async () => {
    const harness = await OperatorHarness.of(program);
    harness.push(at('a', 5, 5, 6));
    harness.push(at('b', 5));
    harness.push({
      key: 'a',
      run(timers) {
        timers.registerEventTimeTimer(5);
        timers.registerProcessingTimeTimer(5);
        timers.deleteEventTimeTimer(6);
        timers.deleteEventTimeTimer(7); // never was
      },
    });
    harness.clear();
    harness.watermark(10);
    harness.watermark(11);
    harness.advanceProcessingTime(20);
    expect(harness.values()).toEqual(['a 5 event-time', 'b 5 event-time', 'a 5 processing-time']);
  });

  it('T5: a timer has its key’s state; its records have its time, and none in processing time', async () => {
    const harness = await OperatorHarness.of((words: DataStream<string>) =>
      words
        .keyBy((word) => word.charAt(0))
        .process<string>((context) => {
          const last = context.getState(new ValueStateDescriptor<string>('last'));
          return {
            processElement(word, { timers }) {
              last.update(word);
              timers.registerEventTimeTimer(10);
              timers.registerProcessingTimeTimer(10);
            },
            onTimer: (_timestamp, _context, out) => out.collect(last.value() ?? ''),
          };
        }),
    );
    for (const word of ['ape', 'bee', 'ant']) harness.push(word, 1);
    harness.watermark(10);
    harness.advanceProcessingTime(10);
    expect(harness.records()).toEqual([
      { value: 'ant', timestamp: 10 },
      { value: 'bee', timestamp: 10 },
      { value: 'ant', timestamp: undefined },
      { value: 'bee', timestamp: undefined },
    ]);
  });

  it.each([
    [1, 4],
    [4, 1],
    [2, 3],
  ])('T6: timers of both kinds go on after a restore, from parallelism %i at %i', async (before, after) => {
    const keys = Array.from({ length: 30 }, (_, i) => `key-${i}`);
    const first = await OperatorHarness.of(program, { parallelism: before });
    for (const key of keys) {
      first.push({
        key,
        run(timers) {
          timers.registerEventTimeTimer(10);
          timers.registerProcessingTimeTimer(20);
        },
      });
    }
    const second = await OperatorHarness.of(program, { parallelism: after, restored: first.snapshot() });
    second.watermark(9);
    second.advanceProcessingTime(19);
    expect(second.records()).toEqual([]);
    second.watermark(10);
    second.advanceProcessingTime(1);
    const expected = keys.flatMap((key) => [`${key} 10 event-time`, `${key} 20 processing-time`]);
    expect(second.values().sort()).toEqual(expected.sort());
  });

  it('T7: processing-time timers fire when the clock gets there, in the order of their time', async () => {
    const harness = await OperatorHarness.of(program);
    const clockAt = (key: string, time: number): Command => ({
      key,
      run: (timers) => timers.registerProcessingTimeTimer(time),
    });
    harness.advanceProcessingTime(100);
    harness.push(clockAt('a', 130));
    harness.push(clockAt('b', 120));
    harness.clear();
    harness.advanceProcessingTime(19);
    expect(harness.values()).toEqual([]);
    harness.advanceProcessingTime(1);
    expect(harness.values()).toEqual(['b 120 processing-time']);
    harness.watermark(1e15); // event time is another time
    harness.advanceProcessingTime(10);
    harness.push(clockAt('c', 50));
    harness.advanceProcessingTime(0);
    expect(harness.values()).toEqual([
      'b 120 processing-time',
      'a 130 processing-time',
      'record of c',
      'c 50 processing-time',
    ]);
  });
});
