import { describe, expectTypeOf, it } from 'vitest';
import {
  ListStateDescriptor,
  MapStateDescriptor,
  OutputTag,
  StateSchema,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  type BroadcastState,
  type ConnectedStreams,
  type SingleOutputStreamOperator,
  type KeyedConnectedStreams,
  type ListState,
  type MapState,
  type ReadOnlyBroadcastState,
  type SidedRecord,
  type ValueState,
} from '../../src/index.js';

interface Click {
  readonly user: string;
  readonly at: number;
}
interface View {
  readonly viewer: string;
  readonly page: number;
}

const env = StreamExecutionEnvironment.getExecutionEnvironment();
const clicks = env.fromCollection<Click>([]);
const views = env.fromCollection<View>([]);
const clicksByUser = clicks.keyBy((click) => click.user);
const viewsByUser = views.keyBy((view) => view.viewer);
const viewsByPage = views.keyBy((view) => view.page);
const minute = TumblingEventTimeWindows.of(60_000);
/** Calls that only the compiler looks at. */
const never = (_calls: () => unknown): void => undefined;

describe('types of connected streams', () => {
  it('keep both record types apart', () => {
    expectTypeOf(clicks.connect(views)).toEqualTypeOf<ConnectedStreams<Click, View>>();
    expectTypeOf(
      clicks.connect(views).map({ map1: (click) => click.at, map2: (view) => view.page }),
    ).toEqualTypeOf<SingleOutputStreamOperator<number>>();
    expectTypeOf(clicksByUser.connect(viewsByUser)).toEqualTypeOf<
      KeyedConnectedStreams<Click, View, string>
    >();
    clicksByUser.connect(viewsByUser).process<string>((context) => {
      const state = context.getState(new ValueStateDescriptor<Click>('click'));
      expectTypeOf(state).toEqualTypeOf<ValueState<Click>>();
      return {
        processElement1(click, { currentKey }) {
          expectTypeOf(click).toEqualTypeOf<Click>();
          expectTypeOf(currentKey).toEqualTypeOf<string>();
        },
        processElement2(view) {
          expectTypeOf(view).toEqualTypeOf<View>();
        },
      };
    });
  });

  it('of schemas are those of the sides, and of the keys', () => {
    never(() => {
      const leftSchema = StateSchema.initial<Click>();
      const rightSchema = StateSchema.initial<View>();
      const keys = StateSchema.initial<number>().migrate((n) => `u${n}`);
      const joined = clicks
        .join(views, 'left')
        .where((click) => click.user, { schema: keys })
        .equalTo((view) => view.viewer)
        .window(minute);
      joined.apply((click, view) => [click.at, view?.page], { leftSchema, rightSchema });
      clicks
        .coGroup(views)
        .where((click) => click.user, { schema: keys })
        .equalTo((view) => view.viewer)
        .window(minute)
        .apply<number>((lefts, rights, out) => out.collect(lefts.length + rights.length), { leftSchema });
      const interval = clicksByUser.intervalJoin(viewsByUser).between(0, 1);
      interval.process(() => undefined, { leftSchema, rightSchema });
      clicksByUser.temporalJoin(viewsByUser).process(() => undefined, { leftSchema, rightSchema });
      // @ts-expect-error the left records are clicks
      joined.apply(() => 1, { leftSchema: rightSchema });
      // @ts-expect-error the right records are views
      interval.process(() => undefined, { rightSchema: leftSchema });
      // @ts-expect-error the keys are texts
      clicks.join(views).where((click) => click.user, { schema: StateSchema.initial<number>() });
    });
  });

  it('demand that the key types agree', () => {
    never(() => {
      // @ts-expect-error string and number keys never meet
      clicksByUser.connect(viewsByPage);
      // @ts-expect-error the same with keyBy on connected streams
      clicks.connect(views).keyBy((click) => click.user, (view) => view.page); // prettier-ignore
      // @ts-expect-error the same for the interval join
      clicksByUser.intervalJoin(viewsByPage);
      // @ts-expect-error the same for the temporal join
      clicksByUser.temporalJoin(viewsByPage);
      // @ts-expect-error the same for the window join
      clicks.join(views).where((click) => click.user).equalTo((view) => view.page); // prettier-ignore
      // @ts-expect-error the same for coGroup
      clicks.coGroup(views).where((click) => click.user).equalTo((view) => view.page); // prettier-ignore
    });
    clicks.connect(views).keyBy(
      (click) => click.user,
      (view) => view.viewer,
    );
  });
});

