import { describe, expect, it } from 'vitest';
import {
  CountTrigger,
  EventTimeSessionWindows,
  GlobalWindows,
  ListStateDescriptor,
  OutputTag,
  SlidingEventTimeWindows,
  StreamConfigError,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type DataStream,
  type RichProcessWindowFunction,
  type TimeWindow,
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
