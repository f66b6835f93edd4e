import { describe, expectTypeOf, it } from 'vitest';
import {
  ListStateDescriptor,
  MapStateDescriptor,
  OutputTag,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  type DataStream,
  type DataStreamSink,
  type JobExecutionResult,
  type KeyedStream,
  type ListState,
  type MapState,
  type ReaderOutput,
  type SingleOutputStreamOperator,
  type Sink,
  type Source,
  type ValueState,
} from '../src/index.js';
import { ScriptedSource } from './support/scripted-source.js';

interface Click {
  readonly kind: 'click';
  readonly user: string;
  readonly at: number;
}
interface View {
  readonly kind: 'view';
  readonly page: number;
}

const env = StreamExecutionEnvironment.getExecutionEnvironment();
const clicks = env.fromCollection<Click>([]);
const events = env.fromCollection<Click | View>([]);
declare const clickSink: Sink<Click>;
declare const anythingSink: Sink<unknown>;
/** Calls that only the compiler looks at. */
const never = (_calls: () => unknown): void => undefined;

describe('types', () => {
  it('follow the records through the program', () => {
    expectTypeOf(clicks.map((click) => click.at)).toEqualTypeOf<SingleOutputStreamOperator<number>>();
    expectTypeOf(clicks.flatMap<string>((click, out) => out.collect(click.user))).toEqualTypeOf<
      SingleOutputStreamOperator<string>
    >();
    expectTypeOf(clicks.filter((click) => click.at > 0)).toEqualTypeOf<SingleOutputStreamOperator<Click>>();
    expectTypeOf(events.filter((event): event is View => event.kind === 'view')).toEqualTypeOf<
      SingleOutputStreamOperator<View>
    >();
    expectTypeOf(clicks.keyBy((click) => click.user)).toEqualTypeOf<KeyedStream<Click, string>>();
    expectTypeOf(clicks.rebalance()).toEqualTypeOf<DataStream<Click>>();
    expectTypeOf(clicks.getSideOutput(new OutputTag<View>('views'))).toEqualTypeOf<DataStream<View>>();
    expectTypeOf(clicks.print()).toEqualTypeOf<DataStreamSink>();
  });

  it('are inferred from sources', () => {
    const strategy = WatermarkStrategy.noWatermarks<Click>();
    expectTypeOf(env.fromSource(new ScriptedSource<Click>([]), strategy, 'In')).toEqualTypeOf<
      SingleOutputStreamOperator<Click>
    >();
    expectTypeOf(env.addSource(new ScriptedSource<Click>([]))).toEqualTypeOf<
      SingleOutputStreamOperator<Click>
    >();
    expectTypeOf(env.addSource<number>({ collect: () => false })).toEqualTypeOf<
      SingleOutputStreamOperator<number>
    >();
    expectTypeOf(env.fromCollection(['a'])).toEqualTypeOf<SingleOutputStreamOperator<string>>();
    expectTypeOf(env.execute).returns.resolves.toEqualTypeOf<JobExecutionResult>();
    const strings = WatermarkStrategy.noWatermarks<string>();
    // @ts-expect-error the strategy is for other records
    never(() => env.fromSource(new ScriptedSource<Click>([]), strings, 'In'));
  });

  it('of keys, state and timers reach a keyed function', () => {
    const processed = clicks
      .keyBy((click) => ({ user: click.user }))
      .process<number>((context) => {
        expectTypeOf(context.getState(new ValueStateDescriptor<number>('v'))).toEqualTypeOf<
          ValueState<number>
        >();
        expectTypeOf(context.getListState(new ListStateDescriptor<Click>('l'))).toEqualTypeOf<
          ListState<Click>
        >();
        expectTypeOf(context.getMapState(new MapStateDescriptor<string, View>('m'))).toEqualTypeOf<
          MapState<string, View>
        >();
        return {
          processElement(click, own, out) {
            expectTypeOf(click).toEqualTypeOf<Click>();
            expectTypeOf(own.currentKey).toEqualTypeOf<{ user: string }>();
            expectTypeOf(own.timestamp).toEqualTypeOf<number | undefined>();
            out.collect(1);
          },
          onTimer: (_timestamp, own) => {
            expectTypeOf(own.timeDomain).toEqualTypeOf<'event-time' | 'processing-time'>();
          },
        };
      });
    expectTypeOf(processed).toEqualTypeOf<SingleOutputStreamOperator<number>>();
  });

  it('of windows come from their functions', () => {
    const windowed = clicks.keyBy((click) => click.user).window(TumblingEventTimeWindows.of(1000));
    const sum = {
      createAccumulator: () => 0,
      add: (click: Click, acc: number) => acc + click.at,
      getResult: (acc: number) => ({ total: acc }),
      merge: (a: number, b: number) => a + b,
    };
    expectTypeOf(windowed.reduce((a) => a)).toEqualTypeOf<SingleOutputStreamOperator<Click>>();
    expectTypeOf(windowed.aggregate(sum)).toEqualTypeOf<SingleOutputStreamOperator<{ total: number }>>();
    const named = windowed.aggregate<number, { total: number }, string>(
      sum,
      (key, { window }, results, out) => {
        expectTypeOf(key).toEqualTypeOf<string>();
        expectTypeOf(window.end).toEqualTypeOf<number>();
        expectTypeOf(results).toEqualTypeOf<Iterable<{ total: number }>>();
        out.collect(key);
      },
    );
    expectTypeOf(named).toEqualTypeOf<SingleOutputStreamOperator<string>>();
    // @ts-expect-error late records are clicks
    never(() => windowed.sideOutputLateData(new OutputTag<View>('late')));
    // @ts-expect-error a reduce gives back what it takes
    never(() => windowed.reduce((a) => a.at));
  });

  it('of side outputs of sources come from their tags', () => {
    const page = new OutputTag<View>('page');
    const _read = (output: ReaderOutput<Click>, view: View, click: Click): void => {
      output.forSplit('a').collect(click, 1);
      output.forSplit('a').advanceTo(1);
      output.sideOutput(page, view, 1);
      // @ts-expect-error the records are clicks
      output.collect(view);
      // @ts-expect-error the side output is of views
      output.sideOutput(page, click);
      // @ts-expect-error a time is a number
      output.advanceTo(new Date());
    };
    expectTypeOf([page]).toExtend<NonNullable<Source<Click>['sideOutputs']>>();
  });

  it('refuse what does not fit', () => {
    never(() => clicks.sinkTo(clickSink));
    never(() => clicks.sinkTo(anythingSink));
    never(() => clicks.addSink({ emit: (click) => void click.user }));
    // @ts-expect-error the sink takes clicks, the stream has numbers
    never(() => clicks.map((click) => click.at).sinkTo(clickSink));
    // @ts-expect-error a click has no page
    never(() => clicks.map((click) => click.page));
    // @ts-expect-error a predicate gives a boolean
    never(() => clicks.filter((click) => click.user));
    // @ts-expect-error the collector takes strings
    never(() => clicks.flatMap<string>((click, out) => out.collect(click.at)));
    // @ts-expect-error `emit` gets a click
    never(() => clicks.addSink({ emit: (n: number) => void n }));
    // @ts-expect-error map state has primitive keys
    never(() => new MapStateDescriptor<{ a: 1 }, number>('m'));
    // @ts-expect-error a window needs keys
    never(() => clicks.window(TumblingEventTimeWindows.of(1)));
  });
});
