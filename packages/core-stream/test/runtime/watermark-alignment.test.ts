import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  WatermarkStrategy,
  type PollStatus,
  type ReaderOutput,
  type Source,
  type SourceReader,
  type SourceReaderContext,
  type SourceSplit,
  type SplitEnumeratorContext,
} from '../../src/index.js';
import { maxAllowedWatermark } from '../../src/runtime/watermark-alignment.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { failureOf, quiet, until } from '../support/conditions.js';
import { environment, numbers, refuseUnhandledRejections } from '../support/environment.js';
import type { ManualClock } from '../support/manual-clock.js';
import { PAUSE, ScriptedSource, timed } from '../support/scripted-source.js';

refuseUnhandledRejections();

const aligned = (maxDriftMs: number, updateIntervalMs?: number) =>
  WatermarkStrategy.forMonotonousTimestamps<number>()
    .withEmission('on-advance')
    .withWatermarkAlignment('group', maxDriftMs, updateIntervalMs);
/** Records of a value that is their time. */
const times = (count: number, from = 0) => timed(numbers(count).map((n) => [from + n, from + n] as const));

async function pass(clock: ManualClock, ms: number, stepMs = 10): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(stepMs);
    await quiet(8);
  }
}

describe('watermark alignment, the decision', () => {
  const report = fc.record({
    watermark: fc.oneof(fc.integer({ min: -20, max: 20 }), fc.constant(-Infinity)),
    hasSplits: fc.boolean(),
    isIdle: fc.boolean(),
    hasEnded: fc.boolean(),
  });

  it('invariants 1 and 2: stops who is too far ahead of the lowest that counts, and never that one', () => {
    fc.assert(
      fc.property(fc.array(report), fc.integer({ min: 0, max: 10 }), (reports, drift) => {
        const allowed = maxAllowedWatermark(reports, drift);
        const counting = reports.filter((one) => one.hasSplits && !one.isIdle && !one.hasEnded);
        const tooFar = (one: (typeof reports)[number]) =>
          counting.some((other) => one.watermark > other.watermark + drift);
        for (const one of reports) expect(one.watermark > allowed).toBe(tooFar(one));
        if (counting.length > 0) expect(counting.some((one) => one.watermark <= allowed)).toBe(true);
        else expect(allowed).toBe(Infinity);
      }),
      { numRuns: 300 },
    );
  });
});

