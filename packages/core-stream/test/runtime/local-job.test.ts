import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  JobCancelledError,
  MAX_WATERMARK,
  MIN_TIMESTAMP,
  OperatorError,
  OutputTag,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type DataStream,
  type EnvironmentOptions,
  type Logger,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, failureOf, quiet, until } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource, timed } from '../support/scripted-source.js';

const none = WatermarkStrategy.noWatermarks<number>();
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const scripted = (count: number) => numbers(count).map((value) => ({ value }));

function environment(options: EnvironmentOptions = {}) {
  const clock = new ManualClock();
  return {
    clock,
    env: StreamExecutionEnvironment.getExecutionEnvironment({
      clock,
      printTarget: { write: () => true },
      ...options,
    }),
  };
}

const unhandled: unknown[] = [];
const onUnhandled = (error: unknown) => void unhandled.push(error);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled);
});
afterEach(async () => {
  await quiet(3);
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

describe('records', () => {
  it('go to every reader of a stream, and to the readers of a side output only', async () => {
    const { env } = environment({ parallelism: 2 });
    const odd = new OutputTag<number>('odd');
    const unread = new OutputTag<number>('unread');
    const [main, other, odds] = [
      new CollectingSink<number>(),
      new CollectingSink<number>(),
      new CollectingSink<number>(),
    ];
    const stream = env.fromCollection(numbers(1000)).process<number>(() => ({
      processElement(n, context, out) {
        out.collect(n);
        context.output(unread, n);
        if (n % 2 === 1) context.output(odd, n);
      },
    }));
    stream.sinkTo(main);
    stream.map((n) => -n).sinkTo(other);
    stream.getSideOutput(odd).sinkTo(odds);
    const result = await env.execute('fan-out');
    expect(main.values.sort((a, b) => a - b)).toEqual(numbers(1000));
    expect(other.values.map((n) => 0 - n).sort((a, b) => a - b)).toEqual(numbers(1000));
    expect(odds.values.sort((a, b) => a - b)).toEqual(numbers(1000).filter((n) => n % 2 === 1));
    expect(result.operators.find(({ name }) => name === 'Process')?.sideOutputs).toEqual({
      odd: 500,
      unread: 1000,
    });
  });

  it('with the same key stay in order over a hash exchange between three and three subtasks', async () => {
    const { clock, env } = environment({ parallelism: 3 });
    const scripts = numbers(3).map((split) =>
      numbers(3000).map((n) => ({ value: { key: `${split}-${n % 17}`, n } })),
    );
    const sink = new CollectingSink<{ key: string; n: number; subtask: number }>();
    env
      .fromSource(new ScriptedSource(scripts), WatermarkStrategy.noWatermarks(), 'In')
      .map((record) => record)
      .keyBy(({ key }) => key)
      .process<{ key: string; n: number; subtask: number }>(({ subtaskIndex }) => ({
        processElement: (record, _context, out) => out.collect({ ...record, subtask: subtaskIndex }),
      }))
      .sinkTo(sink);
    await drive(env.executeAsync('order'), clock);
    const byKey = new Map<string, typeof sink.values>();
    for (const record of sink.values) byKey.set(record.key, [...(byKey.get(record.key) ?? []), record]);
    expect(sink.values).toHaveLength(9000);
    expect(byKey.size).toBe(51);
    for (const records of byKey.values()) {
      expect(new Set(records.map(({ subtask }) => subtask)).size).toBe(1);
      expect(records.map(({ n }) => n)).toEqual(records.map(({ n }) => n).sort((a, b) => a - b));
    }
    expect(new Set(sink.values.map(({ subtask }) => subtask)).size).toBe(3);
  });

  it('are spread evenly by rebalance', async () => {
    const { env } = environment({ parallelism: 3 });
    const sink = new CollectingSink<number>();
    env.fromCollection(numbers(300)).rebalance().sinkTo(sink);
    await env.execute('rebalance');
    expect([...sink.bySubtask.values()].map((own) => own.length)).toEqual([100, 100, 100]);
  });

  it('keep their timestamps through map, filter, flatMap and exchanges', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const sink = new CollectingSink<number>();
    env
      .fromSource(new ScriptedSource([timed(numbers(50).map((n) => [n, n * 10] as const))]), none, 'In')
      .map((n) => n)
      .filter((n) => n % 2 === 0)
      .flatMap<number>((n, out) => [n, n].forEach((each) => out.collect(each)))
      .rebalance()
      .sinkTo(sink);
    await drive(env.executeAsync('timestamps'), clock);
    expect(sink.values).toHaveLength(50);
    expect(sink.timestamps).toEqual(sink.values.map((n) => n * 10));
  });

  it('reach a job of no records at all: everything opens and closes', async () => {
    const { env } = environment({ parallelism: 2 });
    const sink = new CollectingSink<number>();
    env
      .fromCollection<number>([])
      .keyBy((n) => n)
      .window(TumblingEventTimeWindows.of(1))
      .reduce((a) => a)
      .sinkTo(sink);
    const result = await env.execute('empty');
    expect(sink).toMatchObject({ made: 2, closed: 2, values: [] });
    expect(result.operators.every(({ watermark }) => watermark === MAX_WATERMARK)).toBe(true);
  });
});

describe('the event loop', () => {
  it('local job invariant 3: gets its turn while there is always a record to process', async () => {
    const { env } = environment();
    let n = 0;
    let turns = 0;
    const count = () => {
      turns++;
      if (n < 1000) setImmediate(count);
    };
    setImmediate(count);
    env
      .addSource<number>({ collect: (out) => (out.collect(n++), n < 1000) })
      .sinkTo(new CollectingSink<number>());
    await env.execute('busy');
    expect(turns).toBeGreaterThan(1000 / 32);
  });
});

describe('the result', () => {
  it('counts what every operator did, with the watermark +∞ at the end', async () => {
    const { clock, env } = environment({ parallelism: 2, autoWatermarkIntervalMs: 10 });
    const gate = createGate();
    const sink = new CollectingSink<number>({ prepareCommit: () => gate.opened.then(() => []) });
    env
      .fromSource(new ScriptedSource([scripted(30), scripted(70)]), none, 'In')
      .filter((n) => n < 10)
      .assignTimestampsAndWatermarks(
        WatermarkStrategy.forMonotonousTimestamps<number>().withTimestampAssigner((n) => n),
      )
      .keyBy((n) => n)
      .process<number>(() => ({ processElement: (n, _context, out) => out.collect(n) }))
      .sinkTo(sink);
    const job = env.executeAsync('counters');
    expect(job.snapshot().operators.map(({ watermark }) => watermark)).toEqual(Array(5).fill(MIN_TIMESTAMP));
    await until(() => sink.values.length === 20);
    // The input has ended; the sinks take their time, and periodic watermarks must not come back.
    clock.advance(1000);
    await quiet();
    gate.open();
    const result = await drive(job, clock);
    const of = (name: string) => result.operators.find((operator) => operator.name === name);
    expect(of('In')).toMatchObject({ recordsIn: 0, recordsOut: 100, parallelism: 2 });
    expect(of('Filter')).toMatchObject({ recordsIn: 100, recordsOut: 20 });
    expect(of('KeyedProcess')).toMatchObject({ recordsIn: 20, recordsOut: 20, lateRecordsDropped: 0 });
    expect(of('Sink')).toMatchObject({ recordsIn: 20, recordsOut: 0 });
    expect(result.operators.map(({ watermark }) => watermark)).toEqual(Array(5).fill(MAX_WATERMARK));
    expect(result.jobName).toBe('counters');
  });

  it('is there as a snapshot while the job runs, and the job can be cancelled', async () => {
    const { clock, env } = environment({ createJobId: () => 'job-1' });
    const source = new ScriptedSource<number>([scripted(10)], { boundedness: 'unbounded' });
    const sink = new CollectingSink<number>();
    env.fromSource(source, none, 'In').sinkTo(sink);
    const job = env.executeAsync('endless');
    await until(() => sink.values.length === 10);
    clock.advance(5);
    expect(job.snapshot()).toMatchObject({ jobName: 'endless', jobId: 'job-1', durationMs: 5 });
    expect(job.snapshot().operators[0]).toMatchObject({ name: 'In', recordsOut: 10 });
    const reason = new Error('enough');
    job.cancel(reason);
    job.cancel();
    const error = await failureOf(job.result);
    expect(error).toBeInstanceOf(JobCancelledError);
    expect(error).toMatchObject({ code: 'MILLRACE_CANCELLED', retryable: true, cause: reason });
    expect(sink.closed).toBe(1);
    expect(source).toMatchObject({ closedReaders: 1, closedEnumerators: 1 });
    expect(clock.pending).toBe(0);
  });

  it('of a job that was aborted by its signal: before the start, while it runs, and after the end', async () => {
    const reason = new Error('shut down');
    const before = environment();
    before.env.fromCollection([1]).sinkTo(new CollectingSink());
    const aborted = await failureOf(before.env.execute('aborted', { signal: AbortSignal.abort(reason) }));
    expect(aborted).toMatchObject({ code: 'MILLRACE_CANCELLED', cause: reason });

    const during = environment();
    const controller = new AbortController();
    const sink = new CollectingSink<number>();
    during.env
      .fromSource(new ScriptedSource([scripted(1)], { boundedness: 'unbounded' }), none, 'In')
      .sinkTo(sink);
    const job = during.env.executeAsync('aborted', { signal: controller.signal });
    await until(() => sink.values.length === 1);
    controller.abort(reason);
    expect(await failureOf(job.result)).toMatchObject({ code: 'MILLRACE_CANCELLED', cause: reason });
    expect(sink.closed).toBe(1);

    const after = environment();
    const late = new AbortController();
    after.env.fromCollection([1]).sinkTo(new CollectingSink());
    await after.env.execute('done', { signal: late.signal });
    late.abort();
  });
});

describe('back-pressure', () => {
  it('of a slow sink bounds what the source emits', async () => {
    const { clock, env } = environment({ parallelism: 1 });
    let gate = createGate();
    let asked = 0;
    const sink = new CollectingSink<number>({
      backPressure: () => {
        asked++;
        return gate.opened;
      },
    });
    const source = new ScriptedSource<number>([scripted(50_000)]);
    env
      .fromSource(source, none, 'In')
      .setParallelism(2)
      .map((n) => n)
      .setParallelism(3)
      .sinkTo(sink);
    let maxInFlight = 0;
    const job = env.executeAsync('slow sink');
    await quiet(200);
    maxInFlight = Math.max(maxInFlight, source.emitted - sink.values.length);
    expect(asked).toBe(1);
    expect(sink.values.length).toBeLessThanOrEqual(256);
    // Two exchanges of 4096 records per channel, and batches under way.
    expect(maxInFlight).toBeLessThanOrEqual(2 * 3 * 4096 + 3 * 4096 + 5 * 256);
    const seen = source.emitted;
    expect(seen).toBeLessThan(50_000);
    await quiet(50);
    expect(source.emitted).toBe(seen);
    gate.open();
    gate = createGate();
    gate.open();
    await drive(job, clock);
    expect(sink.values).toHaveLength(50_000);
  });

  it('stops the subtask at once: one batch at most between two waits', async () => {
    const { env } = environment();
    let written = 0;
    let maxBetween = 0;
    const sink = new CollectingSink<number>({
      write: () => void (maxBetween = Math.max(maxBetween, ++written)),
      backPressure: () => {
        if (written === 0) return undefined;
        written = 0;
        return Promise.resolve();
      },
    });
    env.fromCollection(numbers(5000)).sinkTo(sink);
    await env.execute('batches');
    expect(maxBetween).toBeLessThanOrEqual(256);
  });

  it('is asked for what timers emit, too', async () => {
    const { clock, env } = environment();
    let asked = 0;
    const sink = new CollectingSink<number>({ backPressure: () => void asked++ });
    const source = new ScriptedSource<number>([[{ value: 1 }, PAUSE]]);
    env
      .fromSource(source, none, 'In')
      .keyBy((n) => n)
      .process<number>(() => ({
        processElement: (_n, { timers }) => timers.registerProcessingTimeTimer(10),
        onTimer: (_timestamp, _context, out) => out.collect(2),
      }))
      .sinkTo(sink);
    const job = env.executeAsync('timers');
    await until(() => source.emitted === 1);
    await quiet();
    asked = 0;
    clock.advance(10);
    await until(() => sink.values.length === 1);
    expect(asked).toBeGreaterThan(0);
    source.resume();
    await drive(job, clock);
  });

  it('task invariant 1: lets nothing be written while a sink prepares a checkpoint', async () => {
    const { clock, env } = environment();
    const gate = createGate();
    let isPreparing = false;
    let writtenMeanwhile = 0;
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([[...scripted(5), PAUSE, ...scripted(5)]]);
    const sink = new CollectingSink<number>({
      write: () => void (writtenMeanwhile += isPreparing ? 1 : 0),
      prepareCommit: async () => {
        isPreparing = true;
        await gate.opened;
        isPreparing = false;
        return [];
      },
    });
    env.enableCheckpointing({ intervalMs: 10, storage });
    env.fromSource(source, none, 'In').sinkTo(sink);
    const job = env.executeAsync('slow prepare');
    await until(() => sink.values.length === 5);
    clock.advance(10);
    await until(() => isPreparing);
    source.resume();
    await quiet();
    expect(sink.values).toHaveLength(5);
    expect(storage.lastId).toBeUndefined();
    gate.open();
    await drive(job, clock);
    expect(sink.values).toHaveLength(10);
    expect(writtenMeanwhile).toBe(0);
  });
});

describe('failures', () => {
  const attempt = async (build: (stream: DataStream<number>) => void, options: EnvironmentOptions = {}) => {
    const { clock, env } = environment(options);
    const source = new ScriptedSource<number>([scripted(10)]);
    build(env.fromSource(source, none, 'In'));
    const error = await failureOf(drive(env.executeAsync('fails'), clock));
    return { error, source, clock };
  };

  it('name the operator, the subtask and the record', async () => {
    const cause = new TypeError('no such property');
    const { error } = await attempt((stream) => {
      stream
        .map((n) => ({ n }))
        .map(({ n }) => {
          if (n === 7) throw cause;
          return n;
        })
        .name('Risky')
        .print();
    });
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toBe(
      `'Risky' (subtask 0) failed while processing the record {"n":7}: no such property`,
    );
    expect(error).toMatchObject({ cause, retryable: true, details: { operator: 'Risky', subtask: 0 } });
  });

  it.each<[string, string, (stream: DataStream<number>) => void]>([
    [
      'a sink that refuses a record',
      "'Out' (subtask 0) failed while processing the record 0",
      (stream) => stream.sinkTo(new CollectingSink({ write: boom })).name('Out'),
    ],
    [
      'back-pressure that rejects',
      "'Out' (subtask 0) failed while waiting for room",
      (stream) =>
        stream
          .sinkTo(new CollectingSink({ backPressure: () => Promise.reject(new Error('boom')) }))
          .name('Out'),
    ],
    [
      'back-pressure that throws',
      "'Out' (subtask 0) failed while waiting for room",
      (stream) => stream.sinkTo(new CollectingSink({ backPressure: boom })).name('Out'),
    ],
    [
      'a flush',
      "'Out' (subtask 0) failed while flushing at the end of input",
      (stream) => stream.sinkTo(new CollectingSink({ flush: boom })).name('Out'),
    ],
    [
      'prepareCommit',
      "'Out' (subtask 0) failed while preparing checkpoint 1",
      (stream) =>
        stream
          .sinkTo(new CollectingSink({ prepareCommit: () => Promise.reject(new Error('boom')) }))
          .name('Out'),
    ],
    [
      'a writer that cannot be made',
      "'Out' (subtask 0) failed while creating its writer",
      (stream) => stream.sinkTo(new CollectingSink({ createWriter: boom })).name('Out'),
    ],
    [
      'a committer that cannot be made',
      "'Out' (subtask 0) failed while creating its committer",
      (stream) =>
        stream
          .sinkTo({
            createWriter: () => new CollectingSink().createWriter({} as never),
            createCommitter: boom,
          })
          .name('Out'),
    ],
    [
      'a function that cannot be made',
      "'Process' (subtask 0) failed while being made",
      (stream) => stream.process(boom).print(),
    ],
    [
      'open',
      "'Process' (subtask 0) failed while opening",
      (stream) => stream.process(() => ({ open: boom, processElement: () => undefined })).print(),
    ],
    [
      'close, when all went well',
      "'Process' (subtask 0) failed while closing",
      (stream) => stream.process(() => ({ close: boom, processElement: () => undefined })).print(),
    ],
    [
      'a watermark generator at its tick',
      "'In' (subtask 0) failed while reading",
      (stream) => stream.print(),
    ],
  ])('of %s are wrapped: %#', async (what, message, build) => {
    if (what.startsWith('a watermark generator')) {
      const { clock, env } = environment();
      const strategy = WatermarkStrategy.forGenerator<number>(() => ({
        onEvent: () => undefined,
        onPeriodicEmit: boom,
      }));
      env.fromSource(new ScriptedSource<number>([[{ value: 1 }, PAUSE]]), strategy, 'In').print();
      expect((await failureOf(drive(env.executeAsync('fails'), clock, 100))).message).toContain(message);
      return;
    }
    const { error, source, clock } = await attempt(build);
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.message).toContain(message);
    expect(error.message).toContain('boom');
    expect(clock.pending).toBe(0);
    if (!what.startsWith('a committer')) expect(source.closedReaders).toBe(1);
  });

  it.each(['createReader', 'createEnumerator', 'poll', 'notify', 'snapshot'])(
    'of a source in %s are wrapped',
    async (where) => {
      const { clock, env } = environment();
      env.enableCheckpointing({ intervalMs: 10, storage: new MemoryStorage() });
      const source = new ScriptedSource<number>([scripted(3)], {
        ...(where === 'poll' ? { onPoll: boom } : {}),
        ...(where === 'notify' ? { onNotify: boom } : {}),
        ...(where === 'snapshot' ? { onSnapshot: boom } : {}),
      });
      if (where === 'createReader') source.createReader = boom;
      if (where === 'createEnumerator') source.createEnumerator = boom;
      env.fromSource(source, none, 'In').sinkTo(new CollectingSink<number>());
      const error = await failureOf(drive(env.executeAsync('source fails'), clock));
      expect(error).toMatchObject({ code: 'MILLRACE_OPERATOR', details: { operator: 'In' } });
    },
  );

  it('local job invariant 1: the first failure decides, and nothing is processed after it', async () => {
    const { clock, env } = environment({ parallelism: 3 });
    let afterFailure = 0;
    let hasFailed = false;
    env
      .fromSource(new ScriptedSource(numbers(3).map(() => scripted(5000))), none, 'In')
      .map((n) => {
        if (hasFailed) afterFailure++;
        if (n === 2000) {
          hasFailed = true;
          throw new Error(`failure at ${n}`);
        }
        return n;
      })
      .sinkTo(new CollectingSink({ close: boom }));
    const error = await failureOf(drive(env.executeAsync('first failure'), clock));
    expect(error.message).toContain('failure at 2000');
    expect(afterFailure).toBe(0);
  });

  it.each(['nothing', 'the second writer', 'the second function', 'open', 'a record', 'close'])(
    'close everything that was made exactly once, also when %s fails',
    async (what) => {
      const { clock, env } = environment({ parallelism: 2, logger: recordingLogger([]) });
      let writers = 0;
      let functions = 0;
      let closedFunctions = 0;
      const source = new ScriptedSource<number>([scripted(5), scripted(5)]);
      const sinks = [0, 1].map(
        (index) =>
          new CollectingSink<number>({
            createWriter: () => {
              if (++writers === 3 && what === 'the second writer') boom();
            },
            close: () => {
              if (index === 0 && what === 'close') boom();
            },
          }),
      );
      const stream = env.fromSource(source, none, 'In').process<number>(() => {
        if (++functions === 2 && what === 'the second function') {
          functions--;
          boom();
        }
        return {
          open: () => {
            if (what === 'open') boom();
          },
          processElement: (n, _context, out) => {
            if (what === 'a record') boom();
            out.collect(n);
          },
          close: () => void closedFunctions++,
        };
      });
      for (const sink of sinks) stream.sinkTo(sink);
      const outcome = await drive(env.executeAsync('closing'), clock).then(
        () => 'nothing',
        () => 'failed',
      );
      expect(outcome).toBe(what === 'nothing' ? 'nothing' : 'failed');
      for (const sink of sinks) expect(sink.closed).toBe(sink.made);
      expect(closedFunctions).toBe(functions);
      expect(source.closedEnumerators).toBe(1);
      if (what !== 'the second writer' && what !== 'the second function')
        expect(source.closedReaders).toBe(2);
      expect(clock.pending).toBe(0);
    },
  );

  it('of closing after another failure are reported to the logger', async () => {
    const log: string[] = [];
    const { error } = await attempt(
      (stream) => stream.map(boom).sinkTo(new CollectingSink({ close: boom })),
      {
        logger: recordingLogger(log),
      },
    );
    expect(error.message).toContain("'Map'");
    expect(log).toEqual(['closing failed']);
  });
});

