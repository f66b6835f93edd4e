/** Jobs whose checkpoints overtake: under back-pressure, and in the order in which each key's records come. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  MapStateDescriptor,
  OperatorError,
  ValueStateDescriptor,
  WatermarkStrategy,
  type DataStream,
  type JobClient,
} from '../../src/index.js';
import { hasRecords } from '../../src/runtime/restored-in-flight.js';
import type { SubtaskState } from '../../src/runtime/task.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import { CollectingSink } from '../support/collecting-sink.js';
import { createGate, drive, quiet, until } from '../support/conditions.js';
import { environment, none, numbers, refuseUnhandledRejections, scripted } from '../support/environment.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { Random } from '../support/random.js';
import { withRandomTurns } from '../support/random-turns.js';
import { ScriptedSource, type ScriptedRecord } from '../support/scripted-source.js';

refuseUnhandledRejections();

const COUNT = 20_000;

/** A job whose sink is stuck: its channels are full, and its sink is let go for one batch at a time. */
function stuckJob(alignedTimeoutMs: number | undefined) {
  const { env, clock } = environment({ parallelism: 1 });
  const storage = new MemoryStorage();
  let gate = createGate();
  const sink = new CollectingSink<number>({ backPressure: () => gate.opened });
  env.enableCheckpointing({
    intervalMs: 100,
    storage,
    ...(alignedTimeoutMs === undefined ? {} : { alignedTimeoutMs }),
  });
  env
    .fromSource(new ScriptedSource<number>([scripted(COUNT)]), none, 'numbers')
    .setParallelism(2)
    .map((n) => n)
    .setParallelism(3)
    .sinkTo(sink);
  const job = env.executeAsync('stuck');
  const letGo = async () => {
    const { open } = gate;
    gate = createGate();
    open();
    await quiet(20);
  };
  return { job, clock, storage, sink, letGo };
}

async function cancel(job: JobClient, letGo: () => Promise<void>): Promise<void> {
  const cancelled = expect(job.result).rejects.toThrow('cancelled');
  job.cancel();
  await letGo();
  await cancelled;
}

describe('under back-pressure', () => {
  it('an aligned checkpoint waits until the queues before it are processed', async () => {
    const { job, clock, storage, sink, letGo } = stuckJob(undefined);
    await quiet(200);
    clock.advance(100);
    for (let i = 0; i < 5; i++) await letGo();
    expect(storage.checkpoints).toHaveLength(0);
    while (storage.checkpoints.length === 0) await letGo();
    expect(sink.values.length).toBeGreaterThan(8_000);
    await cancel(job, letGo);
  });

  it.each([0, 50])('one that overtakes after %d ms does not', async (alignedTimeoutMs) => {
    const { job, clock, storage, sink, letGo } = stuckJob(alignedTimeoutMs);
    await quiet(200);
    clock.advance(100);
    await quiet(20);
    clock.advance(alignedTimeoutMs);
    await letGo();
    await until(() => storage.checkpoints.length > 0);
    expect(sink.values.length).toBeLessThan(1_000);
    const inFlight = storage.checkpoints[0]!.operators.flatMap(({ subtasks }) => subtasks).filter((bytes) =>
      ((decodeState(bytes) as SubtaskState).inFlight ?? []).some(hasRecords),
    );
    expect(inFlight.length).toBeGreaterThan(1);
    await cancel(job, letGo);
  });

  it('loses nothing of what it has overtaken, and doubles nothing', async () => {
    const { job, clock, storage, letGo } = stuckJob(0);
    await quiet(200);
    clock.advance(100);
    await letGo();
    await until(() => storage.checkpoints.length > 0);
    const { checkpointId } = storage.checkpoints[0]!;
    expect(checkpointId).toBe(1);
    await cancel(job, letGo);
    // The sink commits nothing: what it has seen before the checkpoint is what the second run does not bring.
    const before = storage.checkpoints[0]!.operators.find(({ name }) => name.includes('Sink'))!;
    const seen = before.subtasks
      .map((bytes) => (decodeState(bytes) as SubtaskState).metrics.recordsIn)
      .reduce((sum, n) => sum + n, 0);
    const { env, clock: second } = environment({ parallelism: 1 });
    const sink = new CollectingSink<number>();
    env.enableCheckpointing({ intervalMs: 100, storage });
    env
      .fromSource(new ScriptedSource<number>([scripted(COUNT)]), none, 'numbers')
      .setParallelism(2)
      .map((n) => n)
      .setParallelism(3)
      .sinkTo(sink);
    await drive(env.executeAsync('stuck'), second, 10);
    expect(new Set(sink.values).size).toBe(sink.values.length);
    expect(sink.values.length + seen).toBe(COUNT);
  });
});

