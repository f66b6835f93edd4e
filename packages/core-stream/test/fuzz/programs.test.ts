/** Random programs against an evaluator that knows only what each stage means. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamExecutionEnvironment } from '../../src/index.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { drive } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { Random } from '../support/random.js';
import { build, makeSources, programs, resolve } from './program.js';

/** More runs, and other ones: for a search in the background. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 60);
const SEED = process.env.FUZZ_SEED === undefined ? {} : { seed: Number(process.env.FUZZ_SEED) };
const TIMEOUT_MS = Math.max(240_000, RUNS * 1000);

const settings = fc.record({
  parallelism: fc.integer({ min: 1, max: 3 }),
  maxParallelism: fc.constantFrom(3, 16, 128),
  operatorChaining: fc.boolean(),
  codeGeneration: fc.constantFrom('auto' as const, 'off' as const),
});

describe('a random program', () => {
  it('gives what its stages mean', { timeout: TIMEOUT_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(programs, settings, async (spec, options) => {
        const program = resolve(spec);
        const clock = new ManualClock();
        const env = StreamExecutionEnvironment.getExecutionEnvironment({
          ...options,
          clock,
          autoWatermarkIntervalMs: 3,
        });
        const sink = new CollectingSink<string>();
        build(env, program, makeSources(program, false), () => sink);
        await drive(env.executeAsync('fuzz'), clock);
        expect(sink.values.sort()).toEqual(program.expected);
      }),
      { numRuns: RUNS, ...SEED },
    );
  });

  it('gives the same in batch mode', { timeout: TIMEOUT_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(programs, settings, async (spec, options) => {
        // A rolling operation gives its final result only.
        const program = resolve({ ...spec, stages: spec.stages.filter(({ name }) => name !== 'rolling') });
        const clock = new ManualClock();
        const env = StreamExecutionEnvironment.getExecutionEnvironment({
          ...options,
          clock,
          runtimeMode: 'batch',
          batchSortBufferRecords: 20,
        });
        const sink = new CollectingSink<string>();
        build(env, program, makeSources(program, false), () => sink);
        await drive(env.executeAsync('fuzz'), clock);
        expect(sink.values.sort()).toEqual(program.expected);
      }),
      { numRuns: RUNS, ...SEED },
    );
  });

  it(
    'gives it exactly once, whatever fails and at whatever parallelism it goes on',
    { timeout: TIMEOUT_MS },
    async () => {
      await fc.assert(
        fc.asyncProperty(programs, settings, fc.integer(), async (spec, options, seed) => {
          const program = resolve(spec);
          const sources = makeSources(program, true);
          const random = new Random(seed);
          const clock = new ManualClock();
          const storage = new MemoryStorage();
          const systems = program.shown.map(() => new ExternalSystem<string>());
          let faultsLeft = random.below(5);
          let untilFault = random.below(150);
          const fault = (point: string) => {
            if (faultsLeft === 0 || untilFault-- > 0) return;
            faultsLeft--;
            untilFault = random.below(150);
            throw new Error(`injected: ${point}`);
          };
          storage.beforeWrite = () => fault('before write');
          storage.afterWrite = () => fault('after write');
          for (let run = 0; ; run++) {
            const env = StreamExecutionEnvironment.getExecutionEnvironment({
              ...options,
              parallelism: run === 0 ? options.parallelism : 1 + random.below(3),
              operatorChaining: random.below(2) === 0,
              clock,
              autoWatermarkIntervalMs: 3,
            });
            env.enableCheckpointing({ intervalMs: 1 + random.below(4), storage });
            build(env, program, sources, (sink) => new TransactionalSink(systems[sink]!, fault));
            const error = await drive(env.executeAsync('fuzz'), clock).then(
              () => undefined,
              (reason: unknown) => reason,
            );
            if (error === undefined) break;
            if (run > 20 || !/injected|the script says so/.test(String(error))) throw error;
          }
          expect(systems.flatMap(({ visible }) => visible).sort()).toEqual(program.expected);
        }),
        { numRuns: RUNS, ...SEED },
      );
    },
  );
});
