import { describe, expect, it } from 'vitest';
import {
  ListStateDescriptor,
  OutputTag,
  StreamExecutionEnvironment,
  ValueStateDescriptor,
  WatermarkStrategy,
  type KeyedProcessFunctionFactory,
} from '../../src/index.js';
import { readRows } from '../../src/checkpoint/segment-reader.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf, until } from '../support/conditions.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { PAUSE, ScriptedSource, timed, type ScriptStep } from '../support/scripted-source.js';

const strategy = WatermarkStrategy.forMonotonousTimestamps<string>().withEmission('on-advance');

function start(
  steps: readonly ScriptStep<string>[],
  create: KeyedProcessFunctionFactory<string, string, string>,
  options: { storage?: MemoryStorage; clock?: ManualClock; source?: ScriptedSource<string> } = {},
) {
  const clock = options.clock ?? new ManualClock(1000);
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
  if (options.storage !== undefined) env.enableCheckpointing({ intervalMs: 10, storage: options.storage });
  const sink = new CollectingSink<string>();
  const source = options.source ?? new ScriptedSource([steps]);
  env
    .fromSource(source, strategy, 'words')
    .keyBy((word) => word[0] ?? '')
    .process(create)
    .sinkTo(sink);
  return { clock, sink, source, job: env.executeAsync('keyed process') };
}

