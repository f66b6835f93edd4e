/** The file sink against a file system that loses what was not made durable, killed between any two of its steps. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileSink, type CommittedFiles } from '../../src/connectors/file-sink.js';
import type { RollingOptions } from '../../src/connectors/rolling-policy.js';
import { Crash, MemoryFileSystem } from '../support/memory-file-system.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { Random } from '../support/random.js';
import { SinkRuns } from '../support/sink-runs.js';

interface Schedule {
  readonly seed: number;
  readonly records: number;
  readonly buckets: number;
  readonly rolling: RollingOptions;
  readonly maxBufferedBytes: number;
  readonly maxOpenFiles: number;
  /** One more run comes at the end, which is not disturbed. */
  readonly runs: readonly {
    readonly parallelism: number;
    readonly crashAfter: number;
    readonly isPowerCut: boolean;
  }[];
}

/** Runs to the end; the number of steps of the last run. */
async function runAll(
  schedule: Schedule,
): Promise<{ files: MemoryFileSystem; announced: CommittedFiles[]; steps: number }> {
  const files = new MemoryFileSystem(schedule.seed);
  const random = new Random(schedule.seed);
  const announced: CommittedFiles[] = [];
  const { rolling, maxBufferedBytes, maxOpenFiles } = schedule;
  const sink = FileSink.forNdjson<number>({
    directory: '/data/out',
    rolling,
    maxBufferedBytes,
    maxOpenFiles,
    bucketAssigner: (n) => `b${n % schedule.buckets}/x/y`,
    fileSystem: files,
    onCommit: (committed) => void announced.push(committed),
  });
  const runs = new SinkRuns(sink as never, schedule.records);
  let steps = 0;
  for (const { parallelism, crashAfter, isPowerCut } of [
    ...schedule.runs,
    { parallelism: 1, crashAfter: Infinity, isPowerCut: true },
  ]) {
    files.crashAfter(crashAfter);
    steps = files.steps;
    try {
      await runs.run({ parallelism, clock: new ManualClock(), random });
    } catch (error) {
      if (!(error instanceof Crash) && !((error as Error).cause instanceof Crash)) throw error;
    }
    steps = files.steps - steps;
    files.restart(isPowerCut);
  }
  return { files, announced, steps };
}

function expectExactlyOnce(
  { files, announced }: Awaited<ReturnType<typeof runAll>>,
  schedule: Schedule,
): void {
  const seen: number[] = [];
  for (const [path, text] of files.files()) {
    const numbers = text.trimEnd().split('\n').map(Number);
    for (const n of numbers)
      expect(path).toContain(`/data/out/b${n % schedule.buckets}/x/y/part-01234567-out-`);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    seen.push(...numbers);
  }
  expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: schedule.records }, (_, n) => n));
  expect(new Set(announced.flatMap((committed) => committed.files.map(({ path }) => path)))).toEqual(
    new Set(files.files().keys()),
  );
  expect([...files.files(true)]).toEqual([]);
}

const schedules: fc.Arbitrary<Schedule> = fc.record({
  seed: fc.integer(),
  records: fc.integer({ min: 0, max: 80 }),
  buckets: fc.integer({ min: 1, max: 4 }),
  rolling: fc.record({
    maxBytes: fc.constantFrom(1, 10, 50, 1000),
    maxRecords: fc.constantFrom(1, 3, 1000),
    maxAgeMs: fc.constantFrom(1, 40, 100_000),
    maxIdleMs: fc.constantFrom(1, 40, 100_000),
    everyCheckpoint: fc.boolean(),
  }),
  maxBufferedBytes: fc.constantFrom(1, 20, 1000),
  maxOpenFiles: fc.integer({ min: 1, max: 3 }),
  runs: fc.array(
    fc.record({
      parallelism: fc.integer({ min: 1, max: 3 }),
      crashAfter: fc.integer({ min: 0, max: 250 }),
      isPowerCut: fc.boolean(),
    }),
    { maxLength: 6 },
  ),
});

describe('a file sink that crashes', () => {
  it('writes every record exactly once, whenever it is killed and however it is rescaled', async () => {
    await fc.assert(
      fc.asyncProperty(schedules, async (schedule) => expectExactlyOnce(await runAll(schedule), schedule)),
      { numRuns: 300 },
    );
  });

  it.each([false, true])(
    'does so with a crash between any two of its steps, and rescaled 1 → 2 → 3 → 1; power cut: %s',
    async (isPowerCut) => {
      const schedule = (crashAfter: number, seed: number): Schedule => ({
        seed,
        records: 30,
        buckets: 1,
        rolling: { maxRecords: 6 },
        maxBufferedBytes: 20,
        maxOpenFiles: 2,
        runs: [
          { parallelism: 1, crashAfter, isPowerCut },
          { parallelism: 2, crashAfter: 60, isPowerCut },
          { parallelism: 3, crashAfter: 60, isPowerCut },
        ],
      });
      const { steps } = await runAll({ ...schedule(0, 1), runs: [] });
      expect(steps).toBeGreaterThan(50);
      for (let crashAfter = 0; crashAfter <= 2 * steps; crashAfter++) {
        for (const seed of [1, 2, 3, 4])
          expectExactlyOnce(await runAll(schedule(crashAfter, seed)), schedule(crashAfter, seed));
      }
    },
  );
});
