import { describe, expect, it } from 'vitest';
import {
  CountTrigger,
  EventTimeSessionWindows,
  GlobalWindows,
  ListStateDescriptor,
  OutputTag,
  ReducingStateDescriptor,
  SlidingEventTimeWindows,
  StateSchema,
  StreamConfigError,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type DataStream,
  type RichProcessWindowFunction,
  type TimeWindow,
  type Trigger,
  type WindowAssigner,
} from '../../src/index.js';
import { OperatorHarness } from '../../src/testing/index.js';
import { CustomTrigger } from '../support/window-scenario.js';

const perWindow = new ValueStateDescriptor<number>('firings', { defaultValue: 0 });
const perKey = new ListStateDescriptor<number>('starts');

/** Numbers the firings of each window, and remembers the starts of a key's windows. */
class Numbering implements RichProcessWindowFunction<number, string, string> {
  readonly calls: string[] = [];

  readonly process: RichProcessWindowFunction<number, string, string>['process'] = (
    key,
    context,
    elements,
    out,
  ) => {
    const firings = context.windowState.getState(perWindow);
    const starts = context.globalState.getListState(perKey);
    firings.update((firings.value() ?? 0) + 1);
    starts.add(context.window.start);
    out.collect(`${key} #${firings.value()}: ${[...elements].join()} (${starts.get().join()})`);
  };

  open(context: { readonly operatorName: string; readonly subtaskIndex: number }): void {
    this.calls.push(`open ${context.operatorName} ${context.subtaskIndex}`);
  }

  clear(
    context: Parameters<NonNullable<RichProcessWindowFunction<number, string, string>['clear']>>[0],
  ): void {
    const firings = context.windowState.getState(perWindow);
    this.calls.push(`clear ${context.window.start}: ${firings.value()}`);
    firings.clear();
  }

  close(): void {
    this.calls.push('close');
  }
}

const build =
  (assigner: WindowAssigner, numbering: Numbering, isGeneral = false) =>
  (input: DataStream<number>) => {
    let windowed = input
      .keyBy((n) => (n % 2 === 0 ? 'even' : 'odd'))
      .window(assigner)
      .allowedLateness(10);
    if (isGeneral) windowed = windowed.trigger(new CustomTrigger(assigner.defaultTrigger()));
    return windowed.process(numbering);
  };

const assigners: [string, WindowAssigner, boolean][] = [
  ['tumbling', TumblingEventTimeWindows.of(10), false],
  ['tumbling, general', TumblingEventTimeWindows.of(10), true],
];

describe('a rich window function', () => {
  it.each(assigners)('%s: has a life, state per window and per key', async (_name, assigner, isGeneral) => {
    const numbering = new Numbering();
    const harness = await OperatorHarness.of(build(assigner, numbering, isGeneral));
    harness.push(1, 1);
    harness.push(2, 1);
    harness.watermark(9);
    harness.push(3, 2);
    harness.push(5, 11);
    expect(numbering.calls).toEqual(['open Window Process 0']);
    harness.watermark(19);
    expect(harness.values()).toEqual([
      'odd #1: 1 (0)',
      'even #1: 2 (0)',
      'odd #2: 1,3 (0,0)',
      'odd #1: 5 (0,0,10)',
    ]);
    expect(numbering.calls.slice(1)).toEqual(['clear 0: 2', 'clear 0: 1']);
    await harness.close();
    expect(numbering.calls.at(-1)).toBe('close');
  });

  it.each(assigners)(
    '%s: its state goes on over a restore at another parallelism',
    async (_name, assigner, isGeneral) => {
      const before = await OperatorHarness.of(build(assigner, new Numbering(), isGeneral));
      before.push(1, 1);
      before.push(2, 1);
      before.watermark(9);
      const restored = before.snapshot();
      const harness = await OperatorHarness.of(build(assigner, new Numbering(), isGeneral), {
        restored,
        parallelism: 2,
      });
      harness.watermark(9);
      harness.push(3, 2);
      expect(harness.values()).toEqual(['odd #2: 1,3 (0,0)']);
    },
  );

  it('sliding: is called per window, each with its own state, also where accumulators could be shared', async () => {
    const numbering = new Numbering();
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input
        .keyBy(() => 'k')
        .window(SlidingEventTimeWindows.of(10, 5))
        .reduce((a, b) => a + b, numbering),
    );
    harness.push(1, 1);
    harness.push(2, 6);
    harness.watermark(100);
    expect(harness.values()).toEqual(['k #1: 1 (-5)', 'k #1: 3 (-5,0)', 'k #1: 2 (-5,0,5)']);
    expect(numbering.calls.slice(1)).toEqual(['clear -5: 1', 'clear 0: 1', 'clear 5: 1']);
  });

  it('sessions: are asked for globalState instead of windowState', async () => {
    const harness = await OperatorHarness.of(build(EventTimeSessionWindows.withGap(5), new Numbering()));
    harness.push(1, 1);
    expect(() => harness.watermark(100)).toThrow(StreamConfigError);
    expect(() => harness.watermark(101)).not.toThrow();
  });

  it('refuses state of a window with a TTL: it goes with the window', async () => {
    const aging = new ValueStateDescriptor<number>('aging', { ttl: { ttlMs: 1_000 } });
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input
        .keyBy(() => 'k')
        .window(TumblingEventTimeWindows.of(10))
        .process<number>((_key, context) => void context.windowState.getState(aging)),
    );
    harness.push(1, 1);
    expect(() => harness.watermark(100)).toThrow(/'aging' of a window has a TTL.*globalState/);
  });

  it('refuses one name for two kinds of state of a window', async () => {
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input
        .keyBy(() => 'k')
        .window(TumblingEventTimeWindows.of(10))
        .process<number>((_key, { windowState }) => {
          windowState.getState(new ValueStateDescriptor('s'));
          windowState.getListState(new ListStateDescriptor('s'));
        }),
    );
    harness.push(1, 1);
    expect(() => harness.watermark(100)).toThrow(
      /'s' of a window is value state, but is asked for as list state/,
    );
  });
});

