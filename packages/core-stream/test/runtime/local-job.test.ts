import { describe, expect, it } from 'vitest';
import {
  JobCancelledError,
  MAX_WATERMARK,
  MIN_TIMESTAMP,
  OutputTag,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type SourceSplit,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, failureOf, quiet, until } from '../support/conditions.js';
import { ScriptedSource, timed } from '../support/scripted-source.js';
import { environment, none, numbers, scripted, refuseUnhandledRejections } from '../support/environment.js';

refuseUnhandledRejections();

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
      .assignTimestampsAndWatermarks(WatermarkStrategy.forMonotonousTimestamps())
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
  it('local job invariant 2: gets its turn while there is always a record to process', async () => {
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

  it('is cancelled also while a function opens that never will, and opens no other one', async () => {
    const { clock, env } = environment({ operatorChaining: false });
    const log: string[] = [];
    const gate = createGate();
    const logged = (name: string, opened: Promise<void>) => () => ({
      async open() {
        log.push(`open ${name}`);
        await opened;
      },
      processElement: () => undefined,
      close: () => void log.push(`close ${name}`),
    });
    const sink = new CollectingSink<unknown>();
    env
      .fromCollection([1])
      .process(logged('a', gate.opened))
      .process(logged('b', Promise.resolve()))
      .sinkTo(sink);
    const job = env.executeAsync('never');
    await until(() => log.length > 0);
    const result = failureOf(job.result);
    job.cancel();
    await quiet();
    clock.advance(30_000);
    expect(await result).toBeInstanceOf(JobCancelledError);
    gate.open();
    await quiet();
    expect(log).toEqual(['open a', 'close a', 'close b']);
    expect(sink.made).toBe(0);
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

describe('a reader', () => {
  it('is not polled because of a promise from a wait that has ended', async () => {
    const waits: (() => void)[] = [];
    let polls = 0;
    let noMoreSplits = false;
    const { env } = environment();
    env
      .fromSource<number, SourceSplit, undefined>(
        {
          boundedness: 'bounded',
          createEnumerator: (context) => ({
            start: () => undefined,
            handleSplitRequest: (reader) => context.signalNoMoreSplits(reader),
            addSplitsBack: () => undefined,
            snapshotState: () => undefined,
          }),
          createReader: (context) => ({
            start: () => undefined,
            pollNext() {
              polls++;
              return noMoreSplits && polls > 2 ? 'end' : 'wait';
            },
            isAvailable: () => {
              if (waits.length === 0) context.requestSplit();
              return new Promise((resolve) => waits.push(resolve));
            },
            addSplits: () => undefined,
            notifyNoMoreSplits: () => void (noMoreSplits = true),
            snapshotState: () => [],
          }),
        },
        none,
        'In',
      )
      .sinkTo(new CollectingSink<number>());
    const job = env.executeAsync('waiting');
    await until(() => waits.length === 2);
    waits[0]?.();
    await quiet(5);
    expect(polls).toBe(2);
    waits[1]?.();
    await job.result;
    expect(polls).toBe(3);
  });
});