interface Step {
  readonly key: number;
  readonly n: number;
}

const rules = new MapStateDescriptor<string, number>('rules');

/** Fails where a key's records do not come one after the other; `name` keeps several of these apart. */
function inOrder(stream: DataStream<Step>, name: string): DataStream<Step> {
  return stream
    .keyBy(({ key }) => `${name} ${key}`)
    .process<Step>((context) => {
      const last = context.getState(new ValueStateDescriptor<number>('last', { defaultValue: -1 }));
      return {
        processElement(step, _context, out) {
          const before = last.value() ?? -1;
          if (step.n !== before + 1)
            throw new Error(`${name}: key ${step.key} has ${step.n} after ${before}`);
          last.update(step.n);
          out.collect(step);
        },
      };
    })
    .uid(name);
}

const orderSettings = fc.record({
  keys: fc.integer({ min: 1, max: 7 }),
  length: fc.integer({ min: 1, max: 100 }),
  parallelism: fc.integer({ min: 1, max: 3 }),
  isRescaled: fc.boolean(),
  isGenerated: fc.boolean(),
  seed: fc.integer(),
});

/** Keys in order through two exchanges, a union and a broadcast stream, over failures. */
async function keepsOrder(options: {
  keys: number;
  length: number;
  parallelism: number;
  isRescaled: boolean;
  isGenerated: boolean;
  seed: number;
}): Promise<void> {
  const { keys, length } = options;
  const random = new Random(options.seed);
  const stepsOf = (first: number): ScriptedRecord<Step>[][] =>
    Array.from({ length: keys }, (_, key) =>
      numbers(length).map((n) => ({ value: { key: first + key, n }, timestamp: n })),
    );
  const left = new ScriptedSource<Step>(stepsOf(0), { batch: 1 });
  const right = new ScriptedSource<Step>(stepsOf(100), { batch: 2 });
  const ruleSource = new ScriptedSource<number>([
    numbers(length).map((value) => ({ value, timestamp: value })),
  ]);
  const storage = new MemoryStorage();
  const system = new ExternalSystem<string>();
  let faultsLeft = 2 + random.below(6);
  let untilFault = random.below(60);
  const fault = (point: string) => {
    // Records are many: they count for less.
    untilFault -= point === 'record' ? 0.05 : 1;
    if (faultsLeft === 0 || untilFault > 0) return;
    faultsLeft--;
    untilFault = random.below(60);
    throw new Error(`injected: ${point}`);
  };
  storage.beforeWrite = () => fault('before write');
  storage.afterWrite = () => fault('after write');
  for (let run = 0; ; run++) {
    const { env, clock } = environment({
      parallelism: run === 0 || !options.isRescaled ? options.parallelism : 1 + random.below(3),
      maxParallelism: 16,
      operatorChaining: random.below(2) === 0,
      codeGeneration: options.isGenerated ? 'auto' : 'off',
    });
    env.enableCheckpointing({
      intervalMs: 1 + random.below(5),
      storage,
      alignedTimeoutMs: random.below(3),
      timeoutMs: 3 + random.below(40),
      tolerableFailures: 1e9,
    });
    const strategy = WatermarkStrategy.forMonotonousTimestamps<Step>();
    const both = env
      .fromSource(left, strategy, 'left')
      .union(env.fromSource(right, strategy, 'right').uid('right'));
    const broadcast = env
      .fromSource(ruleSource, WatermarkStrategy.forMonotonousTimestamps<number>(), 'rules')
      .uid('rules')
      .broadcast(rules);
    const checked = inOrder(both, 'first')
      .connect(broadcast)
      .process<Step>(() => ({
        processElement(step, _context, out) {
          fault('record');
          out.collect(step);
        },
        processBroadcastElement(rule, context) {
          const state = context.getBroadcastState(rules);
          const before = state.get('last') ?? -1;
          if (rule !== before + 1) throw new Error(`rule ${rule} after ${before}`);
          state.put('last', rule);
        },
      }))
      .uid('rules apply');
    // The edges to here and on are forward ones: a key stays where it is as long as nothing is rescaled.
    const steps = options.isRescaled ? inOrder(both, 'again') : inOrder(checked, 'second');
    checked
      .map((step) => `checked ${step.key} ${step.n}`)
      .union(steps.map((step) => `steps ${step.key} ${step.n}`))
      .sinkTo(new TransactionalSink(system, fault))
      .uid('sink');
    const error = await withRandomTurns(random, () => drive(env.executeAsync('order'), clock)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) break;
    if (run > 25 || !String(error).includes('injected')) throw error;
  }
  const all = [...stepsOf(0), ...stepsOf(100)].flat().map(({ value }) => `${value.key} ${value.n}`);
  const expected = all.flatMap((step) => [`checked ${step}`, `steps ${step}`]);
  expect([...system.visible].sort()).toEqual(expected.sort());
}

