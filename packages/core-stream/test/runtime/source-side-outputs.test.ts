import { expect, it } from 'vitest';
import {
  OutputTag,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type ReaderOutput,
  type Source,
  type SourceReaderContext,
  type SourceSplit,
  type SplitEnumeratorContext,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';

const odd = new OutputTag<number>('odd');

/** Numbers below 5; odd ones go aside. */
function numbers(sideOutputs: readonly OutputTag<unknown>[] | undefined): Source<number> {
  return {
    boundedness: 'bounded',
    ...(sideOutputs && { sideOutputs }),
    createEnumerator: (context: SplitEnumeratorContext<SourceSplit>) => ({
      start: () => undefined,
      handleSplitRequest: (subtask) => context.signalNoMoreSplits(subtask),
      addSplitsBack: () => undefined,
      snapshotState: () => undefined,
    }),
    createReader: (context: SourceReaderContext) => ({
      start: () => undefined,
      pollNext: (output: ReaderOutput<number>) => {
        if (context.subtaskIndex === 0) {
          const split = output.forSplit('s');
          for (let i = 0; i < 5; i++) {
            if (i % 2 === 0) split.collect(i, i);
            else split.sideOutput(odd, i, i);
          }
        }
        return 'end';
      },
      isAvailable: () => Promise.resolve(),
      addSplits: () => undefined,
      notifyNoMoreSplits: () => undefined,
      snapshotState: () => [],
    }),
  };
}

function run(source: Source<number>) {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const [main, aside] = [new CollectingSink<number>(), new CollectingSink<number>()];
  const stream = env.fromSource(source, WatermarkStrategy.noWatermarks(), 'numbers');
  stream.sinkTo(main);
  stream.getSideOutput(odd).sinkTo(aside);
  return { main, aside, execute: () => env.execute('numbers') };
}

it('a source emits to the side outputs that it names', async () => {
  const { main, aside, execute } = run(numbers([odd]));
  const result = await execute();
  expect([main.values, aside.values]).toEqual([
    [0, 2, 4],
    [1, 3],
  ]);
  expect(result.operators.find(({ name }) => name === 'numbers')?.sideOutputs).toEqual({ odd: 2 });
});

it('reading another one is refused when the graph is built', async () => {
  await expect(run(numbers(undefined)).execute()).rejects.toThrow('names the tag in its `sideOutputs`');
});