describe('state of a window that an older program has stored', () => {
  const first = StateSchema.initial<number>();
  const second = first.migrate((n) => ({ n }));

  /** Each version reads its own state only. */
  const seenBy = (version: number, isGeneral: boolean) => (input: DataStream<number>) => {
    const options = { schema: (version === 1 ? first : second) as StateSchema<unknown> };
    const seen = new ListStateDescriptor<unknown>('seen', options);
    const last = new ValueStateDescriptor<unknown>('last', options);
    const windowed = input
      .keyBy(() => 'k')
      .window(TumblingEventTimeWindows.of(10))
      .allowedLateness(1000);
    return (
      isGeneral
        ? windowed.trigger(new CustomTrigger(TumblingEventTimeWindows.of(10).defaultTrigger()))
        : windowed
    ).process<string>((_key, { windowState }, elements, out) => {
      const all = windowState.getListState(seen);
      const value = windowState.getState(last);
      out.collect(JSON.stringify([...all.get(), value.value() ?? null]));
      const n = [...elements].length;
      all.add(version === 1 ? n : { n });
      value.update(version === 1 ? n : { n });
    });
  };

  it.each([false, true])(
    'window state invariant 1: is migrated when it is asked for (general: %s)',
    async (isGeneral) => {
      const harness = await OperatorHarness.of(seenBy(1, isGeneral));
      harness.push(1, 1);
      harness.push(2, 11);
      harness.watermark(30);
      const later = await OperatorHarness.of(seenBy(2, isGeneral), { restored: harness.snapshot() });
      later.watermark(30);
      for (const at of [2, 3, 12]) later.push(at, at);
      expect(later.values()).toEqual(['[{"n":1},{"n":1}]', '[{"n":1},{"n":2},{"n":2}]', '[{"n":1},{"n":1}]']);
      const older = await OperatorHarness.of(seenBy(1, isGeneral), { restored: later.snapshot() });
      older.watermark(30);
      expect(() => older.push(4, 4)).toThrow(
        "State 'seen' of a window has version 2 in the checkpoint, but version 1 in the program",
      );
    },
  );

  it('window state invariant 1: is migrated before windows that merge combine it', async () => {
    const build = (version: number) => (input: DataStream<number>) => {
      const count = new ReducingStateDescriptor<unknown>(
        'count',
        (a, b) =>
          version === 1 ? Number(a) + Number(b) : { n: (a as { n: number }).n + (b as { n: number }).n },
        { schema: (version === 1 ? first : second) as StateSchema<unknown> },
      );
      const trigger: Trigger<number, TimeWindow> = {
        onElement(_record, _timestamp, _window, context) {
          context.getReducingState(count).add(version === 1 ? 1 : { n: 1 });
          counts.push(context.getReducingState(count).get());
          return 'CONTINUE';
        },
        onEventTime: () => 'CONTINUE',
        onProcessingTime: () => 'CONTINUE',
        onMerge: (_window, context) => context.mergeState(count),
        clear: (_window, context) => context.getReducingState(count).clear(),
      };
      return input
        .keyBy(() => 'k')
        .window(EventTimeSessionWindows.withGap(5))
        .trigger(trigger)
        .reduce((a, b) => a + b);
    };
    const counts: unknown[] = [];
    const harness = await OperatorHarness.of(build(1));
    for (const at of [1, 2, 10]) harness.push(at, at);
    const later = await OperatorHarness.of(build(2), { restored: harness.snapshot() });
    later.push(6, 6);
    expect(counts).toEqual([1, 2, 1, { n: 4 }]);
  });
});

describe('a window function', () => {
  it('emits to side outputs, and sees window and time', async () => {
    const tag = new OutputTag<string>('side');
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input
        .keyBy(() => 'k')
        .window(TumblingEventTimeWindows.of(10))
        .process<string>((_key, context) => {
          const { window, currentWatermark } = context;
          context.output(tag, `${String(window)} at ${currentWatermark}, ${context.currentProcessingTime()}`);
        }),
    );
    harness.advanceProcessingTime(42);
    harness.push(1, 1);
    harness.watermark(12);
    expect(harness.records(tag)).toEqual([{ value: 'TimeWindow[0, 10) at 12, 42', timestamp: 9 }]);
  });

  it('without a key sees the same context', async () => {
    const calls: string[] = [];
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input.windowAll(TumblingEventTimeWindows.of(10)).process<string>({
        open: ({ operatorName }) => void calls.push(`open ${operatorName}`),
        process: (context, elements, out) => out.collect(`${context.window.start}: ${[...elements].join()}`),
        clear: ({ window }: { readonly window: TimeWindow }) => void calls.push(`clear ${window.start}`),
        close: () => void calls.push('close'),
      }),
    );
    for (const n of [1, 2, 3]) harness.push(n, n);
    harness.watermark(12);
    await harness.close();
    expect(harness.values()).toEqual(['0: 1,2,3']);
    expect(calls).toEqual(['open WindowAll Process', 'clear 0', 'close']);
  });

  it('gives results of the global window no timestamp', async () => {
    const harness = await OperatorHarness.of((input: DataStream<number>) =>
      input
        .windowAll(GlobalWindows.create())
        .trigger(CountTrigger.of(1))
        .reduce((a, b) => a + b),
    );
    harness.push(1, 5);
    expect(harness.records()).toEqual([{ value: 1, timestamp: undefined }]);
  });
});
