import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { heapStateBackend, type StateBackend } from '@millrace/core-stream';
import { diskStateBackend } from '@millrace/core-stream/disk-state';
import { StateJob } from './program.js';
import type { CheckpointFigures, RestoreFigures, StateReport, StateRunOptions } from './report.js';

/** Runs one case in a temporary directory, which is removed. @throws Error where a restore has other state */
export async function measureState(options: StateRunOptions): Promise<StateReport> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-bench-state-'));
  try {
    return await new Measurement(options, root).run();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

class Measurement {
  readonly #options: StateRunOptions;
  readonly #root: string;

  constructor(options: StateRunOptions, root: string) {
    this.#options = options;
    this.#root = root;
  }

  async run(): Promise<StateReport> {
    const { keys, records } = this.#options;
    const job = this.#start('state');
    const perSecond = async (count: number, keyOf: (index: number) => number, isUpdate: boolean) => {
      const { ms } = await job.run({ records: count, keyOf, isUpdate });
      return Math.round((count / ms) * 1000);
    };
    await perSecond(1, () => 0, true); // the job has started
    const fillPerSecond = await perSecond(keys, (index) => index, true);
    const getPerSecond = await perSecond(records, randomKeys(keys), false);
    const updatePerSecond = await perSecond(records, randomKeys(keys), true);
    const fullCheckpoint = rounded(await job.checkpoint());
    const changed = Math.max(1, Math.floor(keys / 100));
    await perSecond(changed, (index) => index * 100, true);
    const smallCheckpoint = rounded(await job.checkpoint());
    (globalThis as { gc?: () => void }).gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    const { hash } = await job.run(this.#all());
    await job.run({ records: changed, keyOf: (index) => index, isUpdate: true }); // lost with the failure
    await job.cancel();
    const restores: RestoreFigures[] = [];
    if (this.#options.backend === 'disk') restores.push(await this.#restore('local', 'state', hash));
    restores.push(await this.#restore('segments', 'another', hash));
    return {
      ...this.#options,
      ...{ fillPerSecond, getPerSecond, updatePerSecond, fullCheckpoint, smallCheckpoint, restores },
      heapMb: Math.round(heapUsed / 1e6),
      residentMb: Math.round(rss / 1e6),
      hash,
    };
  }

  #start(directory: string): StateJob {
    const { type, backend, cacheBytes } = this.#options;
    const state: StateBackend =
      backend === 'heap'
        ? heapStateBackend()
        : diskStateBackend({ directory: join(this.#root, directory), cacheBytes });
    return new StateJob(type, state, join(this.#root, 'checkpoints'));
  }

  #all() {
    return { records: this.#options.keys, keyOf: (index: number) => index, isUpdate: false };
  }

  async #restore(from: RestoreFigures['from'], directory: string, expected: string): Promise<RestoreFigures> {
    const startedAt = performance.now();
    const job = this.#start(directory);
    await job.run({ records: 1, keyOf: () => 0, isUpdate: false });
    const durationMs = performance.now() - startedAt;
    const { hash } = await job.run(this.#all());
    await job.cancel();
    if (hash !== expected) throw new Error(`restored from ${from}, the state is ${hash}, not ${expected}`);
    return { from, durationMs: Math.round(durationMs) };
  }
}

function rounded({ bytes, durationMs, pauseMs }: CheckpointFigures): CheckpointFigures {
  return { bytes, durationMs: Math.round(durationMs), pauseMs: Math.round(pauseMs) };
}

/** Keys in no order, the same in each run; a fixed congruential sequence. */
function randomKeys(keys: number): () => number {
  let random = 42;
  return () => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return Math.floor((random / 2 ** 32) * keys);
  };
}
