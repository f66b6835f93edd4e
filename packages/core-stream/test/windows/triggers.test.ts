import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ContinuousEventTimeTrigger,
  ContinuousProcessingTimeTrigger,
  CountTrigger,
  DeltaTrigger,
  EventTimeSessionWindows,
  EventTimeTrigger,
  GlobalWindows,
  ListStateDescriptor,
  NeverTrigger,
  ProcessingTimeTrigger,
  PurgingTrigger,
  TriggerResult,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  ValueStateDescriptor,
  type DataStream,
  type OnMergeContext,
  type Trigger,
  type TriggerContext,
  type Window,
  type WindowAssigner,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';

/** All records have one key; each firing gives the window's records, joined. */
const program =
  <W extends Window>(assigner: WindowAssigner<number, W>, trigger: Trigger<number, W>, lateness = 0) =>
  (input: DataStream<number>) =>
    input
      .keyBy(() => 'k')
      .window(assigner)
      .trigger(trigger)
      .allowedLateness(lateness)
      .process<string>((_key, _context, elements, out) => out.collect([...elements].join()));

const values = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 });
const global = GlobalWindows.create();
const tumbling = TumblingEventTimeWindows.of(10);

describe('CountTrigger', () => {
  it('fires at every n-th record of a key and window, with all of them', async () => {
    await fc.assert(
      fc.asyncProperty(values, fc.integer({ min: 1, max: 5 }), async (values, n) => {
        const harness = await OperatorHarness.of(program(global, CountTrigger.of(n)));
        const expected: string[] = [];
        for (const [index, value] of values.entries()) {
          harness.push(value);
          if ((index + 1) % n === 0) expected.push(values.slice(0, index + 1).join());
        }
        expect(harness.values()).toEqual(expected);
        expect(harness.records().every(({ timestamp }) => timestamp === undefined)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('counts on where windows merge', async () => {
    const sessions = EventTimeSessionWindows.withGap(10);
    const harness = await OperatorHarness.of(program(sessions, CountTrigger.of(4)));
    for (const at of [0, 1, 20]) harness.push(at, at);
    expect(harness.values()).toEqual([]);
    harness.push(10, 10); // the fourth: connects all of them
    expect(harness.values()).toEqual(['0,1,20,10']);
  });
});

describe('PurgingTrigger', () => {
  it('forgets what has fired', async () => {
    const trigger = PurgingTrigger.of(CountTrigger.of(3));
    const harness = await OperatorHarness.of(program(global, trigger));
    for (let n = 0; n < 8; n++) harness.push(n);
    expect(harness.values()).toEqual(['0,1,2', '3,4,5']);
  });

  it('merges where its trigger does, and only there', () => {
    expect(PurgingTrigger.of(EventTimeTrigger.create()).onMerge).toBeDefined();
    expect(PurgingTrigger.of(DeltaTrigger.of<number>(1, (a, b) => b - a)).onMerge).toBeUndefined();
  });

  it('leaves nothing behind where nothing is left to fire', async () => {
    const harness = await OperatorHarness.of(program(global, PurgingTrigger.of(CountTrigger.of(2))));
    const empty = harness.snapshot();
    harness.push(1);
    expect(harness.snapshot()).not.toEqual(empty);
    harness.push(2);
    expect(harness.snapshot()).toEqual(empty);
  });
});

describe('DeltaTrigger', () => {
  it('fires at a record that is more than the threshold away from the last one that fired', async () => {
    await fc.assert(
      fc.asyncProperty(values, fc.integer({ min: 0, max: 10 }), async (values, threshold) => {
        const trigger = DeltaTrigger.of<number>(threshold, (a, b) => Math.abs(a - b));
        const harness = await OperatorHarness.of(program(global, trigger));
        const expected: string[] = [];
        let last: number | undefined;
        for (const [index, value] of values.entries()) {
          harness.push(value);
          if (last !== undefined && Math.abs(last - value) > threshold) {
            expected.push(values.slice(0, index + 1).join());
            last = value;
          }
          last ??= value;
        }
        expect(harness.values()).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });
});

describe('NeverTrigger', () => {
  it('is the default of global windows, and never fires', async () => {
    expect(global.defaultTrigger()).toBeInstanceOf(NeverTrigger);
    const harness = await OperatorHarness.of(program(global, NeverTrigger.create()));
    harness.push(1, 1);
    await harness.endInput();
    expect(harness.values()).toEqual([]);
  });
});

describe('EventTimeTrigger', () => {
  it('fires global windows at the end of the input only', async () => {
    const harness = await OperatorHarness.of(program(global, EventTimeTrigger.create()));
    harness.push(1, 1);
    harness.watermark(1e15);
    expect(harness.values()).toEqual([]);
    await harness.endInput();
    expect(harness.values()).toEqual(['1']);
  });
});

describe('ContinuousEventTimeTrigger', () => {
  it('fires at each interval that the watermark passes, and at the end', async () => {
    const harness = await OperatorHarness.of(program(tumbling, ContinuousEventTimeTrigger.of(4)));
    harness.push(1, 1);
    harness.watermark(3);
    expect(harness.values()).toEqual([]);
    harness.watermark(4);
    expect(harness.values()).toEqual(['1']);
    harness.push(2, 5);
    harness.watermark(20); // 8, and the end: 9
    expect(harness.values()).toEqual(['1', '1,2', '1,2']);
  });

  it('aligns its intervals before 1970 too', async () => {
    const harness = await OperatorHarness.of(program(tumbling, ContinuousEventTimeTrigger.of(4)));
    harness.push(1, -7);
    harness.watermark(-5);
    expect(harness.values()).toEqual([]);
    harness.watermark(-4);
    expect(harness.values()).toEqual(['1']);
  });

  it('goes on with the earlier time where windows merge, and fires at once for an allowed late record', async () => {
    const sessions = EventTimeSessionWindows.withGap(10);
    const harness = await OperatorHarness.of(program(sessions, ContinuousEventTimeTrigger.of(8), 100));
    harness.push(1, 1);
    harness.push(2, 20);
    harness.push(3, 11);
    harness.watermark(8); // the first session's next time
    expect(harness.values()).toEqual(['1,2,3']);
    harness.watermark(40);
    harness.clear();
    harness.push(4, 2);
    expect(harness.values()).toEqual(['1,2,3,4']);
  });

  it('ends with the input, in the global window too', async () => {
    const harness = await OperatorHarness.of(program(global, ContinuousEventTimeTrigger.of(10)));
    harness.push(1, 1);
    harness.watermark(25);
    expect(harness.values()).toEqual(['1', '1']);
    await harness.endInput();
    expect(harness.values()).toEqual(['1', '1', '1', '1']);
  });
});

describe('ContinuousProcessingTimeTrigger', () => {
  it('fires whenever an interval of the clock has passed, while the window lasts', async () => {
    const windows = TumblingProcessingTimeWindows.of(10);
    const harness = await OperatorHarness.of(program(windows, ContinuousProcessingTimeTrigger.of(4)));
    harness.advanceProcessingTime(1);
    harness.push(1);
    harness.advanceProcessingTime(3);
    harness.push(2); // still in the interval that ends at 4
    harness.advanceProcessingTime(1);
    expect(harness.values()).toEqual(['1,2']);
    harness.advanceProcessingTime(20); // 8, and the window's end: 9
    expect(harness.values()).toEqual(['1,2', '1,2', '1,2']);
  });

  it('fires once for a window of event time that ended before the clock’s time', async () => {
    const harness = await OperatorHarness.of(program(tumbling, ContinuousProcessingTimeTrigger.of(4)));
    harness.advanceProcessingTime(1_000);
    harness.push(1, 1);
    harness.advanceProcessingTime(1_000);
    expect(harness.values()).toEqual(['1']);
  });

  it('goes on where windows merge', async () => {
    const sessions = EventTimeSessionWindows.withGap(10);
    const harness = await OperatorHarness.of(program(sessions, ContinuousProcessingTimeTrigger.of(4)));
    harness.push(1, 101);
    harness.advanceProcessingTime(2);
    harness.push(2, 111);
    harness.advanceProcessingTime(3);
    expect(harness.values()).toEqual(['1,2']);
  });
});

describe('ProcessingTimeTrigger', () => {
  it('fires windows of event time by the clock', async () => {
    const harness = await OperatorHarness.of(program(tumbling, ProcessingTimeTrigger.create()));
    harness.push(1, 1);
    harness.advanceProcessingTime(9);
    harness.push(2, 2);
    expect(harness.values()).toEqual([]);
    harness.advanceProcessingTime(1);
    expect(harness.values()).toEqual(['1,2']);
  });
});

/** Fires when a record is negative; remembers in its state; sets timers in both times. */
class NegativeTrigger implements Trigger<number, Window> {
  readonly calls: string[] = [];
  readonly #seen = new ListStateDescriptor<number>('seen');
  readonly #first = new ValueStateDescriptor<number>('first');

  onElement(record: number, timestamp: number, _window: Window, context: TriggerContext): TriggerResult {
    context.getListState(this.#seen).add(record);
    const first = context.getState(this.#first);
    if (first.value() === undefined) {
      first.update(record);
      context.registerEventTimeTimer(timestamp + 3);
      context.registerEventTimeTimer(timestamp + 3);
      context.registerProcessingTimeTimer(context.currentProcessingTime() + 5);
    }
    return record < 0 ? TriggerResult.FIRE : TriggerResult.CONTINUE;
  }

  onEventTime(time: number, _window: Window, context: TriggerContext): TriggerResult {
    this.calls.push(
      `event ${time} at ${context.currentWatermark}: ${context.getListState(this.#seen).get().join()}`,
    );
    return TriggerResult.CONTINUE;
  }

  onProcessingTime(time: number, _window: Window, context: TriggerContext): TriggerResult {
    this.calls.push(`clock ${time} at ${context.currentProcessingTime()}`);
    return TriggerResult.PURGE;
  }

  onMerge(window: Window, context: OnMergeContext): void {
    context.mergeState(this.#seen);
    this.calls.push(`merge ${String(window)}: ${context.getListState(this.#seen).get().join()}`);
  }

  clear(window: Window, context: TriggerContext): void {
    this.calls.push(`clear ${String(window)}: ${context.getListState(this.#seen).get().join()}`);
    context.getListState(this.#seen).clear();
    context.getState(this.#first).clear();
  }
}

describe('a trigger of one’s own', () => {
  it('has state and timers of its window, and sees what time has reached', async () => {
    const trigger = new NegativeTrigger();
    const harness = await OperatorHarness.of(program(tumbling, trigger));
    harness.push(1, 1);
    harness.push(-2, 2);
    expect(harness.values()).toEqual(['1,-2']);
    harness.watermark(5);
    expect(trigger.calls).toEqual(['event 4 at 5: 1,-2']);
    harness.advanceProcessingTime(6);
    harness.push(-3, 6); // alone: the clock's timer has purged the window
    expect(harness.values()).toEqual(['1,-2', '-3']);
    harness.watermark(9);
    expect(trigger.calls.slice(1)).toEqual([
      'clock 5 at 6',
      'event 9 at 9: 1,-2,-3', // the engine's own timer, at which the window goes
      'clear TimeWindow[0, 10): 1,-2,-3',
    ]);
  });

  it('general window invariant 3: merges its state; timers of windows that are gone do not fire', async () => {
    const trigger = new NegativeTrigger();
    const harness = await OperatorHarness.of(program(EventTimeSessionWindows.withGap(10), trigger));
    harness.push(1, 1);
    harness.push(2, 20);
    harness.push(-3, 10);
    expect(trigger.calls).toEqual([
      'merge TimeWindow[1, 30): 1,2',
      'clear TimeWindow[1, 11): 1',
      'clear TimeWindow[20, 30): 2',
    ]);
    harness.watermark(15); // 4 is gone with its window, 13 is that of the merged one
    expect(trigger.calls.slice(3)).toEqual(['event 13 at 15: 1,2,-3']);
  });

  it('general window invariant 4: a timer at or below the watermark fires after the record', async () => {
    const trigger = new NegativeTrigger();
    const harness = await OperatorHarness.of(program(tumbling, trigger));
    harness.watermark(7);
    harness.push(1, 3);
    expect(trigger.calls).toEqual(['event 6 at 7: 1']);
  });

  it('general window invariant 6: goes on over a restore, with its state and timers', async () => {
    const before = await OperatorHarness.of(program(tumbling, new NegativeTrigger()));
    before.push(1, 1);
    const trigger = new NegativeTrigger();
    const restored = before.snapshot();
    const harness = await OperatorHarness.of(program(tumbling, trigger), { restored, parallelism: 2 });
    harness.push(-2, 2);
    expect(harness.values()).toEqual(['1,-2']);
    harness.advanceProcessingTime(6);
    harness.watermark(9);
    expect(trigger.calls).toEqual([
      'clock 5 at 6',
      'event 4 at 9: 1,-2',
      'event 9 at 9: 1,-2',
      'clear TimeWindow[0, 10): 1,-2',
    ]);
  });
});
