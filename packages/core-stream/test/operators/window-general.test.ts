import { describe, expect, it } from 'vitest';
import {
  CountTrigger,
  PurgingTrigger,
  TriggerResult,
  TumblingEventTimeWindows,
  type DataStream,
  type Trigger,
  type TriggerContext,
  type Window,
  type WindowAssigner,
  type WindowType,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';
import { CustomTrigger } from '../support/window-scenario.js';

/** A window of one's own: it has a name, and never ends by itself. */
class Room implements Window {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  maxTimestamp(): number {
    return Infinity;
  }
}

const roomType: WindowType<Room> = {
  identityOf: ({ name }) => name,
  encode: ({ name }) => name,
  decode: (name) => new Room(name as string),
};

/** Every record is in two rooms. */
const rooms: WindowAssigner<number, Room> = {
  isEventTime: false,
  windowType: roomType,
  assignWindows: () => [new Room('first'), new Room('second')],
  defaultTrigger: () => PurgingTrigger.of(CountTrigger.of(2)),
  toString: () => 'Rooms',
};

/** The first room is emitted and purged by every record, the second one by every other. */
class Uneven implements Trigger<number, Room> {
  readonly #pairs = PurgingTrigger.of(CountTrigger.of(2));

  onElement(record: number, timestamp: number, window: Room, context: TriggerContext): TriggerResult {
    if (window.name === 'first') return TriggerResult.FIRE_AND_PURGE;
    return this.#pairs.onElement(record, timestamp, window, context);
  }

  onEventTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  onProcessingTime(): TriggerResult {
    return TriggerResult.CONTINUE;
  }

  clear(): void {}
}

const program = (trigger?: Trigger<number, Room>) => (input: DataStream<number>) => {
  const windowed = input.keyBy((n) => n % 2).window(rooms);
  return (trigger === undefined ? windowed : windowed.trigger(trigger)).process<string>(
    (_key, { window }, elements, out) => out.collect(`${window.name}: ${[...elements].join()}`),
  );
};

describe('windows of one’s own', () => {
  it('are told apart and stored by their type', async () => {
    const before = await OperatorHarness.of(program());
    for (const n of [1, 2, 3]) before.push(n);
    expect(before.values()).toEqual(['first: 1,3', 'second: 1,3']);
    const harness = await OperatorHarness.of(program(), { restored: before.snapshot(), parallelism: 2 });
    harness.push(4);
    expect(harness.values()).toEqual(['first: 2,4', 'second: 2,4']);
  });

  it('general window invariant 5: a window that is emptied leaves the key’s other windows alone', async () => {
    const harness = await OperatorHarness.of(program(new Uneven()));
    for (const n of [1, 3, 5, 7]) harness.push(n);
    expect(harness.values()).toEqual([
      'first: 1',
      'first: 3',
      'second: 1,3',
      'first: 5',
      'first: 7',
      'second: 5,7',
    ]);
  });
});

describe('the general window operator', () => {
  const counting = (trigger: Trigger<number, Window>, latenessMs: number) => (input: DataStream<number>) =>
    input
      .keyBy(() => 'k')
      .window(TumblingEventTimeWindows.of(10))
      .trigger(trigger)
      .allowedLateness(latenessMs)
      .process<string>((_key, _context, elements, out) => out.collect([...elements].join()));

  it('general window invariant 2: a window goes with all it has, whatever its trigger left behind', async () => {
    const careless = new CustomTrigger<number, Window>(CountTrigger.of(3));
    careless.clear = () => undefined;
    const build = counting(careless, 5);
    const harness = await OperatorHarness.of(build);
    const untouched = await OperatorHarness.of(build);
    harness.push(1, 1);
    for (const each of [harness, untouched]) each.watermark(14);
    expect(harness.snapshot().rows).toEqual(untouched.snapshot().rows);
  });

  it('general window invariant 2: a window goes, although its trigger has deleted the timer of that time', async () => {
    const deleting = new CustomTrigger<number, Window>(CountTrigger.of(3));
    deleting.onElement = (_record, _timestamp, _window, context) => {
      context.registerEventTimeTimer(3);
      context.registerProcessingTimeTimer(context.currentProcessingTime() + 5);
      return TriggerResult.CONTINUE;
    };
    const give = (_time: number, window: Window, context: TriggerContext) => {
      context.deleteEventTimeTimer(window.maxTimestamp());
      return TriggerResult.CONTINUE;
    };
    for (const method of ['onEventTime', 'onProcessingTime'] as const) {
      const trigger = Object.assign(new CustomTrigger<number, Window>(deleting), { [method]: give });
      const harness = await OperatorHarness.of(counting(trigger, 0));
      harness.push(1, 1);
      harness.watermark(5);
      harness.advanceProcessingTime(10);
      harness.watermark(9);
      expect(harness.snapshot().rows).toEqual([]);
    }
  });

  it('general window invariant 1: a purged window still takes records until it is late', async () => {
    const harness = await OperatorHarness.of(counting(PurgingTrigger.of(CountTrigger.of(2)), 5));
    for (const n of [1, 2, 3]) harness.push(n, n);
    harness.watermark(13);
    harness.push(4, 4);
    harness.watermark(14);
    harness.push(5, 5);
    expect(harness.values()).toEqual(['1,2', '3,4']);
    expect(harness.lateRecordsDropped).toBe(1);
  });
});
