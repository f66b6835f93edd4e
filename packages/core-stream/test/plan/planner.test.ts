import { describe, expect, it } from 'vitest';
import {
  OutputTag,
  StreamConfigError,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type EnvironmentOptions,
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
      .fromSource(source(), none, 'In')
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
