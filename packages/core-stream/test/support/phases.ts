/** A job that runs in phases: stopped after each, and started again changed. */
import { diskStateBackend } from '../../src/disk-state/index.js';
import {
  heapStateBackend,
  type CheckpointConfig,
  type DataStream,
  type Logger,
  type StateBackend,
} from '../../src/index.js';
import { CollectingSink } from './collecting-sink.js';
import { untilOnDisk } from './conditions.js';
import { temporaryDirectory } from './disk-store.js';
import { environment } from './environment.js';
import { MemoryStorage } from './memory-storage.js';
import { ScriptedSource, type ScriptStep } from './scripted-source.js';

/** How the program is in one phase. */
export interface Phase {
  readonly parallelism: number;
  readonly version: number;
}

/** A program, and what it reads in each phase. */
export interface PhasedJob<T> {
  readonly inputs: readonly (readonly ScriptStep<T>[])[];
  build(stream: DataStream<T>, phase: Phase): DataStream<string>;
}

/** Where state is, in turns for `both`, and how a phase begins: with a savepoint of the one before, or with its storage. */
export interface PhasesOptions {
  readonly backend?: 'heap' | 'disk' | 'both';
  readonly via?: 'savepoint' | 'storage';
}

/** A storage, and what the next phase begins with. */
export interface PhaseStart {
  readonly config: Pick<CheckpointConfig, 'storage' | 'restore' | 'allowNonRestoredState'>;
  readonly backend: StateBackend;
  readonly logger?: Logger;
}

/** Starts phase `index`, up to where it has read its input. `stop` ends it. */
export async function startPhase<T>(
  { inputs, build }: PhasedJob<T>,
  index: number,
  phase: Phase,
  { config, backend, logger }: PhaseStart,
) {
  const { env } = environment({
    parallelism: phase.parallelism,
    cancellationTimeoutMs: 1e9,
    ...(logger && { logger }),
  });
  env.setStateBackend(backend);
  env.enableCheckpointing({ intervalMs: 1e9, ...config });
  const source = new ScriptedSource<T>([inputs.slice(0, index + 1).flat()], { boundedness: 'unbounded' });
  const sink = new CollectingSink<string>();
  const stream = env.fromSource(source, source.watermarks(), 'In').setParallelism(1).uid('in');
  build(stream, phase).sinkTo(sink).setParallelism(1).uid('out');
  const client = env.executeAsync('phases');
  let hasEnded = false;
  const onEnd = () => void (hasEnded = true);
  client.result.then(onEnd, onEnd);
  const records = inputs[index]!.filter((step) => 'value' in step).length;
  await untilOnDisk(() => hasEnded || source.emitted === records);
  if (hasEnded) await client.result; // why it has failed
  return { client, sink, source };
}

/** What the job emits over all phases; the last one ends as with bounded input. */
export async function runPhases<T>(
  job: PhasedJob<T>,
  phases: readonly Phase[],
  { backend = 'heap', via = 'savepoint' }: PhasesOptions = {},
): Promise<string[]> {
  const heap = heapStateBackend();
  const disk = diskStateBackend({ directory: temporaryDirectory(), cacheBytes: 4_000 });
  let config: PhaseStart['config'] = { storage: new MemoryStorage() };
  const outputs: string[] = [];
  for (const [index, phase] of phases.entries()) {
    const isOnHeap = backend === 'heap' || (backend === 'both' && index % 2 === 0);
    const { client, sink } = await startPhase(job, index, phase, { config, backend: isOnHeap ? heap : disk });
    if (index === phases.length - 1) await client.stop({ drain: true });
    else if (via === 'storage') await client.stop();
    else {
      const savepoint = new MemoryStorage();
      await client.stop({ savepoint });
      config = { storage: new MemoryStorage(), restore: { savepoint } };
    }
    await client.result;
    outputs.push(...sink.values);
  }
  return outputs;
}

/** What the job emits where it runs through at once: the oracle. */
export async function runThrough<T>(job: PhasedJob<T>, phase: Phase): Promise<string[]> {
  return runPhases({ ...job, inputs: [job.inputs.flat()] }, [phase]);
}
