import { describe, expect, it } from 'vitest';
import {
  ContinuousProcessingTimeTrigger,
  GlobalWindows,
  OutputTag,
  ProcessingTimeSessionWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  ValueStateDescriptor,
  WatermarkStrategy,
  type DataStream,
} from '../../src/index.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { environment } from '../support/environment.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { ScriptedSource } from '../support/scripted-source.js';

interface Event {
  readonly key: string;
  readonly at: number;
}

const strategy = WatermarkStrategy.forMonotonousTimestamps<Event>().withTimestampAssigner(
  (event) => event.at,
);
/** Events from text: `a3` is key a at time 3. */
const events = (text: string): Event[] =>
  text.split(' ').map((word) => ({ key: word.slice(0, 1), at: Number(word.slice(1)) }));
const name = ({ key, at }: Event) => `${key}${at}`;
const names = (all: Iterable<Event>) => [...all].map(name).join(' ');

/** Runs `build` in batch mode; returns its results, and what the operator with the uid `windows` has stored at the end. */
async function run(text: string, build: (stream: DataStream<Event>) => DataStream<string>) {
  const { env } = environment({ runtimeMode: 'batch' });
  const storage = new MemoryStorage();
  env.enableCheckpointing({ intervalMs: 1, storage });
  const script = events(text).map((value) => ({ value }));
  const sink = new CollectingSink<string>();
  build(env.fromSource(new ScriptedSource([script]), strategy, 'events')).sinkTo(sink);
  const result = await env.execute('job');
  const stored = storage.checkpoints[0]!.operators.map(({ subtasks, segments }) => [
    segments,
    subtasks.map((bytes) => decodeState(bytes)),
  ]);
  return {
    values: sink.values,
    dropped: result.operators.map((operator) => operator.lateRecordsDropped),
    stored: JSON.stringify(stored),
  };
}

describe('windows in batch mode', () => {
  it('drop nothing as late, whatever the disorder', async () => {
    const late = new OutputTag<Event>('late');
    const { values, dropped } = await run('a100 b1 a5 a103 b2', (stream) => {
      const windows = stream
        .keyBy((event) => event.key)
        .window(TumblingEventTimeWindows.of(10))
        .sideOutputLateData(late)
        .process<string>((_key, { window }, all, out) => out.collect(`${window.start}: ${names(all)}`));
      return windows.union(windows.getSideOutput(late).map((event) => `late ${name(event)}`));
    });
    expect(values).toEqual(['0: a5', '100: a100 a103', '0: b1 b2']);
    expect(Math.max(...dropped)).toBe(0);
  });

  it('over all records get them by time', async () => {
    const { values } = await run('c3 a2 b1 a13', (stream) =>
      stream
        .windowAll(TumblingEventTimeWindows.of(10))
        .process<string>(({ window }, all, out) => out.collect(`${window.start}: ${names(all)}`)),
    );
    expect(values).toEqual(['0: b1 a2 c3', '10: a13']);
  });

  it.each([
    ['tumbling', TumblingProcessingTimeWindows.of(1000)],
    ['session', ProcessingTimeSessionWindows.withGap(1000)],
  ])('of processing time (%s) are emitted at the end of their key', async (_name, assigner) => {
    const build = (stream: DataStream<Event>) =>
      stream
        .keyBy((event) => event.key)
        .window(assigner)
        .process<string>((_key, _context, all, out) => out.collect(names(all)));
    expect((await run('b7 a2 b1 a13', build)).values).toEqual(['a2 a13', 'b1 b7']);
    const all = (stream: DataStream<Event>) =>
      stream.windowAll(assigner).process<string>((_context, found, out) => out.collect(names(found)));
    expect((await run('b7 a2 b1 a13', all)).values).toEqual(['b1 a2 b7 a13']);
  });

  it('of a count are emitted when they are full; what is left at the end of the key is not kept', async () => {
    const { values, stored } = await run('a5 b2 a1 a3 b9 a4 b3 a2', (stream) =>
      stream
        .keyBy((event) => event.key)
        .countWindow(2)
        .process<string>((_key, _context, all, out) => out.collect(names(all))),
    );
    expect(values).toEqual(['a1 a2', 'a3 a4', 'b2 b3']);
    expect(stored).not.toMatch(/"a"|"b"/);
  });

  it('with a trigger that would fire for ever end with their key', async () => {
    const { values, stored } = await run('a1 b1 a2', (stream) =>
      stream
        .keyBy((event) => event.key)
        .window(GlobalWindows.create())
        .trigger(ContinuousProcessingTimeTrigger.of(1000))
        .process<string>((_key, _context, all, out) => out.collect(names(all))),
    );
    expect(values).toEqual(['a1 a2', 'b1']);
    expect(stored).not.toMatch(/"a"|"b"/);
  });

  it('forget the state of their function with the key', async () => {
    const count = new ValueStateDescriptor<number>('count', { defaultValue: 0 });
    const { values, stored } = await run('b1 a1 a15 b15', (stream) =>
      stream
        .keyBy((event) => event.key)
        .window(TumblingEventTimeWindows.of(10))
        .process<string>((key, { globalState }, _all, out) => {
          const state = globalState.getState(count);
          state.update((state.value() ?? 0) + 1);
          out.collect(`${key}: ${state.value()}`);
        }),
    );
    expect(values).toEqual(['a: 1', 'a: 2', 'b: 1', 'b: 2']);
    expect(stored).not.toMatch(/"a"|"b"/);
  });
});
