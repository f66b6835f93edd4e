/**
 * Exactly once while checkpoints fail in every way that a job survives, and savepoints and stops come in between: jobs under
 * random, seeded schedules against a naive oracle.
 */
import { describe, expect, it } from 'vitest';
import {
  JobCancelledError,
  StreamExecutionEnvironment,
  ValueStateDescriptor,
  WatermarkStrategy,
  type CheckpointConfig,
} from '../../src/index.js';
import { quiet as turns, turn } from '../support/conditions.js';
import { refuseUnhandledRejections } from '../support/environment.js';
import { ExternalSystem } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { Random } from '../support/random.js';
import { ScriptedSource } from '../support/scripted-source.js';
import { slowSink } from '../support/slow-sink.js';

refuseUnhandledRejections();

const KEYS = 7;

/** What a job did. */
interface Outcome {
  readonly aborted: number;
  readonly stops: number;
  readonly savepoints: number;
  readonly crashes: number;
  /** Runs whose last checkpoint had overtaken records, or might have. */
  readonly unaligned: number;
}

async function runSchedule(seed: number): Promise<Outcome> {
  const random = new Random(seed);
  const clock = new ManualClock();
  const splits = 3;
  const scripts = Array.from({ length: splits }, (_, split) =>
    Array.from({ length: 100 + random.below(200) }, (__, n) => ({ value: n * splits + split })),
  );
  const total = scripts.flat().length;
  const source = new ScriptedSource(scripts, { batch: 1 + random.below(2) });
  const system = new ExternalSystem<string>();
  let storage = new MemoryStorage();
  let savepoint: MemoryStorage | undefined;
  const outcome = { aborted: 0, stops: 0, savepoints: 0, crashes: 0, unaligned: 0 };
  const failing = random.below(4) === 0 ? 0 : 0.4;
  const trouble = async () => {
    await turns(random.below(8));
    if (random.next() < failing) throw new Error('the storage has trouble');
  };
  for (let run = 0; run < 60; run++) {
    const current = storage;
    current.beforeWrite = trouble;
    const putSegment = MemoryStorage.prototype.putSegment.bind(current);
    current.putSegment = async (id, chunks) => {
      if (!id.includes('savepoint')) await trouble(); // a job that cannot be started is another matter
      await putSegment(id, chunks);
    };
    system.isDurable = (id) => current.checkpoints.some(({ checkpointId }) => checkpointId === id);
    const config: CheckpointConfig = {
      intervalMs: 2 + random.below(6),
      minPauseMs: random.below(3),
      timeoutMs: (4 + random.below(20)) * (run % 2 === 0 ? 1 : 10), // also long enough for a savepoint
      tolerableFailures: 10_000,
      ...(random.below(2) === 0 ? {} : { alignedTimeoutMs: random.below(3) }),
      storage: current,
      ...(savepoint === undefined ? {} : { restore: { savepoint } }),
    };
    const env = StreamExecutionEnvironment.getExecutionEnvironment({
      clock,
      parallelism: 1 + random.below(3),
      maxParallelism: 16,
    });
    env.enableCheckpointing(config);
    env
      .fromSource(source, WatermarkStrategy.noWatermarks<number>(), 'numbers')
      .uid('numbers')
      .keyBy((n) => n % KEYS)
      .process<string>((context) => {
        const count = context.getState(new ValueStateDescriptor<number>('count', { defaultValue: 0 }));
        return {
          processElement(n, _context, out) {
            count.update((count.value() ?? 0) + 1);
            out.collect(`${n % KEYS}#${count.value()}`);
            out.collect(`n${n}`);
          },
        };
      })
      .uid('count')
      .sinkTo(slowSink(system, () => turns(random.below(4) === 0 ? random.below(40) : 0)))
      .uid('out');
    const job = env.executeAsync('aborted checkpoints');
    let ended: 'finished' | 'suspended' | 'cancelled' | undefined;
    let failure: unknown;
    job.result.then(
      ({ status }) => (ended = status === 'suspended' ? 'suspended' : 'finished'),
      (error: unknown) => {
        ended = 'cancelled';
        failure = error;
      },
    );
    const place = new MemoryStorage();
    let saved: 'asked' | 'written' | undefined;
    const untilEvent = 3 + random.below(50);
    const event = random.below(5);
    for (let time = 0; ended === undefined; time++) {
      if (time > 20_000) throw new Error(`the job does not end: ${JSON.stringify(job.snapshot())}`);
      clock.advance(1);
      await turn();
      if (time !== untilEvent) continue;
      if (event === 0) job.cancel();
      if (event === 1) job.stop().catch(() => undefined);
      if (event === 2) {
        saved = 'asked';
        job.stop({ savepoint: place }).then(
          () => (saved = 'written'),
          () => (saved = undefined),
        );
      }
      if (event === 3)
        job.triggerSavepoint(place).then(
          () => outcome.savepoints++,
          () => undefined,
        );
    }
    await turn();
    if (failure !== undefined && !(failure instanceof JobCancelledError)) throw failure;
    const { checkpoints } = job.snapshot();
    outcome.aborted += checkpoints.failed;
    if (checkpoints.isLastUnaligned === true) outcome.unaligned++;
    if (ended === 'cancelled') outcome.crashes++;
    if (ended === 'suspended') outcome.stops++;
    if (ended === 'finished') {
      const expected = scripts
        .flat()
        .map(({ value }) => `n${value}`)
        .sort();
      expect(system.visible.filter((row) => row.startsWith('n')).sort()).toEqual(expected);
      const counts = new Map<number, number>();
      for (const { value } of scripts.flat()) counts.set(value % KEYS, (counts.get(value % KEYS) ?? 0) + 1);
      const sequences = [...counts].flatMap(([key, count]) =>
        Array.from({ length: count }, (_, n) => `${key}#${n + 1}`),
      );
      expect(system.visible.filter((row) => !row.startsWith('n')).sort()).toEqual(sequences.sort());
      expect(system.visible).toHaveLength(2 * total);
      return outcome;
    }
    if (ended === 'suspended' && saved === 'written') {
      savepoint = place; // the job's own storage is thrown away
      storage = new MemoryStorage();
    }
  }
  throw new Error('the job never got through');
}

describe('exactly once', () => {
  const SCHEDULES = 120;
  const CHUNK = 30;

  it.each(Array.from({ length: SCHEDULES / CHUNK }, (_, chunk) => chunk * CHUNK))(
    'while checkpoints fail, take too long, and jobs are stopped: seeds from %d',
    async (first) => {
      const sum = { aborted: 0, stops: 0, savepoints: 0, crashes: 0, unaligned: 0 };
      for (let seed = first; seed < first + CHUNK; seed++) {
        try {
          const outcome = await runSchedule(seed);
          for (const key of Object.keys(sum) as (keyof Outcome)[]) sum[key] += outcome[key];
        } catch (error) {
          throw new Error(`seed ${seed} fails: ${String(error)}`, { cause: error });
        }
      }
      expect(sum.aborted).toBeGreaterThan(20);
      expect(sum.stops).toBeGreaterThan(3);
      expect(sum.savepoints).toBeGreaterThan(0);
      expect(sum.crashes).toBeGreaterThan(2);
      expect(sum.unaligned).toBeGreaterThan(2);
    },
    240_000,
  );
});
