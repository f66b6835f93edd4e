import { describe, expect, it } from 'vitest';
import {
  OutputTag,
  StreamConfigError,
  StateSchema,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type DataStream,
  type EnvironmentOptions,
  type SingleOutputStreamOperator,
} from '../../src/index.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { ScriptedSource } from '../support/scripted-source.js';

const environment = (options: EnvironmentOptions = {}) =>
  StreamExecutionEnvironment.getExecutionEnvironment(options);
const source = () => new ScriptedSource<number>([[]]);
const none = WatermarkStrategy.noWatermarks<number>();

/** The names of each chain. */
function chainsOf(env: StreamExecutionEnvironment): string[] {
  return env.getExecutionPlan().vertices.map(({ nodes }) => nodes.map(({ name }) => name).join(' → '));
}

function partitioningsOf(env: StreamExecutionEnvironment): string[] {
  return env
    .getExecutionPlan()
    .vertices.flatMap(({ inputs }) => inputs.map(({ partitioning }) => partitioning));
}

describe('chaining', () => {
  it('puts one-to-one neighbours of the same parallelism into one chain', () => {
    const env = environment({ parallelism: 3 });
    env
      .fromSource(source(), none, 'In')
      .map((n) => n)
      .filter((n) => n > 0)
      .print();
    expect(chainsOf(env)).toEqual(['In → Map → Filter → Print']);
    expect(partitioningsOf(env)).toEqual([]);
  });

  it('breaks a chain where the parallelism changes, and rebalances', () => {
    const env = environment({ parallelism: 3 });
    env
      .fromSource(source(), none, 'In')
      .map((n) => n)
      .setParallelism(2)
      .print();
    expect(chainsOf(env)).toEqual(['In', 'Map', 'Print']);
    expect(partitioningsOf(env)).toEqual(['rebalance', 'rebalance']);
  });

  it('breaks a chain at keyBy and rebalance with more than one subtask', () => {
    const env = environment({ parallelism: 2 });
    env
      .fromSource(source(), none, 'In')
      .rebalance()
      .map((n) => n)
      .keyBy((n) => n)
      .process(() => ({ processElement: () => undefined }))
      .print();
    expect(chainsOf(env)).toEqual(['In', 'Map', 'KeyedProcess → Print']);
    expect(partitioningsOf(env)).toEqual(['rebalance', 'hash']);
  });

  it('chains everything where there is one subtask only', () => {
    const env = environment();
    env
      .fromSource(source(), WatermarkStrategy.forMonotonousTimestamps<number>(), 'In')
      .rebalance()
      .keyBy((n) => n)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a) => a)
      .print();
    expect(chainsOf(env)).toEqual(['In → Window Reduce → Print']);
  });

  it('keeps a fan-out and a side output in the chain', () => {
    const env = environment();
    const stream = env
      .fromSource(source(), none, 'In')
      .process<number>(() => ({ processElement: () => undefined }));
    stream.map((n) => n).print('a');
    stream.getSideOutput(new OutputTag<number>('odd')).print('b');
    expect(chainsOf(env)).toEqual(['In → Process → Map → Print a → Print b']);
  });

  it('limits a collection to one subtask, whatever the environment says', () => {
    const env = environment({ parallelism: 4 });
    env.fromCollection([1]).print();
    expect(env.getExecutionPlan().vertices.map(({ parallelism }) => parallelism)).toEqual([1, 4]);
  });
});

describe('what is refused before anything runs', () => {
  const refused = (env: StreamExecutionEnvironment): StreamConfigError => {
    try {
      env.explain();
    } catch (error) {
      if (error instanceof StreamConfigError) return error;
      throw error;
    }
    throw new Error('was not refused');
  };

  it('a program without a source', () => {
    expect(refused(environment()).message).toContain('no source');
  });

  it('a stream that nobody reads', () => {
    const env = environment();
    env
      .fromSource(source(), none, 'In')
      .map((n) => n)
      .name('Loose');
    expect(refused(env)).toMatchObject({ code: 'MILLRACE_CONFIG', details: { node: 'Loose' } });
  });

  it('a uid that is used twice', () => {
    const env = environment();
    env
      .fromSource(source(), none, 'In')
      .uid('x')
      .map((n) => n)
      .uid('x')
      .print();
    expect(refused(env).message).toContain("The uid 'x' is used by 'In' and by 'Map'");
  });

  it.each([0, -1, 1.5, NaN, 129])('a parallelism of %d', (parallelism) => {
    const env = environment();
    env
      .fromSource(source(), none, 'In')
      .map((n) => n)
      .setParallelism(parallelism)
      .print();
    expect(refused(env).message).toContain("The parallelism of 'Map' must be a whole number from 1 to 128");
  });

  it('a parallelism above the limit of a source', () => {
    const env = environment();
    env.fromCollection([1]).setParallelism(2).print();
    expect(refused(env).message).toContain("'Collection' runs with a parallelism of at most 1, got 2");
  });

  it('a checkpoint interval of nothing', () => {
    const storage = new MemoryStorage();
    for (const maxPendingCommits of [0, 1.5]) {
      const config = { intervalMs: 1, storage, maxPendingCommits };
      expect(() => environment().enableCheckpointing(config)).toThrow(
        /maxPendingCommits must be a whole number/,
      );
    }
    for (const intervalMs of [0, -1, NaN]) {
      expect(() => environment().enableCheckpointing({ intervalMs, storage })).toThrow(StreamConfigError);
    }
  });

  it.each([0, -1, NaN, Infinity])('a watermark interval of %d ms', (autoWatermarkIntervalMs) => {
    expect(() => StreamExecutionEnvironment.getExecutionEnvironment({ autoWatermarkIntervalMs })).toThrow(
      /autoWatermarkIntervalMs must be/,
    );
  });

  it('by execute with a rejection, not with an exception', async () => {
    await expect(environment().execute('empty')).rejects.toBeInstanceOf(StreamConfigError);
  });
});

