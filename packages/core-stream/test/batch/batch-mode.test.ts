import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  MAX_WATERMARK,
  MIN_TIMESTAMP,
  StreamConfigError,
  StreamRecordError,
  ValueStateDescriptor,
  WatermarkStrategy,
  type CheckpointData,
} from '../../src/index.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { until } from '../support/conditions.js';
import { environment, boom, refuseUnhandledRejections } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { ScriptedSource, timed } from '../support/scripted-source.js';

interface Event {
  readonly key: string;
  readonly at: number;
  readonly id: number;
}

const strategy = WatermarkStrategy.forMonotonousTimestamps<Event>()
  .withTimestampAssigner((event) => event.at)
  .withIdleness(1)
  .withEmission('on-advance');

/** Events from text: `a3` is key a at time 3; their ids count from 0. */
const events = (text: string): Event[] =>
  text.split(' ').map((word, id) => ({ key: word.slice(0, 1), at: Number(word.slice(1)), id }));
const name = ({ key, at }: Event) => `${key}${at}`;
const script = (all: readonly Event[]) => all.map((value) => ({ value }));
const source = (...texts: readonly string[]) => new ScriptedSource(texts.map((text) => script(events(text))));
const batch = { runtimeMode: 'batch' } as const;

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'millrace-batch-test-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));
refuseUnhandledRejections();