describe('event time', () => {
  const onAdvance = WatermarkStrategy.forMonotonousTimestamps<number>().withEmission('on-advance');

  it('comes to its end also for a source that was idle when it ended', async () => {
    const { clock, env } = environment({ parallelism: 2, autoWatermarkIntervalMs: 10 });
    const source = new ScriptedSource<number>([
      [...timed([[1, 5]]), PAUSE],
      [...timed([[1, 5]]), PAUSE],
    ]);
    const sink = new CollectingSink<number>();
    env
      .fromSource(source, onAdvance.withIdleness(100), 'In')
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    const job = env.executeAsync('idle end');
    await until(() => source.emitted === 2);
    for (let i = 0; i < 30; i++) {
      clock.advance(10);
      await quiet(3);
    }
    source.resume();
    await drive(job, clock, 0);
    expect(sink.values).toEqual([2]);
  });

  it('is not ended by one input while another is idle', async () => {
    const { clock, env } = environment({ parallelism: 2, autoWatermarkIntervalMs: 10 });
    const source = new ScriptedSource<number>([
      timed([[1, 5]]),
      [
        ...timed([[1, 5]]),
        PAUSE,
        ...timed([
          [1, 25],
          [1, 35],
        ]),
      ],
    ]);
    const sink = new CollectingSink<number>();
    env
      .fromSource(source, onAdvance.withIdleness(100), 'In')
      .keyBy(() => 0)
      .window(TumblingEventTimeWindows.of(10))
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    const job = env.executeAsync('one ends');
    await until(() => source.emitted === 2);
    for (let i = 0; i < 30; i++) {
      clock.advance(10);
      await quiet(3);
    }
    expect(sink.values).toEqual([]);
    source.resume();
    const result = await drive(job, clock, 0);
    expect(sink.values).toEqual([2, 1, 1]);
    expect(result.operators.map(({ lateRecordsDropped }) => lateRecordsDropped)).toEqual([0, 0, 0]);
  });

  it('goes on where it was after a restart, also where one of two readers had ended', async () => {
    // The watermark 99 has closed a window; a record for it must be late after the restart, too.
    const { clock } = environment();
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([
      [],
      [
        ...timed([
          [1, 5],
          [2, 100],
        ]),
        PAUSE,
        ...timed([
          [3, 6],
          [4, 101],
        ]),
      ],
    ]);
    const emitted: number[] = [];
    const start = (parallelism: number) => {
      const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism });
      env.enableCheckpointing({ intervalMs: 10, storage });
      const result = env
        .fromSource(source, onAdvance, 'In')
        .keyBy(() => 0)
        .window(TumblingEventTimeWindows.of(10))
        .reduce((a, b) => a + b);
      result.addSink({ emit: (n) => void emitted.push(n) });
      return env.executeAsync('watermarks');
    };
    const first = start(2);
    await until(() => emitted.length === 1);
    clock.advance(10);
    await until(() => storage.lastId === 1);
    first.cancel();
    await failureOf(first.result);
    const saved = storage.checkpoints.slice();
    for (const parallelism of [2, 1, 3]) {
      storage.checkpoints.splice(0, Infinity, ...saved);
      emitted.length = 0;
      source.resumes = 0;
      const job = start(parallelism);
      source.resume();
      const result = await drive(job, clock);
      expect(emitted).toEqual([6]);
      expect(result.operators.find(({ name }) => name === 'Window Reduce')?.lateRecordsDropped).toBe(1);
    }
  });
});

