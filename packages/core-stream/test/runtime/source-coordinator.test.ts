import { describe, expect, it } from 'vitest';
import {
  StreamExecutionEnvironment,
  WatermarkStrategy,
  type Source,
  type SourceSplit,
  type SplitEnumeratorContext,
} from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive, failureOf, quiet, until } from '../support/conditions.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { decodeState } from '../../src/state/canonical-decoding.js';

interface NumberSplit extends SourceSplit {
  readonly value: number;
}

/** Each split is one record. What the enumerator does is the test's. */
function sourceOf(
  start: (context: SplitEnumeratorContext<NumberSplit>) => void,
  onRequest: (context: SplitEnumeratorContext<NumberSplit>) => void = () => undefined,
): Source<number, NumberSplit, number> & { unassigned: number } {
  const source = {
    boundedness: 'bounded' as const,
    unassigned: 0,
    createEnumerator: (context: SplitEnumeratorContext<NumberSplit>) => ({
      start: () => start(context),
      handleSplitRequest: () => onRequest(context),
      addSplitsBack: () => undefined,
      snapshotState: () => source.unassigned,
    }),
    createReader: () => {
      let splits: readonly NumberSplit[] = [];
      let isLast = false;
      return {
        start: () => undefined,
        pollNext: (output: { collect(value: number): void }) => {
          for (const { value } of splits) output.collect(value);
          splits = [];
          return isLast ? ('end' as const) : ('wait' as const);
        },
        isAvailable: () => new Promise<void>(() => undefined),
        addSplits: (more: readonly NumberSplit[]) => void (splits = [...splits, ...more]),
        notifyNoMoreSplits: () => void (isLast = true),
        snapshotState: () => splits,
      };
    },
  };
  return source;
}

function run(source: Source<number, NumberSplit, number>, storage?: MemoryStorage) {
  const clock = new ManualClock();
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ clock });
  if (storage !== undefined) env.enableCheckpointing({ intervalMs: 10, storage });
  const sink = new CollectingSink<number>();
  env.fromSource(source, WatermarkStrategy.noWatermarks<number>(), 'Feed').sinkTo(sink);
  return { clock, sink, job: env.executeAsync('enumerated') };
}

describe('what an enumerator can do', () => {
  it('looks for splits again and again, off its turn, and hands them out', async () => {
    let looks = 0;
    const { clock, sink, job } = run(
      sourceOf((context) => {
        context.callAsync(
          () => Promise.resolve(++looks),
          (look) => {
            if (look < 4) context.assignSplit({ splitId: String(look), value: look }, 0);
            else context.signalNoMoreSplits(0);
          },
          { delayMs: 5, periodMs: 100 },
        );
      }),
    );
    await quiet();
    expect(looks).toBe(0);
    clock.advance(5);
    await until(() => sink.values.length === 1);
    clock.advance(99);
    await quiet();
    expect(looks).toBe(1);
    for (let i = 0; i < 3; i++) {
      clock.advance(100);
      await quiet();
    }
    await job.result;
    expect(sink.values).toEqual([1, 2, 3]);
    clock.advance(1000);
    await quiet();
    expect(looks).toBe(4);
  });

  it.each<[string, Source<number, NumberSplit, number>]>([
    [
      'a look that rejects',
      sourceOf((context) =>
        context.callAsync(
          () => Promise.reject(new Error('away')),
          () => undefined,
        ),
      ),
    ],
    ['a handler that throws', sourceOf((context) => context.callAsync(() => Promise.resolve(), away))],
    ['a start that throws', sourceOf(away)],
    ['a reader that is not there', sourceOf((context) => context.assignSplit({ splitId: 'x', value: 1 }, 7))],
  ])('%s fails the job, named', async (_what, source) => {
    const { clock, job } = run(source);
    const error = await failureOf(drive(job, clock));
    expect(error).toMatchObject({ code: 'MILLRACE_OPERATOR', details: { operator: 'Feed' } });
    expect(error.message).toMatch(
      /'Feed' \(subtask 0\) failed while finding splits: (away|there is no reader 7)/,
    );
  });

  it('checkpoint driver invariant 1: a split is in the enumerator’s state or in a reader’s, never in both, never in none', async () => {
    const storage = new MemoryStorage();
    let context: SplitEnumeratorContext<NumberSplit> | undefined;
    const source = sourceOf((given) => (context = given));
    source.unassigned = 200;
    const { clock, sink, job } = run(source, storage);
    await until(() => context !== undefined);
    for (let i = 0; i < 200; i++) {
      source.unassigned--;
      context?.assignSplit({ splitId: String(i), value: i }, 0);
      if (i % 3 === 0) clock.advance(10);
      if (i % 4 === 0) await quiet(2);
    }
    context?.signalNoMoreSplits(0);
    await drive(job, clock);
    expect(storage.checkpoints.length).toBeGreaterThan(5);
    for (const { enumerators, operators } of storage.checkpoints) {
      const unassigned = decodeState(enumerators[0]?.bytes ?? new Uint8Array()) as number;
      const [reader, sinkState] = operators.map(({ subtasks }) => decodeState(subtasks[0]!)) as [
        { state: { splits: unknown[] } },
        { metrics: { recordsIn: number } },
      ];
      expect(unassigned + reader.state.splits.length + sinkState.metrics.recordsIn).toBe(200);
    }
    expect(sink.values).toHaveLength(200);
  });
});

function away(): never {
  throw new Error('away');
}
