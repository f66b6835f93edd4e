import { describe, expectTypeOf, it } from 'vitest';
import {
  CountEvictor,
  CountTrigger,
  EventTimeSessionWindows,
  EventTimeTrigger,
  GlobalWindows,
  OutputTag,
  PurgingTrigger,
  StateSchema,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  type AggregateFunction,
  type AllWindowedStream,
  type Evictor,
  type GlobalWindow,
  type KeyedStateStore,
  type RichProcessWindowFunction,
  type SingleOutputStreamOperator,
  type TimeWindow,
  type Trigger,
  type Window,
  type WindowAssigner,
  type WindowedStream,
} from '../../src/index.js';

interface Click {
  readonly user: string;
  readonly at: number;
}
interface View {
  readonly page: number;
}

const clicks = StreamExecutionEnvironment.getExecutionEnvironment().fromCollection<Click>([]);
const byUser = clicks.keyBy((click) => click.user);
const tumbling = TumblingEventTimeWindows.of(1000);
/** Calls that only the compiler looks at. */
const never = (_calls: () => unknown): void => undefined;

interface Session extends Window {
  readonly user: string;
}
declare const sessions: WindowAssigner<Click, Session>;
declare const ofViews: WindowAssigner<View>;
declare const sessionTrigger: Trigger<Click, Session>;
declare const viewTrigger: Trigger<View, TimeWindow>;
declare const viewEvictor: Evictor<View, TimeWindow>;
declare const rich: RichProcessWindowFunction<Click, string, string>;
declare const mean: AggregateFunction<Click, { sum: number }, { mean: number }>;

describe('types of windows', () => {
  it('are those of key and assigner', () => {
    expectTypeOf(byUser.window(tumbling)).toEqualTypeOf<WindowedStream<Click, string, TimeWindow>>();
    expectTypeOf(byUser.window(GlobalWindows.create())).toEqualTypeOf<
      WindowedStream<Click, string, GlobalWindow>
    >();
    expectTypeOf(byUser.countWindow(10, 5)).toEqualTypeOf<WindowedStream<Click, string, GlobalWindow>>();
    expectTypeOf(clicks.windowAll(tumbling)).toEqualTypeOf<AllWindowedStream<Click, TimeWindow>>();
    expectTypeOf(clicks.countWindowAll(10)).toEqualTypeOf<AllWindowedStream<Click, GlobalWindow>>();
    never(() => {
      expectTypeOf(byUser.window(sessions)).toEqualTypeOf<WindowedStream<Click, string, Session>>();
      byUser.window(EventTimeSessionWindows.withDynamicGap((click: Click) => click.at));
      // @ts-expect-error the assigner is for other records
      byUser.window(ofViews);
    });
  });

  it('reach triggers and evictors', () => {
    never(() => {
      byUser.window(tumbling).trigger(EventTimeTrigger.create());
      byUser.window(tumbling).trigger(PurgingTrigger.of(CountTrigger.of(1)));
      byUser.window(tumbling).evictor(CountEvictor.of(1));
      byUser.window(sessions).trigger(sessionTrigger);
      // @ts-expect-error the trigger is for other windows
      byUser.window(tumbling).trigger(sessionTrigger);
      // @ts-expect-error the trigger is for other records
      byUser.window(tumbling).trigger(viewTrigger);
      // @ts-expect-error the evictor is for other records
      byUser.window(tumbling).evictor(viewEvictor);
    });
  });

  it('reach window functions', () => {
    expectTypeOf(byUser.window(tumbling).reduce((a) => a)).toEqualTypeOf<SingleOutputStreamOperator<Click>>();
    expectTypeOf(byUser.window(tumbling).maxBy('at')).toEqualTypeOf<SingleOutputStreamOperator<Click>>();
    never(() => {
      expectTypeOf(byUser.window(tumbling).process(rich)).toEqualTypeOf<SingleOutputStreamOperator<string>>();
      expectTypeOf(byUser.window(tumbling).aggregate(mean)).toEqualTypeOf<
        SingleOutputStreamOperator<{ mean: number }>
      >();
      const named = byUser.window(sessions).aggregate(mean, (key, context, [result], out: Out<number>) => {
        expectTypeOf(key).toEqualTypeOf<string>();
        expectTypeOf(context.window).toEqualTypeOf<Session>();
        expectTypeOf(context.globalState).toEqualTypeOf<KeyedStateStore>();
        expectTypeOf(result).toEqualTypeOf<{ mean: number } | undefined>();
        out.collect(result!.mean);
      });
      expectTypeOf(named).toEqualTypeOf<SingleOutputStreamOperator<number>>();
      const all = clicks.windowAll(tumbling).process<string>((context, elements, out) => {
        expectTypeOf(context.window).toEqualTypeOf<TimeWindow>();
        expectTypeOf(elements).toEqualTypeOf<Iterable<Click>>();
        out.collect('');
      });
      expectTypeOf(all).toEqualTypeOf<SingleOutputStreamOperator<string>>();
    });
  });

  it('of a schema are those of what is kept: the record, or the accumulator', () => {
    never(() => {
      const ofClicks = StateSchema.initial<{ user: string }>().migrate((old): Click => ({ ...old, at: 0 }));
      const ofSums = StateSchema.initial<{ sum: number }>();
      const windows = byUser.window(tumbling);
      expectTypeOf(windows.reduce((a) => a, { schema: ofClicks })).toEqualTypeOf<
        SingleOutputStreamOperator<Click>
      >();
      expectTypeOf(windows.reduce((a) => a, rich, { schema: ofClicks })).toEqualTypeOf<
        SingleOutputStreamOperator<string>
      >();
      expectTypeOf(windows.aggregate(mean, { schema: ofSums })).toEqualTypeOf<
        SingleOutputStreamOperator<{ mean: number }>
      >();
      byUser.countWindow(10, 5).aggregate(mean, { recordSchema: ofClicks });
      windows.process(rich, { schema: ofClicks });
      clicks.windowAll(tumbling).maxBy('at', { schema: ofClicks });
      byUser.reduce((a) => a, { schema: ofClicks });
      // @ts-expect-error a reduce keeps a click
      windows.reduce((a) => a, { schema: ofSums });
      // @ts-expect-error so does a rolling one
      byUser.reduce((a) => a, { schema: ofSums });
      // @ts-expect-error an aggregate keeps its accumulator
      windows.aggregate(mean, { schema: ofClicks });
      // @ts-expect-error the records are clicks
      windows.process(rich, { schema: ofSums });
    });
  });

  it('refuse what does not fit', () => {
    never(() => {
      // @ts-expect-error late records are clicks
      byUser.window(tumbling).sideOutputLateData(new OutputTag<View>('late'));
      // @ts-expect-error a reduce gives back what it takes
      byUser.window(tumbling).reduce((a) => a.at);
      // @ts-expect-error users cannot be added up
      byUser.window(tumbling).sum('user');
      // @ts-expect-error a click has no page
      clicks.windowAll(tumbling).min('page');
      const byTime = clicks.keyBy((click) => click.at).window(tumbling);
      // @ts-expect-error the function is for another key
      byTime.process(rich);
      // @ts-expect-error the function is for time windows
      byUser.countWindow(1).process(rich);
    });
  });
});

interface Out<R> {
  collect(value: R): void;
}
