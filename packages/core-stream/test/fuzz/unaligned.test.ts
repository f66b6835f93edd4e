/**
 * Random programs whose checkpoints overtake at random moments, under random schedules: they fail, and go on at the same and
 * at other parallelisms, with other chains.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamExecutionEnvironment } from '../../src/index.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import type { SubtaskState } from '../../src/runtime/task.js';
import { hasRecords } from '../../src/runtime/restored-in-flight.js';
import { drive } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { Random } from '../support/random.js';
import { withRandomTurns } from '../support/random-turns.js';
import { build, makeSources, programs, resolve, type ProgramSpec } from './program.js';

/** More runs, and other ones: for a search in the background. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 100);
const SEED = process.env.FUZZ_SEED === undefined ? {} : { seed: Number(process.env.FUZZ_SEED) };
const MAX_RUNS = 25;

const settings = fc.record({
  parallelism: fc.integer({ min: 1, max: 3 }),
  maxParallelism: fc.constantFrom(3, 16, 128),
  codeGeneration: fc.constantFrom('auto' as const, 'off' as const),
  isRescaled: fc.boolean(),
  seed: fc.integer(),
});

/** Returns how often a job went on from a checkpoint with records in flight. */
async function runToItsEnd(
  spec: ProgramSpec,
  {
    isRescaled,
    seed,
    ...options
  }: { isRescaled: boolean; seed: number; parallelism: number; maxParallelism: number },
): Promise<number> {
  const program = resolve(spec);
  const sources = makeSources(program, true);
  const random = new Random(seed);
  const clock = new ManualClock();
  const storage = new MemoryStorage();
  const systems = program.shown.map(() => new ExternalSystem<string>());
  let faultsLeft = random.below(6);
  let untilFault = random.below(100);
  let restored = 0;
  const fault = (point: string) => {
    if (faultsLeft === 0 || untilFault-- > 0) return;
    faultsLeft--;
    untilFault = random.below(100);
    throw new Error(`injected: ${point}`);
  };
  storage.beforeWrite = () => fault('before write');
  storage.afterWrite = () => fault('after write');
  for (let run = 0; ; run++) {
    const env = StreamExecutionEnvironment.getExecutionEnvironment({
      ...options,
      parallelism: run === 0 || !isRescaled ? options.parallelism : 1 + random.below(3),
      operatorChaining: random.below(2) === 0,
      clock,
      autoWatermarkIntervalMs: 3,
    });
    env.enableCheckpointing({
      intervalMs: 1 + random.below(20),
      storage,
      alignedTimeoutMs: random.below(4),
      ...(random.below(3) === 0 ? { timeoutMs: 8 + random.below(80), tolerableFailures: 1e9 } : {}),
    });
    build(env, program, sources, (sink) => new TransactionalSink(systems[sink]!, fault));
    if (hasInFlight(storage)) restored++;
    const error = await withRandomTurns(random, () => drive(env.executeAsync('fuzz'), clock)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) break;
    if (run > MAX_RUNS || !/injected|the script says so/.test(String(error))) throw error;
  }
  expect(systems.flatMap(({ visible }) => visible).sort()).toEqual(program.expected);
  return restored;
}

function hasInFlight(storage: MemoryStorage): boolean {
  const { operators = [] } = storage.checkpoints.at(-1) ?? {};
  return operators
    .flatMap(({ subtasks }) => subtasks)
    .some((bytes) => ((decodeState(bytes) as SubtaskState).inFlight ?? []).some(hasRecords));
}

describe('a random program whose checkpoints overtake', () => {
  it('gives its results exactly once', { timeout: Math.max(240_000, RUNS * 2000) }, async () => {
    let restored = 0;
    await fc.assert(
      fc.asyncProperty(programs, settings, async (spec, options) => {
        restored += await runToItsEnd(spec, options);
      }),
      { numRuns: RUNS, ...SEED },
    );
    expect(restored).toBeGreaterThan(RUNS / 20);
  });
});