describe('the plan', () => {
  const build = () => {
    const env = environment({ parallelism: 2, maxParallelism: 64 });
    const stream = env
      .fromSource(source(), none, 'In')
      .uid('in')
      .keyBy((n) => n)
      .process<number>(() => ({ processElement: () => undefined }))
      .name('Count')
      .uid('count');
    stream.sinkTo(new CollectingSink<number>()).name('Out').uid('out');
    stream.getSideOutput(new OutputTag<number>('odd')).print().setParallelism(1);
    return env;
  };

  it('as text', () => {
    expect(build().explain()).toBe(
      [
        'Execution plan (max parallelism 64)',
        '  [1] In  ×2',
        '      · In  uid=in',
        '  [2] Count → Out  ×2',
        '      ← hash from In',
        '      · Count  uid=count',
        '      · Out  uid=out',
        '  [3] Print  ×1',
        "      ← rebalance from Count (side output 'odd')",
        '      · Print  uid=4-print',
      ].join('\n'),
    );
  });

  it('as data that survives JSON', () => {
    const plan = build().getExecutionPlan();
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(plan.vertices[2]).toEqual({
      id: 3,
      parallelism: 1,
      nodes: [{ id: 4, uid: '4-print', name: 'Print', type: 'sink' }],
      inputs: [{ from: 2, to: 4, partitioning: 'rebalance', inputIndex: 0, outputTag: 'odd' }],
    });
  });

  it('is the same every time, and calls nothing of the program', () => {
    const env = environment();
    const fail = (): never => {
      throw new Error('called');
    };
    env
      .fromSource(
        { boundedness: 'bounded', createEnumerator: fail, createReader: fail },
        WatermarkStrategy.forGenerator<number>(fail).withTimestampAssigner(fail),
        'In',
      )
      .map(fail)
      .keyBy(fail)
      .process(fail)
      .keyBy(fail)
      .window(TumblingEventTimeWindows.of(1))
      .process(fail)
      .sinkTo({ createWriter: fail, createCommitter: fail });
    expect(env.explain()).toBe(env.explain());
    expect(env.getExecutionPlan()).toEqual(env.getExecutionPlan());
  });
});

describe('chaining control', () => {
  const chains = (
    build: (stream: SingleOutputStreamOperator<number>) => SingleOutputStreamOperator<number>,
  ) => {
    const env = environment();
    build(
      env
        .fromSource(source(), none, 'In')
        .map((n) => n)
        .name('A'),
    )
      .map((n) => n)
      .name('C')
      .print();
    return chainsOf(env);
  };

  it('begins a chain where it is told to', () => {
    expect(
      chains((a) =>
        a
          .map((n) => n)
          .name('B')
          .startNewChain(),
      ),
    ).toEqual(['In → A', 'B → C → Print']);
  });

  it('keeps an operator alone', () => {
    expect(
      chains((a) =>
        a
          .map((n) => n)
          .name('B')
          .disableChaining(),
      ),
    ).toEqual(['In → A', 'B', 'C → Print']);
  });

  it('can be switched off for the whole program', () => {
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ operatorChaining: false });
    env
      .fromSource(source(), none, 'In')
      .map((n) => n)
      .print();
    expect(chainsOf(env)).toEqual(['In', 'Map', 'Print']);
  });
});

