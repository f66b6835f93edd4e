import { BlobCheckpointStorage } from '../checkpoint/blob-checkpoint-storage.js';
import type { CheckpointData } from '../checkpoint/checkpoint-storage.js';
import type { LeaseEnvironment } from '../checkpoint/lease-environment.js';
import { MemoryBlobStore } from './memory-blob-store.js';

/** Checkpoints in memory, copied as a file would copy them: for jobs that a test starts again. Keep one over all runs. */
export class MemoryCheckpointStorage extends BlobCheckpointStorage {
  /** All of them, oldest first. What a test does to them counts. */
  readonly checkpoints: CheckpointData[] = [];
  /** Called before a checkpoint is durable, and after: may throw or wait. */
  beforeWrite: (checkpoint: CheckpointData) => void | Promise<void> = () => undefined;
  afterWrite: (checkpoint: CheckpointData) => void | Promise<void> = () => undefined;
  readonly #store: MemoryBlobStore;

  constructor(store: MemoryBlobStore = new SegmentKeepingStore()) {
    super(store, { retained: Infinity, environment: inMemory });
    this.#store = store;
  }

  override latest(): Promise<CheckpointData | undefined> {
    const newest = this.checkpoints.at(-1);
    return Promise.resolve(newest === undefined ? undefined : structuredClone(newest));
  }

  override list(): Promise<readonly number[]> {
    return Promise.resolve(this.checkpoints.map(({ checkpointId }) => checkpointId));
  }

  override async read(checkpointId: number): Promise<CheckpointData> {
    const found = this.checkpoints.find((checkpoint) => checkpoint.checkpointId === checkpointId);
    return found === undefined ? super.read(checkpointId) : structuredClone(found);
  }

  override async write(checkpoint: CheckpointData): Promise<number> {
    await this.beforeWrite(checkpoint);
    const copy = structuredClone(checkpoint);
    this.#forgetRemoved();
    const bytes = await super.write(checkpoint);
    this.checkpoints.push(copy);
    await this.afterWrite(checkpoint);
    return bytes;
  }

  /** The id of the newest checkpoint. */
  get lastId(): number | undefined {
    return this.checkpoints.at(-1)?.checkpointId;
  }

  /** A test goes back by taking checkpoints out of the list. */
  #forgetRemoved(): void {
    const kept = new Set(this.checkpoints.map(({ checkpointId }) => String(checkpointId)));
    for (const name of this.#store.objects.keys()) {
      const id = /^chk-(\d+)\//.exec(name)?.[1];
      if (id !== undefined && !kept.has(id)) this.#store.objects.delete(name);
    }
  }
}

/** A test may put a checkpoint back that it has taken out. */
class SegmentKeepingStore extends MemoryBlobStore {
  override delete(names: readonly string[]): Promise<void> {
    return super.delete(names.filter((name) => !name.startsWith('segments/')));
  }
}

/** No other process comes here, so nobody waits for signs of life. */
const inMemory: LeaseEnvironment = {
  self: () => Promise.resolve({ host: 'memory', pid: process.pid, processStart: undefined }),
  isAlive: () => Promise.resolve(true),
  now: () => Date.now(),
  every: () => () => undefined,
};
