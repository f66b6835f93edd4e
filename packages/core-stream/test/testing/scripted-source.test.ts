import { describe, expect, it } from 'vitest';
import {
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type OperatorError,
} from '../../src/index.js';
import {
  CollectingSink,
  drive,
  END,
  ExternalSystem,
  FAIL,
  failTimes,
  ManualClock,
  MemoryCheckpointStorage,
  PAUSE,
  ScriptedFailure,
  ScriptedSource,
  timed,
  TransactionalSink,
  until,
  watermark,
  type ScriptStep,
} from '../../src/testing/index.js';
import { failureOf } from '../support/conditions.js';

const none = WatermarkStrategy.noWatermarks<string>();
const letters = (text: string): ScriptStep<string>[] => [...text].map((value) => ({ value }));

function start(source: ScriptedSource<string>, strategy = none) {
  const clock = new ManualClock();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
  const sink = new CollectingSink<string>();
  env.fromSource(source, strategy, 'letters').sinkTo(sink);
  return { clock, sink, job: env.executeAsync('script') };
}

describe('a scripted source', () => {
  it('waits at PAUSE until it is resumed', async () => {
    const source = new ScriptedSource([[...letters('ab'), PAUSE, ...letters('c')]]);
    const { clock, sink, job } = start(source);
    await until(() => sink.values.length === 2);
    source.resume();
    await drive(job, clock);
    expect(sink.values).toEqual(['a', 'b', 'c']);
  });

  it('ends an unbounded split at END', async () => {
    const source = new ScriptedSource([[...letters('ab'), END, ...letters('c')], [END]], {
      boundedness: 'unbounded',
    });
    const { clock, sink, job } = start(source);
    await drive(job, clock);
    expect(sink.values).toEqual(['a', 'b']);
  });

  it('fails at FAIL once, so that the job can be started again with the same source', async () => {
    const source = new ScriptedSource([[...letters('a'), FAIL, ...letters('b'), failTimes(2)]]);
    for (let run = 0; run < 3; run++) {
      const error = (await failureOf(start(source).job.result)) as OperatorError;
      expect(error.cause).toBeInstanceOf(ScriptedFailure);
    }
    const { clock, sink, job } = start(source);
    await drive(job, clock);
    expect(sink.values).toEqual(['a', 'b']);
  });

  it('goes on after a checkpoint, and a two-phase sink shows each record once', async () => {
    const storage = new MemoryCheckpointStorage();
    const clock = new ManualClock();
    const source = new ScriptedSource([
      [...letters('ab'), PAUSE, ...letters('c'), FAIL, ...letters('d')],
      letters('123'),
    ]);
    const system = new ExternalSystem<string>();
    const run = (parallelism: number) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism });
      env.enableCheckpointing({ intervalMs: 10, storage });
      env.fromSource(source, none, 'letters').sinkTo(new TransactionalSink(system));
      return env.executeAsync('once');
    };
    const first = run(1);
    await until(
      () => system.visible.length === 5,
      () => clock.advance(1),
    );
    source.resume();
    expect(await failureOf(first.result)).toMatchObject({ cause: expect.any(ScriptedFailure) as unknown });
    expect([...system.visible].sort()).toEqual([...'123ab']);
    await drive(run(2), clock);
    expect([...system.visible].sort()).toEqual([...'123abcd']);
  });

  it('gives the watermarks of its script, per split', async () => {
    const source = new ScriptedSource<string>([
      [
        watermark(2), // waits for the record
        ...timed([['a', 5]]),
        watermark(20),
        ...timed([['late', 19]]),
        watermark(30),
      ],
      [...timed([['b', 6]]), watermark(15), ...timed([['c', 14]]), PAUSE, watermark(18)],
    ]);
    const clock = new ManualClock();
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
    const sink = new CollectingSink<string>();
    env.fromSource(source, source.watermarks(), 'in').sinkTo(sink);
    const job = env.executeAsync('watermarks');
    await until(() => sink.values.length === 4);
    source.resume();
    await drive(job, clock);
    expect(sink.values).toEqual(['b', 'a', 'c', 'late']);
    expect(sink.watermarks).toEqual([-Infinity, -Infinity, 15, 15]);
  });

  it('closes windows by the watermarks of its script', async () => {
    const source = new ScriptedSource<number>([
      [...timed([[1, 5]]), watermark(9), ...timed([[2, 6]]), ...timed([[3, 12]])],
    ]);
    const clock = new ManualClock();
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
    const sink = new CollectingSink<number>();
    env
      .fromSource(source, source.watermarks(), 'in')
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    await drive(env.executeAsync('windows'), clock);
    expect(sink.values).toEqual([1, 3]);
  });

  it('refuses watermarks in its script under another strategy', async () => {
    for (const script of [
      [watermark(1), ...letters('a')],
      [...letters('a'), watermark(1)],
    ]) {
      const error = await failureOf(start(new ScriptedSource([script])).job.result);
      expect(error.message).toContain('source.watermarks()');
    }
  });
});
