import { describe, expect, it } from 'vitest';
import {
  AsyncDataStream,
  ListStateDescriptor,
  MapStateDescriptor,
  OutputTag,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  SlidingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  JobCancelledError,
  EventTimeSessionWindows,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, quiet, until, turn, failureOf } from '../support/conditions.js';
import { environment, none, numbers, scripted, refuseUnhandledRejections } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();
const mono = WatermarkStrategy.forMonotonousTimestamps<number>();
const sorted = (xs: readonly number[]) => [...xs].sort((a, b) => a - b);

describe('attacks', () => {
  it('huge flatMap over a diamond under barriers', async () => {
    for (const [p, chaining] of [
      [1, true],
      [2, false],
      [3, true],
    ] as const) {
      const { env, clock } = environment({ parallelism: p, operatorChaining: chaining });
      const storage = new MemoryStorage();
      env.enableCheckpointing({ intervalMs: 1, storage });
      const system = new ExternalSystem<number>();
      const src = env.fromSource(new ScriptedSource([scripted(20), scripted(20)], { batch: 1 }), none, 'in');
      const big = src.flatMap<number>((n, out) => {
        for (let i = 0; i < 10_000; i++) out.collect(n * 10_000 + i);
      });
      const slow = big
        .rebalance()
        .map((n) => n)
        .filter((n) => n % 2 === 0)
        .disableChaining();
      big
        .connect(slow)
        .map<number>({ map1: (n) => n, map2: (n) => -n - 1 })
        .rebalance()
        .sinkTo(new TransactionalSink(system));
      await drive(env.executeAsync('x'), clock);
      expect(system.visible.length).toBe(40 * 10_000 * 1.5);
    }
  });

  it('slow sink with back-pressure, diamond, checkpoints, capacity reached', async () => {
    const { env, clock } = environment({ parallelism: 2 });
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 1, storage });
    let got = 0;
    const sink = new CollectingSink<number>({ backPressure: () => turn(), write: () => void got++ });
    const src = env.fromSource(new ScriptedSource([scripted(15_000), scripted(15_000)]), none, 'in');
    const a = src
      .keyBy((n) => n % 7)
      .process<number>(() => ({ processElement: (n, _c, out) => out.collect(n) }));
    const b = src.rebalance().map((n) => n);
    a.keyBy((n) => n % 3)
      .connect(b.keyBy((n) => n % 3))
      .process<number>(() => ({
        processElement1: (n, _c, out) => out.collect(n),
        processElement2: (n, _c, out) => out.collect(n),
      }))
      .sinkTo(sink);
    await drive(env.executeAsync('x'), clock);
    expect(got).toBe(60_000);
    expect(storage.checkpoints.length).toBeGreaterThan(2);
  });

  it('self union three times, with broadcast', async () => {
    const { env, clock } = environment({ parallelism: 3 });
    const sink = new CollectingSink<number>();
    const s = env.fromSource(new ScriptedSource([scripted(100)]), none, 'in');
    s.union(s, s.broadcast(), s.global())
      .map((n) => n)
      .sinkTo(sink);
    await drive(env.executeAsync('x'), clock);
    expect(sink.values.length).toBe(100 * 6);
  });

  it('cancel at every moment', async () => {
    for (let moment = 0; moment < 60; moment++) {
      const { env, clock } = environment({ parallelism: 2 });
      const storage = new MemoryStorage();
      env.enableCheckpointing({ intervalMs: 1, storage });
      let opened = 0,
        closed = 0;
      const system = new ExternalSystem<number>();
      const sink = new CollectingSink<number>();
      const source = new ScriptedSource([scripted(30), scripted(20)], { batch: 2 });
      const s = AsyncDataStream.unorderedWait(
        env.fromSource(source, none, 'in'),
        {
          asyncInvoke: async (n: number) => {
            await turn();
            return [n];
          },
        },
        { timeoutMs: 100, capacity: 2 },
      );
      const p = s
        .keyBy((n) => n % 3)
        .process<number>(() => ({
          open: async () => {
            await turn();
            opened++;
          },
          close: async () => {
            await turn();
            closed++;
          },
          processElement: (n, _c, out) => out.collect(n),
        }));
      p.sinkTo(sink);
      p.sinkTo(new TransactionalSink(system));
      const job = env.executeAsync('x');
      let done: unknown;
      let settled = false;
      job.result.then(
        () => {
          settled = true;
        },
        (e) => {
          settled = true;
          done = e;
        },
      );
      for (let i = 0; i < moment; i++) {
        clock.advance(1);
        await turn();
      }
      job.cancel('stop');
      job.cancel('again');
      await until(
        () => settled,
        () => clock.advance(1),
      );
      if (done !== undefined) expect(done).toBeInstanceOf(JobCancelledError);
      else expect(sorted(system.visible).length).toBe(50);
      expect(sink.made).toBe(sink.closed);
      expect(closed).toBeGreaterThanOrEqual(opened);
      expect(clock.pending).toBe(0);
    }
  });

  it('functions share objects between two jobs', async () => {
    const fn = (n: number) => n + 1;
    const assigner = SlidingEventTimeWindows.of(10, 5);
    const run = async () => {
      const { env, clock } = environment({ parallelism: 2 });
      const sink = new CollectingSink<number>();
      env
        .fromSource(
          new ScriptedSource([numbers(300).map((n) => ({ value: n, timestamp: n }))]),
          mono.withEmission('on-advance'),
          'in',
        )
        .map(fn)
        .keyBy((n) => n % 3)
        .window(assigner)
        .reduce((a, b) => a + b)
        .sinkTo(sink);
      await drive(env.executeAsync('x'), clock);
      return sorted(sink.values);
    };
    const [a, b] = await Promise.all([run(), run()]);
    expect(a).toEqual(b);
    expect(a.reduce((x, y) => x + y)).toBe(2 * numbers(301).reduce((x, y) => x + y));
  });

  it('one environment executed twice at the same time', async () => {
    const { env, clock } = environment({ parallelism: 2 });
    const sink = new CollectingSink<number>();
    env
      .fromSequence(1, 1000)
      .keyBy((n) => n % 5)
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    const jobs = [env.executeAsync('a'), env.executeAsync('b')];
    await Promise.all(jobs.map((job) => drive(job, clock)));
    expect(sink.values.length).toBe(2000);
  });

  it('undefined and null records everywhere', async () => {
    for (const codeGeneration of ['auto', 'off'] as const) {
      const { env, clock } = environment({ parallelism: 2, codeGeneration });
      const values = [undefined, null, 0, '', false, NaN, undefined, null];
      const out: Record<string, CollectingSink<unknown>> = {};
      const sink = (name: string) => (out[name] = new CollectingSink<unknown>());
      const ts = WatermarkStrategy.forMonotonousTimestamps<unknown>().withTimestampAssigner(() => 5);
      const s = env.fromSource(new ScriptedSource<unknown>([values.map((value) => ({ value }))]), ts, 'in');
      s.map((v) => v)
        .filter(() => true)
        .flatMap<unknown>((v, o) => o.collect(v))
        .rebalance()
        .sinkTo(sink('map'));
      s.keyBy((v) => v)
        .process<unknown>((c) => {
          const l = c.getListState(new ListStateDescriptor<unknown>('l'));
          const m = c.getMapState(new MapStateDescriptor<string, unknown>('m'));
          const v = c.getState(new ValueStateDescriptor<unknown>('v'));
          return {
            processElement(x, { timers }) {
              l.add(x);
              m.put('x', x);
              v.update(x);
              timers.registerEventTimeTimer(10);
            },
            onTimer(_t, _c, o) {
              for (const x of l.get()) o.collect(x);
              if (!m.has('x') || !Object.is(m.get('x'), v.value())) throw new Error('state');
            },
          };
        })
        .sinkTo(sink('keyed'));
      s.keyBy(() => 1)
        .window(TumblingEventTimeWindows.of(10))
        .process<unknown>((_k, _c, els, o) => {
          for (const e of els) o.collect(e);
        })
        .sinkTo(sink('window'));
      s.keyBy(() => 1)
        .window(EventTimeSessionWindows.withGap(10))
        .process<unknown>((_k, _c, els, o) => {
          for (const e of els) o.collect(e);
        })
        .sinkTo(sink('session'));
      s.keyBy(() => 1)
        .countWindow(2)
        .process<unknown>((_k, _c, els, o) => {
          for (const e of els) o.collect(e);
        })
        .sinkTo(sink('count'));
      AsyncDataStream.orderedWait(
        s,
        { asyncInvoke: (v: unknown) => Promise.resolve([v]) },
        { timeoutMs: 1000 },
      ).sinkTo(sink('async'));
      let reduces = 0;
      s.keyBy(() => 1)
        .reduce((a, b) => {
          reduces++;
          return b;
        })
        .sinkTo(sink('reduce'));
      let wreduces = 0;
      s.keyBy(() => 1)
        .window(TumblingEventTimeWindows.of(10))
        .reduce((a, b) => {
          wreduces++;
          return b;
        })
        .sinkTo(sink('wreduce'));
      await drive(env.executeAsync('x'), clock);
      const str = (xs: readonly unknown[]) => xs.map((x) => (Number.isNaN(x) ? 'NaN' : String(x))).sort();
      for (const name of ['map', 'keyed', 'window', 'session', 'count', 'async', 'reduce'])
        expect(str(out[name]!.values), name).toEqual(str(values));
      expect(out['wreduce']!.values).toEqual([null]);
      expect(wreduces).toBe(values.length - 1);
      expect(reduces).toBe(values.length - 1);
    }
  });

  it('odd keys are equal by value over restart', async () => {
    const inherit = JSON.parse('{"__proto__": {"a": 1}, "b": 2}') as object;
    const keys: [string, () => unknown][] = [
      ['nan', () => NaN],
      ['zero', () => -0],
      ['zero', () => 0],
      ['ab', () => ({ a: 1, b: { c: [1, 2], d: 'x' } })],
      ['ab', () => ({ b: { d: 'x', c: [1, 2] }, a: 1 })],
      ['date', () => new Date(5)],
      ['invalid', () => new Date(NaN)],
      ['long', () => 'x'.repeat(70_000)],
      ['long2', () => 'x'.repeat(70_001)],
      ['proto', () => inherit],
      ['proto2', () => ({ b: 2 })],
      ['nul', () => '\u0000[i'],
      ['nul2', () => '\u0000'],
      ['empty', () => ''],
      ['emptyobj', () => ({})],
      ['emptyarr', () => []],
      ['null', () => null],
      ['undef', () => undefined],
      ['undefprop', () => ({ a: undefined })],
      ['bigint', () => 5n],
      ['five', () => 5],
      ['s5', () => '5'],
      ['arr', () => ['a', ['b']]],
      ['nullproto', () => Object.assign(Object.create(null), { q: 1 }) as object],
      ['nullproto', () => ({ q: 1 })],
      ['long in arr', () => ['x'.repeat(70_000)]],
      ['inf', () => Infinity],
      ['2^53', () => 2 ** 53],
      ['2^53+2', () => 2 ** 53 + 2],
      ['.1', () => 0.1],
      ['[0.1]', () => [0.1]],
      ['[-0]', () => [-0]],
      ['[-0]', () => [0]],
      ['[nan]', () => [NaN]],
      ['surrogate', () => '\ud800'],
      ['surrogate2', () => '\ud801'],
    ];
    const storage = new MemoryStorage();
    const indices = numbers(keys.length * 4);
    const source = new ScriptedSource<number>([
      [...indices.map((value) => ({ value })), PAUSE, ...indices.map((value) => ({ value }))],
    ]);
    const last = new Map<string, number>();
    for (const p of [1, 3]) {
      const { env, clock } = environment({ parallelism: p });
      env.enableCheckpointing({ intervalMs: 1, storage });
      env
        .fromSource(source, none, 'in')
        .keyBy((n) => keys[n % keys.length]![1]())
        .process<[string, number]>((c) => {
          const count = c.getState(new ValueStateDescriptor<number>('n', { defaultValue: 0 }));
          return {
            processElement(n, _c, out) {
              count.update(count.value()! + 1);
              out.collect([keys[n % keys.length]![0], count.value()!]);
            },
          };
        })
        .map(([name, n]) => {
          last.set(name, Math.max(n, last.get(name) ?? 0));
          return n;
        })
        .sinkTo(new CollectingSink());
      const job = env.executeAsync('x');
      if (p === 1) {
        await until(
          () => source.emitted === indices.length && storage.checkpoints.length > 2,
          () => clock.advance(1),
        );
        job.cancel();
        await failureOf(job.result);
        source.resume();
      } else await drive(job, clock);
    }
    for (const [name, n] of last) expect(n, name).toBe(8 * keys.filter(([k]) => k === name).length);
  });

  it('10^5 keys with timers at +infinity and max parallelism 1', async () => {
    const { env, clock } = environment({ parallelism: 1, maxParallelism: 1 });
    env.enableCheckpointing({ intervalMs: 50, storage: new MemoryStorage() });
    const sink = new CollectingSink<number>();
    env
      .fromSequence(1, 100_000)
      .keyBy((n) => n)
      .process<number>((c) => {
        const v = c.getState(new ValueStateDescriptor<number>('v'));
        return {
          processElement(n, { timers }) {
            v.update(n);
            timers.registerEventTimeTimer(Infinity);
          },
          onTimer(t, { timers }, out) {
            out.collect(v.value()!);
            if (v.value()! % 2 === 0) {
              v.update(v.value()! + 1);
              timers.registerEventTimeTimer(t);
            }
          },
        };
      })
      .sinkTo(sink);
    await drive(env.executeAsync('x'), clock);
    expect(sink.values.length).toBe(150_000);
  });

  it('empty streams everywhere, parallelism above splits', async () => {
    const { env, clock } = environment({ parallelism: 3 });
    env.enableCheckpointing({ intervalMs: 1, storage: new MemoryStorage() });
    const sink = new CollectingSink<unknown>();
    const e = env.fromSource(new ScriptedSource<number>([[]]), mono, 'e');
    const e2 = env.fromSource(new ScriptedSource<number>([]), mono, 'e2');
    const c = env.fromCollection<number>([]);
    e.keyBy((n) => n)
      .window(TumblingEventTimeWindows.of(5))
      .reduce((a) => a)
      .sinkTo(sink);
    e.union(e2, c)
      .windowAll(TumblingEventTimeWindows.of(5))
      .reduce((a) => a)
      .sinkTo(sink);
    e.keyBy((n) => n)
      .connect(e2.keyBy((n) => n))
      .process<number>(() => ({ processElement1: () => undefined, processElement2: () => undefined }))
      .sinkTo(sink);
    e.join(e2)
      .where((n) => n)
      .equalTo((n) => n)
      .window(TumblingEventTimeWindows.of(5))
      .apply((a) => a)
      .sinkTo(sink);
    AsyncDataStream.orderedWait(
      c,
      { asyncInvoke: (n: number) => Promise.resolve([n]) },
      { timeoutMs: 5 },
    ).sinkTo(sink);
    e.countWindowAll(2)
      .reduce((a) => a)
      .sinkTo(sink);
    await drive(env.executeAsync('x'), clock);
    expect(sink.values).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    ['undefined', () => undefined],
    ['null', () => null],
    ['text', () => 'text'],
    ['5', () => 5],
    ['symbol', () => Symbol('s')],
    ['nullproto', () => Object.create(null) as object],
    ['obj', () => ({ message: 5 })],
    [
      'evil',
      () =>
        Object.defineProperty(new Error(), 'message', {
          get(): string {
            throw new Error('evil');
          },
        }),
    ],
  ])('throws %s anywhere', async (_n, make) => {
    const thrown = make();
    const fail = () => {
      throw thrown;
    };
    const places: ((env: StreamExecutionEnvironment) => void)[] = [
      (env) => void env.fromCollection([1]).map(fail).sinkTo(new CollectingSink()),
      (env) =>
        void AsyncDataStream.orderedWait(
          env.fromCollection([1]),
          { asyncInvoke: () => Promise.reject(thrown as Error) },
          { timeoutMs: 5 },
        ).sinkTo(new CollectingSink()),
      (env) => void env.fromCollection([1]).sinkTo(new CollectingSink({ flush: fail })),
      (env) =>
        void env
          .fromCollection([1])
          .sinkTo(new CollectingSink({ backPressure: () => Promise.reject(thrown as Error) })),
      (env) => void env.fromCollection([1]).sinkTo(new CollectingSink({ close: fail })),
      (env) =>
        void env
          .fromCollection([1])
          .process(() => ({ processElement: () => undefined, open: fail }))
          .sinkTo(new CollectingSink()),
      (env) => void env.addSource(() => Promise.reject(thrown as Error)).sinkTo(new CollectingSink()),
      (env) =>
        void env
          .fromAsyncIterable(
            (async function* () {
              await turn();
              throw thrown;
            })(),
          )
          .sinkTo(new CollectingSink()),
      (env) =>
        void env
          .fromSource(new ScriptedSource([[{ value: 1, timestamp: 1 }]]), mono, 'x')
          .keyBy(() => 1)
          .process(() => ({
            processElement: (_n, { timers }) => timers.registerEventTimeTimer(5),
            onTimer: fail,
          }))
          .sinkTo(new CollectingSink()),
    ];
    for (const [i, place] of places.entries()) {
      const { env, clock } = environment();
      place(env);
      const e = await drive(env.executeAsync('x'), clock).then(
        () => 'fine',
        (err: unknown) => err,
      );
      expect(e, String(i)).toBeInstanceOf(Error);
      expect((e as Error).name, String(i)).toBe('OperatorError');
    }
  });

  it('odd uids and names', async () => {
    const { env, clock } = environment();
    const sink = new CollectingSink<number>();
    env
      .fromCollection([1])
      .map((n) => n)
      .uid('\ud800*/\n//`${x}`')
      .name('\udc00')
      .process<number>(() => ({
        processElement: (n, c, o) => {
          c.output(new OutputTag('\ud800'), n);
          o.collect(n);
        },
      }))
      .uid("';")
      .sinkTo(sink);
    await drive(env.executeAsync('x'), clock);
    expect(sink.values).toEqual([1]);
  });

  it('list.addAll(list.get()) and friends', async () => {
    const { env, clock } = environment();
    const sink = new CollectingSink<number>();
    env
      .fromCollection([1, 2])
      .keyBy(() => 1)
      .process<number>((c) => {
        const l = c.getListState(new ListStateDescriptor<number>('l'));
        const o = c.getOperatorListState(new ListStateDescriptor<number>('o'));
        return {
          processElement(n, _c, out) {
            l.add(n);
            l.update(l.get());
            o.add(n);
            o.update(o.get());
            l.addAll(l.get().slice());
            if (l.get().length < 100) l.addAll(l.get());
            o.addAll(o.get());
            out.collect(l.get().length + o.get().length);
          },
        };
      })
      .sinkTo(sink);
    await drive(env.executeAsync('x'), clock);
    expect(sink.values).toEqual([4 + 2, 20 + 6]);
  });

  it('a deep chain', async () => {
    const { env, clock } = environment();
    const sink = new CollectingSink<number>();
    let s = env.fromCollection([1, 2, 3]).map((n) => n);
    for (let i = 0; i < 300; i++)
      s =
        i % 3 === 0
          ? s.map((n) => n + 1)
          : i % 3 === 1
            ? s.flatMap<number>((n, o) => o.collect(n))
            : s.filter(() => true);
    s.sinkTo(sink);
    await drive(env.executeAsync('x'), clock);
    expect(sink.values).toEqual([101, 102, 103]);
  });

  it('idle source in a union: data of the other flow, nothing lost when it wakes', async () => {
    const { env, clock } = environment({ parallelism: 2, autoWatermarkIntervalMs: 1 });
    const sink = new CollectingSink<string>();
    const a = new ScriptedSource([numbers(50).map((n) => ({ value: n, timestamp: n }))]);
    const b = new ScriptedSource(
      [[{ value: 1000, timestamp: 100 }, PAUSE, { value: 1001, timestamp: 105 }]],
      {},
    );
    env
      .fromSource(a, mono.withIdleness(5), 'a')
      .union(env.fromSource(b, mono.withIdleness(5), 'b'))
      .windowAll(TumblingEventTimeWindows.of(10))
      .process<string>(({ window }, els, out) => out.collect(`${window.start}:${[...els].length}`))
      .sinkTo(sink);
    const job = env.executeAsync('x');
    for (let i = 0; i < 40; i++) {
      clock.advance(1);
      await turn();
    }
    b.resume();
    await drive(job, clock);
    expect(sink.values.sort()).toEqual(['0:10', '10:10', '100:2', '20:10', '30:10', '40:10']);
  });

  it('sequence restored at other parallelisms', async () => {
    for (const [p, q] of [
      [1, 3],
      [3, 1],
      [2, 3],
      [3, 2],
      [3, 3],
    ] as const) {
      const storage = new MemoryStorage();
      const system = new ExternalSystem<number>();
      let fails = 1;
      for (const par of [p, q, q]) {
        const { env, clock } = environment({ parallelism: par });
        env.enableCheckpointing({ intervalMs: 1, storage });
        env
          .fromSequence(1, 30_000)
          .keyBy((n) => n % 11)
          .process<number>(() => ({
            processElement(n, _c, out) {
              if (fails > 0 && n === 9_000) {
                fails--;
                throw new Error('x');
              }
              out.collect(n);
            },
          }))
          .sinkTo(new TransactionalSink(system));
        const ok = await drive(env.executeAsync('x'), clock).then(
          () => true,
          () => false,
        );
        if (ok) break;
      }
      expect(sorted(system.visible)).toEqual(numbers(30_000).map((n) => n + 1));
    }
  });
});