describe('watermark alignment in a job', () => {
  it('stops the source that is ahead until the other has caught up', async () => {
    const { clock, env } = environment({ autoWatermarkIntervalMs: 10 });
    // The pause lets the first look of the alignment come before the first poll.
    const fast = new ScriptedSource<number>([[PAUSE, ...times(20_000)]], { batch: 100 });
    const slow = new ScriptedSource<number>([[...times(10), PAUSE, ...times(990, 10), PAUSE, ...times(1)]]);
    const sink = new CollectingSink<number>();
    env.fromSource(fast, aligned(500, 50), 'Fast').sinkTo(sink);
    env.fromSource(slow, aligned(500, 50), 'Slow').sinkTo(sink);
    const job = env.executeAsync('aligned');
    await until(() => slow.emitted === 10);
    await pass(clock, 100);
    fast.resume();
    slow.resumes = 0;
    await pass(clock, 500);
    // 8 (the slow one's watermark) + 500 (the drift), and the batch in which that was passed.
    expect(fast.emitted).toBeGreaterThan(508);
    expect(fast.emitted).toBeLessThanOrEqual(700);
    slow.resume();
    await pass(clock, 500);
    expect(slow.emitted).toBe(1000);
    expect(fast.emitted).toBeGreaterThan(1498);
    expect(fast.emitted).toBeLessThanOrEqual(1700);
    slow.resume();
    await pass(clock, 500);
    // The slow one has ended and does not count any more.
    expect(fast.emitted).toBe(20_000);
    await job.result;
    expect(clock.pending).toBe(0);
  });

  it('does not count a source that is idle, nor declares the stopped one idle', async () => {
    const { clock, env } = environment({ autoWatermarkIntervalMs: 10 });
    const ahead = new ScriptedSource<number>([[PAUSE, ...times(2000)]], { batch: 100 });
    const silent = new ScriptedSource<number>([[...times(5), PAUSE]]);
    const sink = new CollectingSink<number>();
    const idleLog: boolean[] = [];
    const watch = env.fromSource(ahead, aligned(100, 50).withIdleness(300), 'Ahead');
    watch
      .transform<number>('Watch', () => ({
        processElement: () => undefined,
        processWatermark: () => undefined,
        processIdle: (isIdle) => void idleLog.push(isIdle),
      }))
      .sinkTo(sink);
    env.fromSource(silent, aligned(100, 50).withIdleness(600), 'Silent').sinkTo(sink);
    const job = env.executeAsync('idle');
    await until(() => silent.emitted === 5);
    await pass(clock, 100);
    ahead.resume();
    silent.resumes = 0;
    await pass(clock, 350);
    expect(ahead.emitted).toBeGreaterThan(0);
    expect(ahead.emitted).toBeLessThan(400);
    expect(idleLog).toEqual([]);
    await pass(clock, 400);
    expect(ahead.emitted).toBe(2000);
    expect(idleLog).toEqual([]);
    silent.resume();
    await job.result;
  });

  it('keeps the readers of one source together, and not those of another group', async () => {
    const { clock, env } = environment({ autoWatermarkIntervalMs: 10, parallelism: 2 });
    const own = new ScriptedSource<number>(
      [
        [...times(5), PAUSE],
        [PAUSE, ...times(2000)],
      ],
      { batch: 50 },
    );
    const other = new ScriptedSource<number>([[PAUSE, ...times(2000)]], { batch: 50 });
    const otherGroup = WatermarkStrategy.forMonotonousTimestamps<number>().withWatermarkAlignment(
      'other',
      0,
      50,
    );
    env.fromSource(own, aligned(100, 50), 'Own').sinkTo(new CollectingSink());
    env.fromSource(other, otherGroup, 'Other').setParallelism(1).sinkTo(new CollectingSink());
    const job = env.executeAsync('groups');
    await until(() => own.emitted === 5);
    await pass(clock, 100);
    own.resume();
    other.resume();
    own.resumes = 0;
    await pass(clock, 300);
    expect(other.emitted).toBe(2000);
    // Split 0 has passed its pause as well and ended, so split 1 may go on.
    expect(own.emitted).toBe(2005);
    await job.result;
  });

  it('pauses the splits of a reader that are ahead, where the reader can do that', async () => {
    const { clock, env } = environment({ autoWatermarkIntervalMs: 10 });
    const source = new TwoSpeedSource();
    env.fromSource(source, aligned(100, 50), 'In').sinkTo(new CollectingSink());
    const job = env.executeAsync('splits');
    await pass(clock, 1000, 1);
    expect(source.log[0]).toEqual({ toPause: ['fast'], toResume: [] });
    expect(source.log[1]).toEqual({ toPause: [], toResume: ['fast'] });
    // The drift, and what the fast one gains between two looks; without alignment it would be 9,000.
    expect(source.maxGap).toBeLessThan(700);
    job.cancel();
    await failureOf(job.result);
  });

  it('is refused where it cannot work', () => {
    const strategy = WatermarkStrategy.forMonotonousTimestamps<number>();
    expect(() => strategy.withWatermarkAlignment('g', -1)).toThrow("'g'");
    expect(() => strategy.withWatermarkAlignment('g', Infinity)).toThrow('maxDriftMs');
    expect(() => strategy.withWatermarkAlignment('g', 1, 0)).toThrow('updateIntervalMs');
    expect(() => WatermarkStrategy.noWatermarks().withWatermarkAlignment('g', 1)).toThrow('noWatermarks()');
    const { env } = environment();
    const stream = env.fromCollection([1]);
    expect(() => stream.assignTimestampsAndWatermarks(strategy.withWatermarkAlignment('g', 1))).toThrow(
      'works on a source',
    );
  });
});

/** One reader with two splits: per millisecond the slow one gets on by 1, the fast one by 10. */
class TwoSpeedSource implements Source<number> {
  readonly boundedness = 'unbounded';
  readonly log: { toPause: readonly string[]; toResume: readonly string[] }[] = [];
  maxGap = 0;

  createEnumerator(context: SplitEnumeratorContext<SourceSplit>) {
    return {
      start: () => undefined,
      handleSplitRequest: (subtaskIndex: number) =>
        ['slow', 'fast'].forEach((splitId) => context.assignSplit({ splitId }, subtaskIndex)),
      addSplitsBack: () => undefined,
      snapshotState: () => undefined,
    };
  }

  createReader({ requestSplit, clock }: SourceReaderContext): SourceReader<number, SourceSplit> {
    const at = { slow: 0, fast: 0 };
    let isPaused = false;
    let outputs: { slow: ReaderOutput<number>; fast: ReaderOutput<number> } | undefined;
    return {
      start: requestSplit,
      pollNext: (output): PollStatus => {
        outputs ??= { slow: output.forSplit('slow'), fast: output.forSplit('fast') };
        outputs.slow.collect(at.slow, at.slow++);
        if (!isPaused) outputs.fast.collect(at.fast, (at.fast += 10));
        this.maxGap = Math.max(this.maxGap, at.fast - at.slow);
        return 'wait';
      },
      isAvailable: () => new Promise((resolve) => void clock.schedule(1, resolve)),
      addSplits: () => undefined,
      notifyNoMoreSplits: () => undefined,
      snapshotState: () => [],
      pauseOrResumeSplits: (toPause, toResume) => {
        this.log.push({ toPause, toResume });
        isPaused = toPause.includes('fast') || (isPaused && !toResume.includes('fast'));
      },
    };
  }
}