describe('a program that cannot run is refused, with the name of what is wrong:', () => {
  const windowed = (stream: DataStream<number>) =>
    stream
      .keyBy((n) => n)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a) => a)
      .name('Hourly')
      .print();
  const monotonous = WatermarkStrategy.forMonotonousTimestamps<number>();

  it('event time behind a source without a watermark strategy', () => {
    const env = environment();
    windowed(env.fromSource(source(), none, 'Clicks').map((n) => n));
    expect(() => env.explain()).toThrow(
      "'Hourly' works in event time, but 'Clicks' before it has no watermark strategy",
    );
  });

  it('event time where one side of a union has none', () => {
    const env = environment();
    const timed = env.fromSource(source(), monotonous, 'Timed');
    windowed(timed.union(env.fromSource(source(), none, 'Untimed')));
    expect(() => env.explain()).toThrow("'Untimed' before it has no watermark strategy");
  });

  it('not event time behind a strategy of its own, nor in batch', () => {
    const env = environment();
    windowed(env.fromSource(source(), none, 'In').assignTimestampsAndWatermarks(monotonous));
    expect(() => env.explain()).not.toThrow();
    const batch = environment().setRuntimeMode('batch');
    windowed(batch.fromSource(source(), none, 'In'));
    expect(batch.explain()).toContain('Execution plan (batch, max parallelism 128)');
  });

  it('a window on a stream without a key', () => {
    const stream = environment().fromSource(source(), monotonous, 'In');
    const window = (stream as unknown as { window: (assigner: unknown) => unknown }).window.bind(stream);
    expect(() => window(TumblingEventTimeWindows.of(1))).toThrow(
      'window() was called on a stream without a key',
    );
    // @ts-expect-error it does not compile either
    expect(() => stream.window(TumblingEventTimeWindows.of(1))).toThrow(StreamConfigError);
  });

  it('what is no function, and a function that is made once for all subtasks', () => {
    class Upper {
      processElement() {}
    }
    const stream = environment().fromSource(source(), none, 'In');
    const give = (method: 'map' | 'process', given: unknown) => () =>
      (stream[method] as (given: unknown) => unknown).call(stream, given);
    expect(give('map', 3)).toThrow('map(…) needs a function, got 3');
    expect(give('process', new Upper())).toThrow(
      'process(…) needs a factory that makes the function of one subtask, got object',
    );
    expect(give('process', Upper)).toThrow('got the class Upper. Write process(() => …).');
    expect(give('process', () => new Upper())).not.toThrow();
  });

  it('a side output of what cannot emit to one', () => {
    const env = environment();
    env
      .fromSource(source(), none, 'In')
      .map((n) => n)
      .name('Doubled')
      .getSideOutput(new OutputTag<number>('late'))
      .print();
    expect(() => env.explain()).toThrow(
      "'Print' reads the side output 'late' of 'Doubled', which cannot emit to one",
    );
  });

  it('forward between different parallelisms', () => {
    const env = environment();
    env
      .fromSource(source(), none, 'In')
      .setParallelism(2)
      .forward()
      .map((n) => n)
      .setParallelism(3)
      .print();
    expect(() => env.explain()).toThrow("forward() goes from 'In' with parallelism 2 to 'Map' with 3");
  });

  it('a max parallelism out of range, and a parallelism above it', () => {
    const env = environment();
    const map = env.fromSource(source(), none, 'In').map((n) => n);
    map.setMaxParallelism(4).setParallelism(5).print();
    expect(() => env.explain()).toThrow(
      "The parallelism of 'Map' must be a whole number from 1 to 4 (the max parallelism), got 5",
    );
    map.setMaxParallelism(40_000);
    expect(() => env.explain()).toThrow(
      "The max parallelism of 'Map' must be a whole number from 1 to 32768, got 40000",
    );
  });

  it('an unbounded source in batch mode; automatic chooses streaming then', () => {
    const unbounded = () => new ScriptedSource<number>([], { boundedness: 'unbounded' });
    const env = environment().setRuntimeMode('batch');
    env.fromSource(unbounded(), none, 'Clicks').print();
    expect(() => env.explain()).toThrow("The source 'Clicks' is unbounded: a batch program would never end");
    expect(env.setRuntimeMode('automatic').getExecutionPlan().runtimeMode).toBe('streaming');
  });

  it('two inputs whose keys have different versions', () => {
    const env = environment();
    const schema = StateSchema.initial<number>().migrate((old) => String(old));
    const left = env.fromCollection([1]).keyBy((n) => String(n), { schema });
    const right = env.fromCollection([1]).keyBy((n) => String(n));
    left
      .connect(right)
      .process(() => ({ processElement1: () => undefined, processElement2: () => undefined }))
      .print();
    expect(() => env.explain()).toThrow(
      'have keys of version 2 and 1. Give both keyBy calls the same schema',
    );
  });

  it('streams of two environments brought together', () => {
    const one = environment().fromSource(source(), none, 'In');
    const other = environment().fromSource(source(), none, 'In');
    expect(() => one.union(other)).toThrow('Two streams of different environments were brought together');
  });
});

describe('a union', () => {
  it('is one input with several channels', () => {
    const env = environment();
    const a = env.fromSource(source(), none, 'A');
    const b = env.fromSource(source(), none, 'B');
    a.union(b, a)
      .rebalance()
      .map((n) => n)
      .print();
    expect(env.getExecutionPlan().vertices[2]?.inputs).toEqual([
      { from: 1, to: 3, partitioning: 'rebalance', inputIndex: 0 },
      { from: 2, to: 3, partitioning: 'rebalance', inputIndex: 0 },
      { from: 1, to: 3, partitioning: 'rebalance', inputIndex: 0 },
    ]);
  });
});