describe('types of joins', () => {
  it('carry undefined where a window join may have no match', () => {
    const on = <J extends 'inner' | 'left' | 'right' | 'full'>(type: J) =>
      clicks
        .join(views, type)
        .where((click) => click.user)
        .equalTo((view) => view.viewer)
        .window(minute);
    const pair = <A, B>(a: A, b: B): readonly [A, B] => [a, b];
    never(() => {
      expectTypeOf(on('inner').apply(pair)).toEqualTypeOf<
        SingleOutputStreamOperator<readonly [Click, View]>
      >();
      expectTypeOf(on('left').apply(pair)).toEqualTypeOf<
        SingleOutputStreamOperator<readonly [Click, View | undefined]>
      >();
      expectTypeOf(on('right').apply(pair)).toEqualTypeOf<
        SingleOutputStreamOperator<readonly [Click | undefined, View]>
      >();
      expectTypeOf(on('full').apply(pair)).toEqualTypeOf<
        SingleOutputStreamOperator<readonly [Click | undefined, View | undefined]>
      >();
      clicks
        .join(views)
        .where((click) => click.user)
        .equalTo((view) => view.viewer)
        .window(minute)
        .sideOutputLateData(new OutputTag<SidedRecord<Click, View>>('late'))
        .flatApply<number>((click, view, out) => {
          expectTypeOf(click).toEqualTypeOf<Click>();
          expectTypeOf(view).toEqualTypeOf<View>();
          out.collect(view.page);
        });
      // @ts-expect-error a left join's right record may be missing
      on('left').apply((_click, view) => view.page);
    });
  });

  it('give coGroup both groups', () => {
    never(() =>
      clicks
        .coGroup(views)
        .where((click) => click.user)
        .equalTo((view) => view.viewer)
        .window(minute)
        .apply<number>((left, right) => {
          expectTypeOf(left).toEqualTypeOf<readonly Click[]>();
          expectTypeOf(right).toEqualTypeOf<readonly View[]>();
        }),
    );
  });

  it('carry undefined where an interval or temporal join may have no match', () => {
    clicksByUser
      .intervalJoin(viewsByUser)
      .between(0, 1)
      .process<string>((click, view, { leftTimestamp }) => {
        expectTypeOf(click).toEqualTypeOf<Click>();
        expectTypeOf(view).toEqualTypeOf<View>();
        expectTypeOf(leftTimestamp).toEqualTypeOf<number | undefined>();
      });
    clicksByUser
      .intervalJoin(viewsByUser, 'full')
      .between(0, 1)
      .sideOutputLeftLateData(new OutputTag<Click>('late clicks'))
      .process<string>((click, view) => {
        expectTypeOf(click).toEqualTypeOf<Click | undefined>();
        expectTypeOf(view).toEqualTypeOf<View | undefined>();
      });
    clicksByUser
      .intervalJoin(viewsByUser, 'right')
      .between(0, 1)
      .process<string>((click, view) => {
        expectTypeOf(click).toEqualTypeOf<Click | undefined>();
        expectTypeOf(view).toEqualTypeOf<View>();
      });
    clicksByUser
      .temporalJoin(viewsByUser)
      .deletedWhen((view) => view.page < 0)
      .process<string>((_click, view) => expectTypeOf(view).toEqualTypeOf<View>());
    clicksByUser
      .temporalJoin(viewsByUser, 'left')
      .process<string>((_click, view) => expectTypeOf(view).toEqualTypeOf<View | undefined>());
    never(() => {
      // @ts-expect-error a version without a left record is no result
      clicksByUser.temporalJoin(viewsByUser, 'full');
      const join = clicksByUser.intervalJoin(viewsByUser).between(0, 1);
      // @ts-expect-error the tag of the left side is for clicks
      join.sideOutputLeftLateData(new OutputTag<View>('views'));
    });
  });
});

describe('types of broadcast state', () => {
  const rules = new MapStateDescriptor<string, number>('rules');
  const count = new ValueStateDescriptor<number>('count');

  it('let the side that is not broadcast read only', () => {
    clicks.connect(views.broadcast(rules)).process<string>(() => ({
      processElement(click, context) {
        expectTypeOf(click).toEqualTypeOf<Click>();
        const state = context.getBroadcastState(rules);
        expectTypeOf(state).toEqualTypeOf<ReadOnlyBroadcastState<string, number>>();
        never(() => {
          // @ts-expect-error every subtask has to hold the same
          state.put('a', 1);
        });
      },
      processBroadcastElement(view, context) {
        expectTypeOf(view).toEqualTypeOf<View>();
        expectTypeOf(context.getBroadcastState(rules)).toEqualTypeOf<BroadcastState<string, number>>();
      },
    }));
  });

  it('give keys, timers and keyed state to the keyed side, applyToKeyedState to the other', () => {
    clicksByUser.connect(views.broadcast(rules)).process<string>(() => ({
      processElement(_click, context) {
        expectTypeOf(context.currentKey).toEqualTypeOf<string>();
        context.timers.deleteEventTimeTimer(1);
        never(() => {
          // @ts-expect-error only for broadcast records
          context.applyToKeyedState(count, () => undefined);
        });
      },
      processBroadcastElement(_view, context) {
        context.applyToKeyedState(count, (key, state) => {
          expectTypeOf(key).toEqualTypeOf<string>();
          expectTypeOf(state).toEqualTypeOf<ValueState<number>>();
        });
        context.applyToKeyedState(new ListStateDescriptor<Click>('list'), (_key, state) =>
          expectTypeOf(state).toEqualTypeOf<ListState<Click>>(),
        );
        context.applyToKeyedState(rules, (_key, state) =>
          expectTypeOf(state).toEqualTypeOf<MapState<string, number>>(),
        );
        never(() => {
          // @ts-expect-error no key is current
          void context.currentKey;
          // @ts-expect-error and no timers
          void context.timers;
        });
      },
      onTimer(_timestamp, context) {
        expectTypeOf(context.getBroadcastState(rules)).toEqualTypeOf<
          ReadOnlyBroadcastState<string, number>
        >();
      },
    }));
  });
});
