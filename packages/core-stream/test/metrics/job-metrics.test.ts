import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import {
  AsyncDataStream,
  RestartStrategies,
  StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  type JobClient,
  type MetricVariables,
  type SinkFunction,
  type SourceFunction,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { FAIL } from '../../src/testing/index.js';
import { createGate, drive, until } from '../support/conditions.js';
import { boom, environment, none, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource } from '../support/scripted-source.js';

refuseUnhandledRejections();

/** Reads by operator's or task's name. */
function read(job: JobClient, name: string, of: string, more: MetricVariables = {}): number | undefined {
  const variable = name.startsWith('task') ? 'task_name' : 'operator_name';
  return job.metrics.value(name, { [variable]: of, ...more });
}

function timesOf(job: JobClient, task: string) {
  return {
    busy: read(job, 'task_accumulateBusyTimeMs', task),
    idle: read(job, 'task_accumulateIdleTimeMs', task),
    backPressured: read(job, 'task_accumulateBackPressuredTimeMs', task),
  };
}

describe('the times of tasks', () => {
  it('are busy in their turns, back-pressured by a sink that is full, else idle', async () => {
    const { clock, env } = environment({ operatorChaining: false });
    const gate = createGate();
    const sink: CollectingSink<number> = new CollectingSink<number>({
      backPressure: (): Promise<void> | undefined => (sink.values.length === 2 ? gate.opened : undefined),
    });
    const source = new ScriptedSource<number>([[{ value: 1 }, PAUSE, { value: 2 }, PAUSE]]);
    env
      .fromSource(source, none, 'In')
      .map((n) => {
        clock.advance(10);
        return n;
      })
      .name('Work')
      .sinkTo(sink)
      .name('Out');
    const job = env.executeAsync('times');
    await until(() => sink.values.length === 1);
    clock.advance(100);
    source.resume();
    await until(() => sink.values.length === 2);
    clock.advance(1000);
    expect(timesOf(job, 'Work')).toEqual({ busy: 20, idle: 1100, backPressured: 0 });
    expect(timesOf(job, 'Out')).toEqual({ busy: 0, idle: 120, backPressured: 1000 });
    // While the map worked, the source had not said yet that it had nothing.
    expect(timesOf(job, 'In')).toEqual({ busy: 0, idle: 1100, backPressured: 0 });
    expect(read(job, 'task_busyTimeMsPerSecond', 'Work')).toBeCloseTo(20 / 1.12);
    expect(read(job, 'task_idleTimeMsPerSecond', 'Work')).toBeCloseTo(1100 / 1.12);
    expect(read(job, 'task_backPressuredTimeMsPerSecond', 'Out')).toBeCloseTo(1000 / 1.12);
    gate.open();
    source.resume();
    await drive(job, clock);
  });

  it('are back-pressured where there is no room downstream', async () => {
    const { clock, env } = environment({ operatorChaining: false });
    const gate = createGate();
    const sink = new CollectingSink<number>({ backPressure: () => gate.opened });
    const source = new ScriptedSource<number>([scripted(20_000)]);
    env.fromSource(source, none, 'In').sinkTo(sink).name('Out');
    const job = env.executeAsync('full');
    let seen = -1;
    await until(() => seen === (seen = source.emitted) && seen > 4000);
    clock.advance(500);
    expect(timesOf(job, 'In')).toEqual({ busy: 0, idle: 0, backPressured: 500 });
    expect(timesOf(job, 'Out')).toEqual({ busy: 0, idle: 0, backPressured: 500 });
    gate.open();
    await drive(job, clock);
  });
});

describe('the metrics of operators', () => {
  it('have those that a source registers as a whole, without a subtask', async () => {
    const { clock, env } = environment();
    const source = new ScriptedSource<number>([[PAUSE]]);
    const createEnumerator = source.createEnumerator.bind(source);
    source.createEnumerator = (context, restored) => {
      context.metrics.gauge('splitsPending', () => 7);
      return createEnumerator(context, restored);
    };
    env.fromSource(source, none, 'In').sinkTo(new CollectingSink<number>());
    const job = env.executeAsync('splits');
    await until(() => read(job, 'operator_splitsPending', 'In') === 7);
    const family = [...job.metrics.families()].find(({ name }) => name === 'operator_splitsPending')!;
    for (const { variables } of family.metrics()) expect(variables).not.toHaveProperty('subtask_index');
    source.resume();
    await drive(job, clock);
  });

  it('are records, watermarks and what was too late', async () => {
    const { clock, env } = environment({ operatorChaining: false });
    clock.advance(10_000);
    const at = (timestamp: number) => ({ value: timestamp, timestamp });
    const source = new ScriptedSource<number>([[at(1000), at(5000), at(1500), at(6000), PAUSE]]);
    const sink = new CollectingSink<number>();
    env
      .fromSource(
        source,
        WatermarkStrategy.forMonotonousTimestamps<number>().withEmission('on-advance'),
        'In',
      )
      .keyBy(() => 'all')
      .window(TumblingEventTimeWindows.of(1000))
      .reduce((a, b) => a + b)
      .name('Sum')
      .sinkTo(sink)
      .name('Out');
    const job = env.executeAsync('windows');
    await until(() => sink.values.length === 2);
    clock.advance(5000);
    const values = (of: string, ...names: string[]) => names.map((name) => read(job, `operator_${name}`, of));
    expect(values('In', 'numRecordsIn', 'numRecordsOut', 'numRecordsOutPerSecond')).toEqual([0, 4, 0.8]);
    expect(values('In', 'currentInputWatermark', 'currentOutputWatermark')).toEqual([undefined, 5999]);
    expect(values('In', 'watermarkLag', 'currentEmitEventTimeLag')).toEqual([9001, 9000]);
    expect(values('Sum', 'numRecordsIn', 'numRecordsOut', 'numLateRecordsDropped')).toEqual([4, 2, 1]);
    expect(values('Sum', 'currentInputWatermark', 'currentOutputWatermark')).toEqual([5999, 5999]);
    expect(values('Out', 'numRecordsIn', 'currentInputWatermark')).toEqual([2, 5999]);
    source.resume();
    const result = await drive(job, clock);
    expect(values('Out', 'numRecordsIn', 'currentInputWatermark', 'watermarkLag')).toEqual([
      result.operators.find(({ name }) => name === 'Out')!.recordsIn,
      Infinity,
      undefined,
    ]);
  });

  it('are joined by those of functions, sources and sinks', async () => {
    const { clock, env } = environment({ parallelism: 1 });
    const source: SourceFunction<number> = {
      open: ({ metrics }) => metrics.counter('opened').inc(),
      collect(out) {
        out.collect(1);
        return false;
      },
    };
    const sink: SinkFunction<number> = {
      open: ({ metrics }) => metrics.counter('opened').inc(2),
      emit: () => undefined,
    };
    const stream = env
      .addSource(source)
      .process(({ metrics }) => {
        const seen = metrics.counter('seen');
        return {
          processElement(n, _context, out) {
            seen.inc();
            out.collect(n);
          },
        };
      })
      .name('Plain')
      .keyBy((n) => n)
      .process(({ metrics }) => ({
        processElement(n, { currentKey }, out) {
          metrics.addGroup('key', String(currentKey)).counter('seen').inc();
          out.collect(n);
        },
      }))
      .name('Keyed');
    AsyncDataStream.orderedWait(
      stream,
      ({ metrics }) => {
        const calls = metrics.meter('calls');
        return {
          asyncInvoke(n: number) {
            calls.markEvent();
            return Promise.resolve([n]);
          },
        };
      },
      { timeoutMs: 1000 },
    )
      .name('Async')
      .addSink(sink)
      .name('Out');
    const job = env.executeAsync('functions');
    await drive(job, clock);
    expect(read(job, 'operator_opened', 'Source')).toBe(1);
    expect(read(job, 'operator_seen', 'Plain')).toBe(1);
    expect(read(job, 'operator_key_seen', 'Keyed', { key: '1' })).toBe(1);
    expect(read(job, 'operator_calls', 'Async')).toBeGreaterThanOrEqual(0);
    expect(read(job, 'operator_opened', 'Out')).toBe(2);
  });

  it('have names that two operators and two tasks of one name do not share', async () => {
    const { env, clock } = environment({ operatorChaining: false, parallelism: 2 });
    const twice = (n: number) => n * 2;
    env.fromSequence(1, 10).map(twice).map(twice).print();
    const job = env.executeAsync('same names');
    await drive(job, clock);
    const families = [...job.metrics.families()].filter(({ name }) => name === 'operator_numRecordsIn');
    expect([...families[0]!.metrics()]).toHaveLength(8);
  });

  it('refuse a name that is taken, naming the operator', async () => {
    const env = StreamExecutionEnvironment.getExecutionEnvironment();
    env
      .fromCollection([1])
      .process(({ metrics }) => {
        metrics.gauge('size', () => 1);
        metrics.gauge('size', () => 2);
        return { processElement: () => undefined };
      })
      .name('Twice')
      .print();
    await expect(env.execute('taken')).rejects.toThrow(/'Twice'.*'operator_size' is there already/);
  });
});

describe('the metrics of a job', () => {
  it('are restarts and checkpoints; counters begin anew with each run, totals of snapshots do not', async () => {
    const { clock, env } = environment();
    const source = new ScriptedSource<number>([
      [{ value: 1 }, { value: 2 }, PAUSE, { value: 3 }, FAIL, { value: 4 }, PAUSE],
    ]);
    env.enableCheckpointing({ intervalMs: 1000, storage: new MemoryStorage() });
    env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 1, delayMs: 50 }));
    const sink = new CollectingSink<number>();
    env
      .fromSource(source, none, 'In')
      .keyBy((n) => n)
      .process(({ getState, metrics }) => {
        const count = getState(new ValueStateDescriptor<number>('count'));
        const own = metrics.counter('own');
        return {
          processElement(n, _context, out) {
            own.inc();
            count.update(1);
            out.collect(n);
          },
        };
      })
      .name('Count')
      .sinkTo(sink);
    const job = env.executeAsync('restarted');
    const ofJob = (...names: string[]) => names.map((name) => job.metrics.value(`job_${name}`));
    await until(() => sink.values.length === 2);
    clock.advance(1000);
    await until(() => job.snapshot().checkpoints.completed === 1);
    const { lastSizeBytes, lastStateBytes } = job.snapshot().checkpoints;
    expect(
      ofJob('numberOfCompletedCheckpoints', 'numberOfFailedCheckpoints', 'lastCompletedCheckpointId'),
    ).toEqual([1, 0, 1]);
    expect(ofJob('lastCheckpointSize', 'lastCheckpointFullSize')).toEqual([lastSizeBytes, lastStateBytes]);
    expect(ofJob('numRestarts', 'lastCheckpointRestoreTimestamp')).toEqual([0, undefined]);
    expect(read(job, 'operator_keyedStateRows', 'Count')).toBe(2);
    expect(read(job, 'operator_lastCheckpointStateRows', 'Count')).toBe(2);
    expect(read(job, 'operator_lastCheckpointStateSize', 'Count')).toBeGreaterThan(0);
    source.resume();
    await until(
      () => sink.values.at(-1) === 4,
      () => clock.advance(10),
    );
    expect(ofJob('numRestarts', 'numberOfCompletedCheckpoints')).toEqual([1, 0]);
    expect(ofJob('lastCheckpointRestoreTimestamp')[0]).toBeGreaterThanOrEqual(1050);
    const ofRun = ['numRecordsIn', 'own', 'keyedStateRows'].map((name) =>
      read(job, `operator_${name}`, 'Count'),
    );
    expect(ofRun).toEqual([2, 2, 4]);
    expect(job.snapshot().operators.find(({ name }) => name === 'Count')!.recordsIn).toBe(4);
    source.resume();
    await drive(job, clock);
  });

  it('are joined by a channel that tells of an operator that fails', async () => {
    const { clock, env } = environment({ describeRecord: () => '(hidden)' });
    env.fromCollection([7]).map(boom).name('Breaks').print();
    const seen: unknown[] = [];
    const listener = (message: unknown) => void seen.push(message);
    subscribe('millrace:operator:failure', listener);
    try {
      await expect(drive(env.executeAsync('failing'), clock)).rejects.toThrow('boom');
    } finally {
      unsubscribe('millrace:operator:failure', listener);
    }
    expect(seen).toMatchObject([
      {
        jobName: 'failing',
        operatorName: 'Breaks',
        subtaskIndex: 0,
        record: '(hidden)',
        error: expect.any(Error) as Error,
      },
    ]);
  });
});