describe('checkpoints of a running job', () => {
  it('local job: the source hears of every durable checkpoint, the final one included', async () => {
    for (const sinks of [0, 1]) {
      const { clock, env } = environment();
      const notified: number[] = [];
      const storage = new MemoryStorage();
      const source = new ScriptedSource<number>([[...scripted(5), PAUSE, ...scripted(5)]], {
        onNotify: (checkpointId) => void notified.push(checkpointId),
      });
      env.enableCheckpointing({ intervalMs: 10, storage });
      const stream = env.fromSource(source, none, 'In');
      if (sinks === 0) stream.sinkTo(new CollectingSink<number>());
      else stream.sinkTo(new TransactionalSink(new ExternalSystem<number>()));
      const job = env.executeAsync('notified');
      await until(() => source.emitted === 5);
      clock.advance(10);
      await until(() => notified.length === 1);
      source.resume();
      await drive(job, clock, 0);
      expect(notified).toEqual([1, 2]);
      expect(storage.checkpoints.map(({ checkpointId }) => checkpointId)).toEqual([1, 2]);
    }
  });

  it('are complete also while some tasks have ended and others have not', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const storage = new MemoryStorage();
    const source = new ScriptedSource<number>([scripted(3), [...scripted(3), PAUSE, ...scripted(3)]]);
    const system = new ExternalSystem<number>();
    env.enableCheckpointing({ intervalMs: 10, storage });
    env.fromCollection(numbers(4)).sinkTo(new TransactionalSink(system));
    env.fromSource(source, none, 'In').rebalance().sinkTo(new TransactionalSink(system));
    const job = env.executeAsync('some have ended');
    await until(() => source.emitted === 6);
    for (let i = 1; i <= 3; i++) {
      clock.advance(10);
      await until(() => storage.lastId === i);
    }
    await until(() => system.visible.length === 10);
    source.resume();
    await drive(job, clock);
    expect(system.visible).toHaveLength(13);
  });

  it('go on when the input ends while one is being taken', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    const gate = createGate();
    storage.beforeWrite = () => gate.opened;
    const source = new ScriptedSource<number>([[...scripted(3), PAUSE, ...scripted(3)]]);
    const system = new ExternalSystem<number>();
    env.enableCheckpointing({ intervalMs: 10, storage });
    env.fromSource(source, none, 'In').sinkTo(new TransactionalSink(system));
    const job = env.executeAsync('ends meanwhile');
    await until(() => source.emitted === 3);
    clock.advance(10);
    await until(() => system.prepared.size === 1);
    source.resume();
    await until(() => source.emitted === 6);
    await quiet();
    expect(system.visible).toEqual([]);
    gate.open();
    await drive(job, clock);
    expect(system.visible).toEqual([0, 1, 2, 0, 1, 2]);
    expect(storage.checkpoints).toHaveLength(2);
  });

  it('wait for slow commits: at most maxPendingCommits are under way', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    const gate = createGate();
    const source = new ScriptedSource<number>([scripted(100)], { boundedness: 'unbounded', batch: 1 });
    let commits = 0;
    env.enableCheckpointing({ intervalMs: 5, storage, maxPendingCommits: 2 });
    env.fromSource(source, none, 'In').sinkTo({
      createWriter: () => ({
        write: () => undefined,
        flush: () => undefined,
        prepareCommit: (checkpointId) => [checkpointId],
        close: () => undefined,
      }),
      createCommitter: () => ({
        commit: async () => {
          commits++;
          await gate.opened;
        },
      }),
    });
    const job = env.executeAsync('slow commits');
    for (let i = 0; i < 100; i++) {
      clock.advance(5);
      await quiet(3);
    }
    expect(storage.lastId).toBe(2);
    expect(commits).toBe(1);
    expect(job.snapshot().checkpoints).toMatchObject({ completed: 2, lastId: 2, pendingCommits: 2 });
    // What is durable and not committed is part of the checkpoints that follow.
    expect(
      storage.checkpoints[1]?.pendingCommits[0]?.requests.map(({ checkpointId }) => checkpointId),
    ).toEqual([1, 2]);
    gate.open();
    await until(
      () => (storage.lastId ?? 0) >= 4,
      () => clock.advance(5),
    );
    job.cancel();
    await failureOf(job.result);
  });

  it('are taken of a job that has no records yet', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 5, storage });
    env
      .fromSource(new ScriptedSource<number>([[PAUSE]]), none, 'In')
      .keyBy((n) => n)
      .process<number>(() => ({ processElement: () => undefined }))
      .sinkTo(new TransactionalSink(new ExternalSystem<number>()));
    const job = env.executeAsync('nothing yet');
    await until(
      () => storage.lastId === 3,
      () => clock.advance(1),
    );
    job.cancel();
    await failureOf(job.result);
  });

  it('cover several sinks in one chain: all commit, or the job fails', async () => {
    const { clock, env } = environment();
    const systems = [
      new ExternalSystem<number>(),
      new ExternalSystem<number>(),
      new ExternalSystem<number>(),
    ];
    env.enableCheckpointing({ intervalMs: 5, storage: new MemoryStorage() });
    const stream = env.fromSource(new ScriptedSource<number>([scripted(100)], { batch: 3 }), none, 'In');
    for (const system of systems) stream.sinkTo(new TransactionalSink(system));
    expect(env.getExecutionPlan().vertices).toHaveLength(1);
    await drive(env.executeAsync('three sinks'), clock);
    for (const system of systems) {
      expect(system.visible).toEqual(numbers(100));
      expect(system.commitOrder).toEqual([...system.commitOrder].sort((a, b) => a - b));
    }
  });

  it('commit at the end also without checkpointing', async () => {
    const { clock, env } = environment({ parallelism: 2 });
    const system = new ExternalSystem<number>();
    env.fromCollection(numbers(10)).sinkTo(new TransactionalSink(system));
    await drive(env.executeAsync('no checkpoints'), clock);
    expect(system.visible.sort((a, b) => a - b)).toEqual(numbers(10));
  });

  it('call nothing of a job that was cancelled, whatever is scheduled later', async () => {
    const { clock, env } = environment();
    const storage = new MemoryStorage();
    const log: string[] = [];
    env.enableCheckpointing({ intervalMs: 5, storage });
    env
      .fromSource(new ScriptedSource<number>([[{ value: 1 }, PAUSE]]), none, 'In')
      .keyBy((n) => n)
      .process<number>(() => ({
        processElement(_n, { timers }) {
          timers.registerProcessingTimeTimer(100);
          log.push('record');
        },
        onTimer: () => void log.push('timer'),
        close: () => void log.push('close'),
      }))
      .sinkTo(new CollectingSink<number>());
    const job = env.executeAsync('cancelled');
    await until(() => log.length === 1);
    job.cancel();
    clock.advance(1000); // before it has closed
    await failureOf(job.result);
    clock.advance(1000);
    await quiet();
    expect(log).toEqual(['record', 'close']);
    expect(clock.pending).toBe(0);
  });
});

function boom(): never {
  throw new Error('boom');
}

function recordingLogger(log: string[]): Logger {
  const write = (message: string) => void log.push(message);
  return { debug: write, info: write, warn: write, error: write };
}
