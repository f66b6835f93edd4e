import { describe, expect, it } from 'vitest';
import {
  CountEvictor,
  CountTrigger,
  EventTimeSessionWindows,
  OperatorError,
  StreamConfigError,
  StreamRecordError,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type DataStream,
  type SingleOutputStreamOperator,
  type Trigger,
  type Window,
} from '../src/index.js';
import { CollectingSink } from './support/collecting-sink.js';
import { failureOf } from './support/conditions.js';
import { boom, environment, none, refuseUnhandledRejections } from './support/environment.js';
import { ScriptedSource, timed } from './support/scripted-source.js';

refuseUnhandledRejections();

interface Click {
  readonly user: unknown;
  readonly atMs: number;
}

const monotonous = WatermarkStrategy.forMonotonousTimestamps<Click>();
const clicks = () =>
  new ScriptedSource<Click>([
    timed([
      [{ user: 'ada', atMs: 5 }, 5],
      [{ user: 'bob', atMs: NaN }, 6],
    ]),
  ]);

describe('a mistake in the program is refused before it runs, with the name of the operator:', () => {
  const refused = (build: (clicks: SingleOutputStreamOperator<Click>) => DataStream<Click>): Error => {
    const { env } = environment();
    try {
      build(env.fromSource(clicks(), monotonous, 'Clicks')).print();
      env.explain();
    } catch (error) {
      expect(error).toBeInstanceOf(StreamConfigError);
      return error as Error;
    }
    throw new Error('the program was accepted');
  };
  const perUser = (stream: DataStream<Click>) => stream.keyBy(({ user }) => user);
  const minutes = TumblingEventTimeWindows.of(60_000);
  const sessions = EventTimeSessionWindows.withGap(1000);
  const countOnce: Trigger<Click, Window> = {
    onElement: () => CountTrigger.of(1).onElement as never,
    onEventTime: () => 'continue' as never,
    onProcessingTime: () => 'continue' as never,
    clear: () => undefined,
  };

  it.each([
    [
      'a uid that is used twice',
      (stream: SingleOutputStreamOperator<Click>) =>
        stream
          .map((click) => click)
          .uid('x')
          .map((click) => click)
          .name('Second')
          .uid('x'),
      /uid 'x' is used by 'Map' and by 'Second'/,
    ],
    [
      'an evictor with an incremental aggregate',
      (stream: DataStream<Click>) =>
        perUser(stream)
          .window(minutes)
          .evictor(CountEvictor.of(3))
          .reduce((a) => a),
      /evictor/i,
    ],
    [
      'windows that merge with a trigger that cannot',
      (stream: DataStream<Click>) =>
        perUser(stream)
          .window(sessions)
          .trigger(countOnce)
          .reduce((a) => a),
      /merge/,
    ],
    [
      'a parallelism above the max parallelism',
      (stream: DataStream<Click>) => stream.map((click) => click).setParallelism(200),
      /parallelism of 'Map' must be a whole number from 1 to 128 .* got 200/,
    ],
  ])('%s', (_what, build, message) => {
    expect(refused(build).message).toMatch(message);
  });
});

describe('a bad record stops the job with the operator and the record, and no result is made up:', () => {
  const failure = async <R>(
    build: (clicks: DataStream<Click>) => DataStream<R>,
    watermarks = monotonous,
    source = clicks(),
  ) => {
    const { env } = environment();
    const sink = new CollectingSink<unknown>();
    build(env.fromSource(source, watermarks, 'Clicks')).sinkTo(sink);
    const error = await failureOf(env.execute('bad input'));
    expect(error).toBeInstanceOf(OperatorError);
    return { error, sink };
  };

  it('a function that throws', async () => {
    const { error, sink } = await failure((stream) =>
      stream.map((click) => (click.user === 'bob' ? boom() : click.user)).name('Names'),
    );
    expect(error.message).toMatch(/^'Names' \(subtask 0\) failed while processing the record .*bob.*: boom$/);
    expect(error).toMatchObject({ details: { operator: 'Names', subtask: 0 }, retryable: true });
    expect(sink.values).toEqual(['ada']);
  });

  it('a timestamp that is NaN', async () => {
    const { error } = await failure(
      (stream) => stream,
      monotonous.withTimestampAssigner(({ atMs }) => atMs),
    );
    expect(error.message).toMatch(/'Clicks'.*gave NaN for the record .*bob.*A timestamp is a finite number/);
    expect(error.cause).toBeInstanceOf(StreamRecordError);
  });

  it('a record without a timestamp, where event time is needed', async () => {
    const { error } = await failure(
      (stream) =>
        stream
          .keyBy(({ user }) => user)
          .window(TumblingEventTimeWindows.of(10))
          .reduce((a) => a)
          .name('Hourly'),
      monotonous,
      new ScriptedSource<Click>([[{ value: { user: 'ada', atMs: 5 } }]]),
    );
    expect(error.message).toMatch(/'Hourly'.*A record without a timestamp .* assignTimestampsAndWatermarks/s);
  });

  it.each([1, 3])('a key that cannot be encoded, at parallelism %d', async (parallelism) => {
    const { env } = environment({ parallelism });
    env
      .fromSource(
        new ScriptedSource<Click>([[{ value: { user: () => 'ada', atMs: 0 } }]]),
        none as never,
        'Clicks',
      )
      .keyBy((click) => (click as Click).user)
      .process<unknown>(() => ({ processElement: (click, _context, out) => out.collect(click) }))
      .name('PerUser')
      .sinkTo(new CollectingSink<unknown>());
    const error = await failureOf(env.execute('bad key'));
    expect(error.message).toMatch(/Cannot encode function at 'key': keys and state are plain data/);
    expect(error.cause).toBeInstanceOf(StreamRecordError);
    expect(error).toMatchObject({ retryable: false });
  });
});
