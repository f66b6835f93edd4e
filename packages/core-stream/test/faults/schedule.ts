/** One job under faults: everything about it follows from its seed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskStateBackend } from '../../src/disk-state/index.js';
import {
  heapStateBackend,
  RestartStrategies,
  StreamExecutionEnvironment,
  type CheckpointConfig,
  type JobClient,
  type Sink,
  type SinkWriter,
  type StateBackend,
} from '../../src/index.js';
import type { CheckpointData } from '../../src/checkpoint/checkpoint-data.js';
import { hasRecords } from '../../src/runtime/restored-in-flight.js';
import type { SubtaskState } from '../../src/runtime/task.js';
import { decodeState } from '../../src/state/canonical-decoding.js';
import {
  build,
  makeSources,
  resolve,
  type ProgramSpec,
  type SourceSpec,
  type StageSpec,
} from '../fuzz/program.js';
import { stages, type StageName } from '../fuzz/stages.js';
import { until, untilOnDisk } from '../support/conditions.js';
import { ExternalSystem, TransactionalSink } from '../support/external-system.js';
import { ManualClock } from '../support/manual-clock.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { Random } from '../support/random.js';
import { FaultPlan, faultySource, faultyStorage, isInjected, type FaultPoint } from './fault-plan.js';
import { checkSequence, placesOf } from './sequence.js';

/** After so many runs a job is taken never to get to its end. */
const MAX_RUNS = 40;
/** Every so many schedules one has its state on disk; a prime, so that each stage has its turn. */
const DISK_EVERY = Number(process.env.FAULT_DISK_EVERY ?? 11);
/** Next to nothing of it in memory. */
const CACHE_BYTES = 2000;

/** What a schedule has shown. */
export interface Outcome {
  /** The points at which the job failed, or a checkpoint did. */
  readonly faults: readonly FaultPoint[];
  /** Executions of the program; each may restart by itself. */
  readonly runs: number;
  readonly restarts: number;
  readonly stages: readonly StageName[];
  readonly isOnDisk: boolean;
  /** Checkpoints that failed, in the last attempt of each run. */
  readonly failedCheckpoints: number;
  /** Checkpoints with records that they have overtaken. */
  readonly unaligned: number;
  /** Runs that went on from such a one. */
  readonly unalignedRestores: number;
  readonly violations: readonly string[];
  /** What the job has made visible, and what it should have; sorted. */
  readonly visible: readonly string[];
  readonly expected: readonly string[];
}

const stageNames = Object.keys(stages) as StageName[];

function randomProgram(random: Random, first: StageName): ProgramSpec {
  const source = (): SourceSpec => ({
    splits: Array.from({ length: 1 + random.below(3) }, () =>
      Array.from({ length: 5 + random.below(25) }, () => ({
        key: random.below(5),
        v: random.below(20),
        step: random.below(10),
        delay: random.below(12),
      })),
    ),
    isPeriodic: random.below(2) === 0,
    batch: 1 + random.below(9),
    parallelism: undefined,
    failures: [],
    throttle: random.below(4) === 0 ? 1 + random.below(3) : undefined,
  });
  const stage = (name: StageName): StageSpec => ({
    name,
    first: random.below(12),
    second: random.below(12),
    a: random.below(1000),
    b: random.below(1000),
    parallelism: undefined,
    chaining: 'free',
    isShown: random.below(2) === 0,
  });
  const others = Array.from(
    { length: 1 + random.below(3) },
    () => stageNames[random.below(stageNames.length)]!,
  );
  return {
    sources: Array.from({ length: 1 + random.below(2) }, source),
    stages: [first, ...others].map(stage),
  };
}

function faultySink(sink: TransactionalSink<string>, hit: (point: FaultPoint) => void): Sink<string> {
  return {
    createWriter(context): SinkWriter<string> {
      const writer = sink.createWriter(context);
      const close = () => hit('close');
      return { ...writer, close };
    },
    createCommitter: (context) => sink.createCommitter(context),
  } as Sink<string>;
}

/** Aligned or not, with failures that are tolerated or not. */
function randomCheckpointing(random: Random): Omit<CheckpointConfig, 'storage'> {
  const alignedTimeoutMs = [undefined, 0, 2][random.below(3)];
  return {
    intervalMs: 1 + random.below(4),
    minPauseMs: random.below(3),
    tolerableFailures: [0, 0, 1, 3][random.below(4)]!,
    ...(alignedTimeoutMs === undefined ? {} : { alignedTimeoutMs }),
  };
}