describe('batch mode', () => {
  it('shows in the plan', () => {
    const { env } = environment(batch);
    env.fromCollection([1]).print();
    expect(env.explain()).toMatch(/^Execution plan \(batch, /);
    expect(env.getExecutionPlan().runtimeMode).toBe('batch');
  });

  it('is chosen by `automatic` where all sources are bounded, and refuses a source that is not', () => {
    const { env } = environment({ runtimeMode: 'automatic' });
    env.fromCollection([1]).print();
    expect(env.getExecutionPlan().runtimeMode).toBe('batch');
    env
      .fromSource(
        new ScriptedSource([[]], { boundedness: 'unbounded' }),
        WatermarkStrategy.noWatermarks(),
        'live',
      )
      .print();
    expect(env.getExecutionPlan().runtimeMode).toBe('streaming');
    expect(() => env.setRuntimeMode('batch').explain()).toThrow(StreamConfigError);
  });

  it('gives a keyed function one key after the other, each by time (invariants 1 and 2)', async () => {
    const { env } = environment(batch);
    const sink = new CollectingSink<string>();
    env
      .fromSource(source('b3 a2 b1 c9 a1 b3 a2'), strategy, 'events')
      .keyBy((event) => event.key)
      .process<string>(() => ({
        processElement: (event, { timers }, out) => {
          expect(timers.currentWatermark).toBe(MIN_TIMESTAMP);
          out.collect(`${name(event)} #${event.id}`);
        },
      }))
      .sinkTo(sink);
    await env.execute('job');
    expect(sink.values).toEqual(['a1 #4', 'a2 #1', 'a2 #6', 'b1 #2', 'b3 #0', 'b3 #5', 'c9 #3']);
    // No watermark before the end.
    expect(new Set(sink.watermarks)).toEqual(new Set([MIN_TIMESTAMP]));
  });

  it('fires the event-time timers at the end of their key, then the processing-time ones', async () => {
    const { env } = environment(batch);
    const sink = new CollectingSink<string>();
    env
      .fromSource(source('a1 b5 a7'), strategy, 'events')
      .keyBy((event) => event.key)
      .process<string>(() => ({
        processElement: (event, { timers }, out) => {
          timers.registerProcessingTimeTimer(2);
          timers.registerEventTimeTimer(event.at + 100);
          timers.registerEventTimeTimer(50);
          out.collect(name(event));
        },
        onTimer: (timestamp, context, out) => {
          expect(context.timers.currentWatermark).toBe(MAX_WATERMARK);
          out.collect(`${context.currentKey} ${context.timeDomain} ${timestamp}`);
        },
      }))
      .sinkTo(sink);
    await env.execute('job');
    expect(sink.values).toEqual([
      'a1',
      'a7',
      'a event-time 50',
      'a event-time 101',
      'a event-time 107',
      'a processing-time 2',
      'b5',
      'b event-time 50',
      'b event-time 105',
      'b processing-time 2',
    ]);
  });

  it('fires no processing-time timer while a key has records left, and ends one that registers the next (invariant 3)', async () => {
    const { env, clock } = environment(batch);
    const sink = new CollectingSink<string>();
    const job = (() => {
      env
        .fromSource(new ScriptedSource([script(events('a1 '.repeat(1000) + 'b1'))]), strategy, 'events')
        .keyBy((event) => event.key)
        .process<string>((context) => {
          const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
          return {
            processElement: (_event, { timers }) => {
              if (count.value() === 0) timers.registerProcessingTimeTimer(clock.now());
              count.update((count.value() ?? 0) + 1);
              clock.advance(1);
            },
            onTimer: (timestamp, { timers, currentKey }, out) => {
              out.collect(`${currentKey}: ${count.value()}`);
              timers.registerProcessingTimeTimer(timestamp + 1000);
            },
          };
        })
        .sinkTo(sink);
      return env.executeAsync('job');
    })();
    await job.result;
    expect(sink.values).toEqual(['a: 1000', 'b: 1']);
  });

  it('merges the records of two inputs by key and time, at one time the first input first', async () => {
    const { env } = environment(batch);
    const sink = new CollectingSink<string>();
    const left = env.fromSource(source('b2 a3 a1'), strategy, 'left').keyBy((event) => event.key);
    const right = env.fromSource(source('a3 c1 a2 b2 b1'), strategy, 'right').keyBy((event) => event.key);
    left
      .connect(right)
      .map({ map1: (event) => `left ${name(event)}`, map2: (event) => `right ${name(event)}` })
      .sinkTo(sink);
    await env.execute('job');
    expect(sink.values).toEqual([
      'left a1',
      'right a2',
      'left a3',
      'right a3',
      'right b1',
      'left b2',
      'right b2',
      'right c1',
    ]);
  });

  it('passes on the last result of a rolling operation only', async () => {
    const { env } = environment(batch);
    const sink = new CollectingSink<number>();
    env
      .fromCollection([1, 2, 3, 4, 5])
      .keyBy((n) => n % 2)
      .reduce((a, b) => a + b)
      .sinkTo(sink);
    await env.execute('job');
    expect(sink.values.sort()).toEqual([6, 9]);
  });

  it('leaves operators without keys as they are: in the order of arrival', async () => {
    const { env } = environment(batch);
    const sink = new CollectingSink<string>();
    env.fromSource(source('b3 a2 b1'), strategy, 'events').map(name).sinkTo(sink);
    await env.execute('job');
    expect(sink.values).toEqual(['b3', 'a2', 'b1']);
    expect(sink.timestamps).toEqual([3, 2, 1]);
  });

  it('takes timestamps, and no watermarks, from a strategy in the middle of the stream', async () => {
    const { env } = environment(batch);
    const sink = new CollectingSink<string>();
    env
      .fromSource(
        new ScriptedSource([
          timed<string>([
            ['x', 7],
            ['y', 8],
          ]),
        ]),
        WatermarkStrategy.noWatermarks<string>(),
        'in',
      )
      .assignTimestampsAndWatermarks(
        WatermarkStrategy.forMonotonousTimestamps<string>()
          .withTimestampAssigner((_value, timestamp = 0) => timestamp * 10)
          .withEmission('on-advance'),
      )
      .sinkTo(sink);
    await env.execute('job');
    expect(sink.timestamps).toEqual([70, 80]);
    expect(sink.watermarks).toEqual([MIN_TIMESTAMP, MIN_TIMESTAMP]);
  });

  it('does not align sources', async () => {
    const { env } = environment(batch);
    const sink = new CollectingSink<string>();
    const aligned = strategy.withWatermarkAlignment('group', 1);
    const slow = env.fromSource(source('a1'), aligned, 'slow');
    env.fromSource(source('a1 a1000 a2000'), aligned, 'fast').union(slow).map(name).sinkTo(sink);
    await env.execute('job'); // under a clock that stands still
    expect(sink.values).toHaveLength(4);
  });

  it('hands on a bounded number of records at a time: a full sink is waited for', async () => {
    const { env } = environment(batch);
    let release = (): void => undefined;
    let written = 0;
    const sink = new CollectingSink<number>({
      write: () => void written++,
      backPressure: () =>
        written < 300 || written > 700 ? undefined : new Promise<void>((resolve) => (release = resolve)),
    });
    env
      .fromCollection(Array.from({ length: 2000 }, (_, i) => i))
      .keyBy((n) => n)
      .process<number>(() => ({ processElement: (n, _context, out) => out.collect(n) }))
      .sinkTo(sink);
    const job = env.executeAsync('job');
    await until(() => sink.values.length >= 300);
    expect(sink.values.length).toBeLessThanOrEqual(512);
    let hasEnded = false;
    void job.result.finally(() => (hasEnded = true));
    await until(
      () => hasEnded,
      () => release(),
    );
    expect(sink.values).toHaveLength(2000);
  });

  it('names the record that a function fails for, and the operator', async () => {
    const { env } = environment(batch);
    env
      .fromSource(source('b1 a2'), strategy, 'events')
      .keyBy((event) => event.key)
      .process<string>(() => ({ processElement: (event) => (event.key === 'b' ? boom() : undefined) }))
      .name('sums')
      .print();
    await expect(env.execute('job')).rejects.toThrow(
      `'sums' (subtask 0) failed while processing the record {"key":"b","at":1,"id":0}: boom`,
    );
  });
});

describe('batch mode beyond the memory for sorting', () => {
  const spilling = () => ({ ...batch, batchSortBufferRecords: 3, batchSpillDirectory: directory });
  const many = Array.from({ length: 100 }, (_, i) => `${'abc'[i % 3] ?? ''}${(i * 37) % 20}`).join(' ');

  it('writes to files, gives the same results, and removes the files', async () => {
    const results: string[][] = [];
    const files: number[] = [];
    for (const options of [batch, spilling()]) {
      const { env } = environment(options);
      const sink = new CollectingSink<string>({
        write: () => void files.push(readdirSync(directory).length),
      });
      env
        .fromSource(source(many), strategy, 'events')
        .keyBy((event) => event.key)
        .process<string>(() => ({
          processElement: (event, _context, out) => out.collect(`${name(event)} #${event.id}`),
        }))
        .sinkTo(sink);
      await env.execute('job');
      results.push(sink.values);
    }
    expect(results[1]).toEqual(results[0]);
    expect(new Set(files.slice(0, 100))).toEqual(new Set([0]));
    expect(Math.max(...files)).toBe(1);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('removes the files after a failure and after a cancellation', async () => {
    for (const fail of [boom, undefined]) {
      const { env } = environment(spilling());
      const cancelled = new AbortController();
      env
        .fromSource(source(many), strategy, 'events')
        .keyBy((event) => event.key)
        .process<string>(() => ({
          processElement: () => {
            expect(readdirSync(directory)).toHaveLength(1);
            if (fail === undefined) cancelled.abort();
            else fail();
          },
        }))
        .print();
      await expect(env.execute('job', { signal: cancelled.signal })).rejects.toThrow(
        fail === undefined ? 'cancelled' : 'boom',
      );
      expect(readdirSync(directory)).toEqual([]);
    }
  });

  it('refuses records that are not plain data, naming record and operator', async () => {
    const { env } = environment(spilling());
    env
      .fromCollection([1, 2, 3, 4])
      .map((n) => (n === 2 ? new Map([[() => 1, n]]) : n))
      .keyBy(() => 0)
      .process<string>(() => ({ processElement: () => undefined }))
      .name('sums')
      .print();
    const failure = await env.execute('job').catch((error: unknown) => error as Error);
    expect(String(failure)).toMatch(
      /'sums' \(subtask 0\) failed while sorting its input: 'sums' has more than 3 records to sort, and cannot write the record \{\} to disk: Cannot encode function/,
    );
    expect((failure as Error).cause).toBeInstanceOf(StreamRecordError);
  });

  it('needs room for a record', () => {
    const { env } = environment({ batchSortBufferRecords: 0 });
    env.fromCollection([1]).print();
    expect(() => env.executeAsync('job')).toThrow(
      'batchSortBufferRecords must be a whole number above 0, got 0',
    );
  });
});

describe('the state of a batch job', () => {
  it('is gone with the end of its key: the checkpoint at the end holds none (invariant 4)', async () => {
    const { env } = environment(batch);
    const storage = new MemoryStorage();
    env.enableCheckpointing({ intervalMs: 1, storage });
    const input = env.fromSource(source('a1 b5 a7'), strategy, 'events').keyBy((event) => event.key);
    input
      .process<string>((context) => {
        const count = context.getState(new ValueStateDescriptor<number>('count'));
        return {
          processElement: (event, { timers }) => {
            count.update(event.at);
            timers.registerEventTimeTimer(event.at);
          },
        };
      })
      .uid('process')
      .print();
    input
      .reduce((a) => a)
      .uid('reduce')
      .print();
    await env.execute('job');
    expect(storage.checkpoints).toHaveLength(1);
    const stateOf = (uid: string) => stateIn(storage.checkpoints[0]!, uid);
    expect(JSON.stringify(stateOf('process'))).not.toMatch(/"a"|"b"/);
    expect(JSON.stringify(stateOf('reduce'))).not.toMatch(/"a"|"b"/);
  });
});

function stateIn(checkpoint: CheckpointData, uid: string): unknown {
  const { subtasks, segments } = checkpoint.operators.find((operator) => operator.uid === uid)!;
  return [segments, (decodeState(subtasks[0]!) as { state: unknown }).state];
}