describe('the records of a key', () => {
  it('stay in order, and come once, whatever is overtaken and fails', { timeout: 120_000 }, async () => {
    await fc.assert(fc.asyncProperty(orderSettings, keepsOrder), {
      numRuns: Number(process.env.FUZZ_RUNS ?? 100),
    });
  });
});

describe('a record that is not plain data', () => {
  class Money {
    readonly amount = 1;
  }

  function poisoned(tolerableFailures: number, alignedTimeoutMs: number | undefined) {
    const { env, clock } = environment({ parallelism: 1 });
    const storage = new MemoryStorage();
    const gate = createGate();
    const sink = new CollectingSink<Money>({ backPressure: () => gate.opened });
    env.enableCheckpointing({
      intervalMs: 10,
      storage,
      tolerableFailures,
      ...(alignedTimeoutMs === undefined ? {} : { alignedTimeoutMs }),
    });
    env
      .fromSource(new ScriptedSource<number>([scripted(5000)]), none, 'numbers')
      .map(() => new Money())
      .name('to money')
      .setParallelism(2)
      .sinkTo(sink)
      .name('purse');
    return { job: env.executeAsync('poisoned'), clock, storage, gate, sink };
  }

  it('fails the checkpoint that has overtaken it, and with it the job, which says which record it is', async () => {
    const { job, clock, gate } = poisoned(0, 0);
    await quiet(100);
    clock.advance(10);
    await quiet(10);
    gate.open();
    const error: unknown = await drive(job, clock).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OperatorError);
    expect(String(error)).toMatch(
      /'purse'.*on its way from '.*to-money'.*Cannot encode an instance of Money at 'record'/,
    );
  });

  it('fails that checkpoint only, where this is tolerated', async () => {
    const { job, clock, gate, sink } = poisoned(1000, 0);
    await quiet(100);
    clock.advance(10);
    await quiet(10);
    gate.open();
    await drive(job, clock);
    expect(sink.values).toHaveLength(5000);
  });

  it('does not matter to an aligned one', async () => {
    const { job, clock, gate, sink } = poisoned(0, undefined);
    await quiet(100);
    clock.advance(10);
    gate.open();
    await drive(job, clock);
    expect(sink.values).toHaveLength(5000);
  });
});

describe('a program that was changed', () => {
  async function withInFlight(): Promise<MemoryStorage> {
    const { job, clock, storage, letGo } = stuckJob(0);
    await quiet(200);
    clock.advance(100);
    await letGo();
    await until(() => storage.checkpoints.length > 0);
    await cancel(job, letGo);
    return storage;
  }

  function changed(storage: MemoryStorage, allowNonRestoredState: boolean) {
    const { env, clock } = environment({ parallelism: 1 });
    const sink = new CollectingSink<number>();
    env.enableCheckpointing({ intervalMs: 100, storage, allowNonRestoredState });
    env
      .fromSource(new ScriptedSource<number>([scripted(COUNT)]), none, 'numbers')
      .setParallelism(2)
      .map((n) => n)
      .uid('another map')
      .setParallelism(3)
      .sinkTo(sink);
    return { job: env.executeAsync('stuck'), clock, sink };
  }

  it('is refused where records are on edges that it no longer has', async () => {
    const { job } = changed(await withInFlight(), false);
    const error: unknown = await job.result.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(String(error)).toMatchInlineSnapshot(`
      "CheckpointError: The program does not fit checkpoint 1 in memory (2 differences):
        - Checkpoint 1 holds state of an operator with uid '2-map', which the program does not have. Give operators a uid (.uid(…)) before changing a program; to leave the state behind, set 'allowNonRestoredState'.
        - 'Sink' (uid '3-sink'): The checkpoint holds records on their way from the operator with uid '2-map' to 'Sink' (uid '3-sink'), where the program has no such edge any more. Take an aligned checkpoint or a savepoint before changing a program; to leave the records behind, set 'allowNonRestoredState'.
      The job was not started, and what is stored is as it was."
    `);
  });

  it('starts without those records where it is allowed', async () => {
    const { job, clock, sink } = changed(await withInFlight(), true);
    await drive(job, clock, 10);
    expect(sink.values.length).toBeLessThan(COUNT);
  });
});
