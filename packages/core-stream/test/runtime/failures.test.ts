import { describe, expect, it } from 'vitest';
import {
  OperatorError,
  OutputTag,
  WatermarkStrategy,
  type DataStream,
  type EnvironmentOptions,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf } from '../support/conditions.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';
import {
  boom,
  environment,
  none,
  numbers,
  recordingLogger,
  scripted,
  refuseUnhandledRejections,
} from '../support/environment.js';

refuseUnhandledRejections();

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
    const hasStarted = what !== 'open' && !what.endsWith('cannot be made');
    expect(source.closedReaders).toBe(hasStarted ? 1 : 0);
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
      const isOpen = what !== 'the second function' && what !== 'open';
      expect(source.closedEnumerators).toBe(isOpen ? 1 : 0);
      expect(source.closedReaders).toBe(isOpen && what !== 'the second writer' ? 2 : 0);
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
    expect(log).toEqual(['closing failed', 'job fails for good']);
  });
});

describe('a record that is emitted outside of the turn', () => {
  it.each(['auto', 'off'] as const)(
    'fails the job with what to use instead (code generation %s)',
    async (codeGeneration) => {
      const { env } = environment({ codeGeneration });
      env
        .fromCollection([1])
        .flatMap<number>((n, out) => void Promise.resolve().then(() => out.collect(n)))
        .sinkTo(new CollectingSink<number>());
      const error = await failureOf(env.execute('later'));
      expect(error.message).toContain("'FlatMap' (subtask 0) failed while emitting a record");
      expect(error.message).toContain('use AsyncDataStream');
    },
  );

  it('fails the job also where it goes to a side output that nobody reads, and is not counted', async () => {
    const { env } = environment();
    env
      .fromCollection([1])
      .process<number>(() => ({
        processElement: (n, context) =>
          void Promise.resolve().then(() => context.output(new OutputTag<number>('unread'), n)),
      }))
      .sinkTo(new CollectingSink<number>());
    const job = env.executeAsync('later');
    const error = await failureOf(job.result);
    expect(error.message).toContain("'Process' (subtask 0) failed while emitting a record");
    expect(job.snapshot().operators.find(({ name }) => name === 'Process')?.sideOutputs).toEqual({});
  });

  it('is not one that is emitted after an open that waited', async () => {
    const { env } = environment();
    const sink = new CollectingSink<string>();
    env
      .fromCollection([1])
      .process<string>(() => {
        let opened = '';
        return {
          open: async () => void (opened = await Promise.resolve('opened')),
          processElement: (_n, _context, out) => out.collect(opened),
        };
      })
      .sinkTo(sink);
    await env.execute('opening');
    expect(sink.values).toEqual(['opened']);
  });
});

describe('a function that returns a promise', () => {
  const later = async (_value: unknown, context: unknown, out?: { collect(value: number): void }) => {
    await Promise.resolve();
    (out ?? (context as { collect(value: number): void })).collect(1);
    throw new Error('nobody waits for this');
  };
  type Build = (stream: DataStream<number>) => DataStream<number>;
  const cases: [string, Build][] = [
    ['flatMap', (stream) => stream.flatMap<number>(later)],
    ['process', (stream) => stream.process<number>(() => ({ processElement: later }))],
    ['keyed process', (stream) => stream.keyBy((n) => n).process<number>(() => ({ processElement: later }))],
    [
      'a timer',
      (stream) =>
        stream
          .keyBy((n) => n)
          .process<number>(() => ({
            processElement: (_n, { timers }) => timers.registerEventTimeTimer(1),
            onTimer: later,
          })),
    ],
    [
      'connected process',
      (stream) =>
        stream.connect(stream).process<number>(() => ({ processElement1: later, processElement2: later })),
    ],
  ];

  it.each(cases)('fails the job: %s', async (_what, build) => {
    const { env } = environment();
    build(env.fromCollection([1])).sinkTo(new CollectingSink<number>());
    const error = await failureOf(env.execute('promises'));
    expect(error.message).toContain('The function returned a promise. Functions are synchronous');
    expect(error).toMatchObject({ code: 'MILLRACE_OPERATOR', retryable: false });
  });
});