/** Whether a checkpoint holds records that it has overtaken. */
function hasInFlight(checkpoint: CheckpointData | undefined): boolean {
  const subtasks = checkpoint?.operators.flatMap((operator) => operator.subtasks) ?? [];
  return subtasks.some((bytes) => ((decodeState(bytes) as SubtaskState).inFlight ?? []).some(hasRecords));
}

/** The points of `TransactionalSink`. */
const pointOf = (name: string): FaultPoint =>
  /commit$/.test(name) ? 'commit' : /prepare|flush/.test(name) ? 'snapshot' : 'restore';

/** Runs the job of `seed` until it has got to its end, again after each failure, at another parallelism each time. */
export async function runSchedule(seed: number): Promise<Outcome> {
  if (seed % DISK_EVERY !== 0) return runOn(seed, heapStateBackend());
  const directory = await mkdtemp(join(tmpdir(), 'millrace-faults-'));
  try {
    return await runOn(seed, diskStateBackend({ directory, cacheBytes: CACHE_BYTES }));
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What the job fails with; `undefined` where it gets to its end. */
async function failureOf({ result }: JobClient, clock: ManualClock, isOnDisk: boolean): Promise<unknown> {
  let outcome: { readonly error: unknown } | undefined;
  result.then(
    () => (outcome = { error: undefined }),
    (error: unknown) => (outcome = { error }),
  );
  const wait = isOnDisk ? untilOnDisk : until;
  await wait(
    () => outcome !== undefined,
    () => clock.advance(1),
  );
  return outcome?.error;
}

async function runOn(seed: number, backend: StateBackend): Promise<Outcome> {
  const random = new Random(seed);
  const program = resolve(randomProgram(random, stageNames[seed % stageNames.length]!));
  const plan = new FaultPlan(random, 1 + random.below(4));
  const clock = new ManualClock();
  const stored = new MemoryStorage();
  const storage = faultyStorage(stored, plan.hit);
  const systems = program.shown.map(() => new ExternalSystem<string>());
  for (const system of systems) {
    system.isDurable = (id) => stored.checkpoints.some(({ checkpointId }) => checkpointId === id);
  }
  const violations: string[] = [];
  const places = placesOf(program.rows);
  const sources = makeSources(program, false).map((source) => faultySource(source, plan.hit));
  const operatorChaining = random.below(2) === 0;
  const isOnDisk = backend.name === 'disk';
  let runs = 0;
  let restarts = 0;
  let failedCheckpoints = 0;
  let unalignedRestores = 0;
  for (;;) {
    if (++runs > MAX_RUNS) throw new Error(`the job never got to its end: ${plan.log.join(', ')}`);
    const env = StreamExecutionEnvironment.getExecutionEnvironment({
      parallelism: 1 + random.below(3),
      operatorChaining,
      clock,
      autoWatermarkIntervalMs: 3,
      cancellationTimeoutMs: 1e9, // files take as long as they do
    });
    env.setStateBackend(runs % 3 === 0 ? heapStateBackend() : backend); // what it finds on disk is not always its own
    env.enableCheckpointing({ ...randomCheckpointing(random), storage });
    if (random.below(3) === 0)
      env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 2, delayMs: 1 }));
    build(
      env,
      program,
      sources,
      (sink) =>
        faultySink(new TransactionalSink(systems[sink]!, (name) => plan.hit(pointOf(name))), plan.hit),
      (stream) => checkSequence(stream, { places, violations, plan }),
    );
    if (hasInFlight(stored.checkpoints.at(-1))) unalignedRestores++;
    const client = env.executeAsync('faults');
    const error = await failureOf(client, clock, isOnDisk);
    const { checkpoints, numRestarts } = client.snapshot();
    failedCheckpoints += checkpoints.failed;
    restarts += numRestarts;
    if (error === undefined) break;
    if (!isInjected(error)) throw error;
  }
  return {
    faults: plan.log,
    runs,
    stages: program.stages.map(({ name }) => name),
    isOnDisk,
    restarts,
    failedCheckpoints,
    unaligned: stored.checkpoints.filter(hasInFlight).length,
    unalignedRestores,
    violations,
    visible: systems.flatMap(({ visible }) => visible).sort(),
    expected: program.expected,
  };
}