describe('keyed process functions', () => {
  it('keyed function invariant 1: event-time timers fire in order, before the watermark is passed on', async () => {
    const run = start(
      timed([
        ['b', 1],
        ['a', 2],
        ['a', 3],
        ['c', 50],
      ]),
      () => ({
        processElement(word, { timers }) {
          if (word === 'c') return;
          timers.registerEventTimeTimer(word === 'b' ? 20 : 10);
          timers.registerEventTimeTimer(15);
        },
        onTimer: (timestamp, context, out) =>
          out.collect(`${context.currentKey}@${timestamp}/${context.timeDomain}`),
      }),
    );
    await drive(run.job, run.clock);
    expect(run.sink.values).toEqual([
      'a@10/event-time',
      'b@15/event-time',
      'a@15/event-time',
      'b@20/event-time',
    ]);
    expect(run.sink.timestamps).toEqual([10, 15, 15, 20]);
    expect(run.sink.watermarks).toEqual([2, 2, 2, 2]);
  });

  it('keyed function invariant 1: timers that a timer sets fire in order too', async () => {
    const run = start(
      timed([
        ['a', 1],
        ['z', 100],
      ]),
      () => ({
        processElement(word, { timers }) {
          if (word === 'a') [10, 20].forEach((at) => timers.registerEventTimeTimer(at));
        },
        onTimer(timestamp, { timers }, out) {
          out.collect(String(timestamp));
          if (timestamp === 10) [15, 5, 500].forEach((at) => timers.registerEventTimeTimer(at));
        },
      }),
    );
    await drive(run.job, run.clock);
    expect(run.sink.values).toEqual(['10', '5', '15', '20', '500']);
  });

  it('keyed function invariant 2: a timer at or below the watermark fires after its record, before the next', async () => {
    const run = start(
      timed([
        ['a1', 100],
        ['a2', 101],
        ['a3', 102],
      ]),
      () => ({
        processElement(word, { timers, currentWatermark }, out) {
          out.collect(word);
          timers.registerEventTimeTimer(currentWatermark);
          timers.registerEventTimeTimer(7);
          out.collect(`${word} done`);
        },
        onTimer: (timestamp, _context, out) => out.collect(String(timestamp)),
      }),
    );
    await drive(run.job, run.clock);
    const [a1, a2, a3] = ['a1', 'a2', 'a3'].map((word) => [word, `${word} done`]);
    expect(run.sink.values).toEqual([
      ...(a1 ?? []),
      // Before the first watermark, −∞ is the time that was reached.
      '-Infinity',
      '7',
      ...(a2 ?? []),
      '7',
      '99',
      ...(a3 ?? []),
      '7',
      '100',
    ]);
  });

  it('a deleted timer does not fire, one that is set twice fires once', async () => {
    const run = start(timed([['a', 1]]), () => ({
      processElement(_word, { timers }) {
        [10, 20, 20, 30].forEach((at) => timers.registerEventTimeTimer(at));
        timers.deleteEventTimeTimer(10);
        timers.registerProcessingTimeTimer(2000);
        timers.deleteProcessingTimeTimer(2000);
      },
      onTimer(timestamp, { timers }, out) {
        out.collect(String(timestamp));
        timers.deleteEventTimeTimer(30);
      },
    }));
    await drive(run.job, run.clock);
    expect(run.sink.values).toEqual(['20']);
  });

  it('processing-time timers fire when the clock gets there, in order, and their records have no timestamp', async () => {
    const run = start(
      [
        ...timed([
          ['a', 1],
          ['b', 2],
        ]),
        PAUSE,
      ],
      () => ({
        processElement(word, { timers }) {
          timers.registerProcessingTimeTimer(word === 'a' ? 1500 : 1200);
          timers.registerProcessingTimeTimer(1800);
        },
        onTimer: (timestamp, context, out) =>
          out.collect(
            `${context.currentKey}@${timestamp}/${context.timeDomain} ${context.currentProcessingTime()}`,
          ),
      }),
    );
    await until(() => run.source.emitted === 2);
    run.clock.advance(199);
    await until(() => run.sink.values.length === 0);
    run.clock.advance(1);
    await until(() => run.sink.values.length === 1);
    run.clock.advance(600);
    await until(() => run.sink.values.length === 4);
    expect(run.sink.values).toEqual([
      'b@1200/processing-time 1200',
      'a@1500/processing-time 1800',
      'a@1800/processing-time 1800',
      'b@1800/processing-time 1800',
    ]);
    expect(run.sink.timestamps).toEqual([undefined, undefined, undefined, undefined]);
    run.source.resume();
    await drive(run.job, run.clock);
  });

  it('keyed function invariant 3: at the end of input event-time timers fire, processing-time timers do not', async () => {
    const storage = new MemoryStorage();
    const clock = new ManualClock(1000);
    const create: KeyedProcessFunctionFactory<string, string, string> = () => ({
      processElement(_word, { timers }) {
        timers.registerEventTimeTimer(1e15);
        timers.registerProcessingTimeTimer(1_000_000);
      },
      onTimer: (_timestamp, { timeDomain }, out) => out.collect(timeDomain),
    });
    const first = start(timed([['a', 1]]), create, { clock, storage });
    await drive(first.job, clock);
    expect(first.sink.values).toEqual(['event-time']);
    const stored = storage.checkpoints.at(-1)!.operators.find(({ uid }) => uid.includes('keyedprocess'))!;
    const rows = await readRows(storage, stored.segments, { start: 0, end: stored.maxParallelism });
    expect(rows.tables().flatMap((table) => [...rows.rows(table)])).toEqual([]);
    // Nor do they when the finished job is started again, long after.
    clock.advance(2_000_000);
    const again = start(timed([['a', 1]]), create, { clock, storage });
    await drive(again.job, clock);
    expect(again.sink.values).toEqual([]);
  });

  it('timers and state of both kinds go on after a restart', async () => {
    const storage = new MemoryStorage();
    const clock = new ManualClock(1000);
    const source = new ScriptedSource([[...timed([['a', 1]]), PAUSE, ...timed([['b', 2]])]]);
    const create: KeyedProcessFunctionFactory<string, string, string> = (context) => {
      const words = context.getListState(new ListStateDescriptor<string>('words'));
      return {
        processElement(word, { timers }) {
          words.add(word);
          timers.registerEventTimeTimer(10);
          timers.registerProcessingTimeTimer(1100);
        },
        onTimer: (timestamp, { currentKey }, out) =>
          out.collect(`${currentKey}@${timestamp} ${words.get().join()}`),
      };
    };
    const first = start([], create, { clock, storage, source });
    await until(() => source.emitted === 1);
    clock.advance(10);
    await until(() => storage.lastId === 1);
    first.job.cancel();
    await failureOf(first.job.result);
    clock.advance(1000); // the timer's time passes while nothing runs
    const second = start([], create, { clock, storage, source });
    await until(
      () => second.sink.values.length === 1,
      () => clock.advance(1),
    );
    expect(second.sink.values).toEqual(['a@1100 a']);
    source.resume();
    await drive(second.job, clock, 0);
    expect(second.sink.values).toEqual(['a@1100 a', 'a@10 a', 'b@10 b']);
  });

  it('names the operator in what a processing-time timer throws', async () => {
    const run = start([...timed([['a', 1]]), PAUSE], () => ({
      processElement: (_word, { timers }) => timers.registerProcessingTimeTimer(1001),
      onTimer: () => {
        throw new Error('out of luck');
      },
    }));
    await until(() => run.source.emitted === 1);
    run.clock.advance(1);
    const error = await failureOf(run.job.result);
    expect(error).toMatchObject({
      code: 'MILLRACE_OPERATOR',
      details: { operator: 'KeyedProcess', subtask: 0 },
    });
    expect(error.message).toContain('out of luck');
  });

  it.each([NaN, undefined, '5'])('refuses %s as a timer', async (timestamp) => {
    const run = start(timed([['a', 1]]), () => ({
      processElement: (_word, { timers }) => timers.registerEventTimeTimer(timestamp as number),
    }));
    expect((await failureOf(run.job.result)).message).toContain(
      'A timer needs a timestamp in epoch milliseconds',
    );
  });

  it('state of one key is not seen by another; a side output has the timestamp of the record', async () => {
    const clock = new ManualClock();
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock, parallelism: 3 });
    const tag = new OutputTag<string>('firsts');
    const firsts = new CollectingSink<string>();
    const counts = new CollectingSink<string>();
    const processed = env
      .fromSource(
        new ScriptedSource([
          timed([
            ['a', 1],
            ['b', 2],
            ['a', 3],
          ]),
        ]),
        strategy,
        'words',
      )
      .keyBy((word) => word)
      .process<string>((context) => {
        const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
        return {
          processElement(word, own, out) {
            count.update((count.value() ?? 0) + 1);
            if (count.value() === 1) own.output(tag, word);
            out.collect(`${word}${String(count.value())} of ${own.currentKey} at ${String(own.timestamp)}`);
          },
        };
      });
    processed.sinkTo(counts).setParallelism(1);
    processed.getSideOutput(tag).sinkTo(firsts).setParallelism(1);
    await drive(env.executeAsync('isolation'), clock);
    expect(counts.values.sort()).toEqual(['a1 of a at 1', 'a2 of a at 3', 'b1 of b at 2']);
    expect(firsts.values.sort()).toEqual(['a', 'b']);
    expect(firsts.timestamps.sort()).toEqual([1, 2]);
  });
});
