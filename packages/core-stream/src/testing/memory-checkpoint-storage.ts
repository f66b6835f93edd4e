import type {
  ByteRange,
  CheckpointData,
  CheckpointStorage,
  JobLineage,
} from '../checkpoint/checkpoint-storage.js';
import { turn } from './conditions.js';

/** Checkpoints in memory, copied as a file would copy them: for jobs that a test starts again. Keep one over all runs. */
export class MemoryCheckpointStorage implements CheckpointStorage {
  readonly location = 'memory';
  /** All of them, oldest first. */
  readonly checkpoints: CheckpointData[] = [];
  /** Called before a checkpoint is durable, and after: may throw or wait. */
  beforeWrite: (checkpoint: CheckpointData) => void | Promise<void> = () => undefined;
  afterWrite: (checkpoint: CheckpointData) => void | Promise<void> = () => undefined;

  #lineage: JobLineage | undefined;

  claim(candidate: JobLineage): Promise<JobLineage> {
    return Promise.resolve((this.#lineage ??= candidate));
  }

  latest(): Promise<CheckpointData | undefined> {
    const newest = this.checkpoints.at(-1);
    return Promise.resolve(newest === undefined ? undefined : structuredClone(newest));
  }

  async write(checkpoint: CheckpointData): Promise<number> {
    await this.beforeWrite(checkpoint);
    const copy = structuredClone(checkpoint);
    await turn();
    this.checkpoints.push(copy);
    await this.afterWrite(checkpoint);
    return 0;
  }

  list(): Promise<readonly number[]> {
    return Promise.resolve(this.checkpoints.map(({ checkpointId }) => checkpointId));
  }

  read(checkpointId: number): Promise<CheckpointData> {
    return Promise.resolve(structuredClone(this.checkpoints.find((c) => c.checkpointId === checkpointId)!));
  }

  readonly #segments = new Map<string, Buffer>();

  async putSegment(id: string, chunks: readonly Uint8Array[]): Promise<void> {
    this.#segments.set(id, Buffer.concat(chunks));
    await turn();
  }

  readSegment(id: string, { offset, length }: ByteRange): Promise<Uint8Array> {
    return Promise.resolve(this.#segments.get(id)!.subarray(offset, offset + length));
  }

  /** The id of the newest checkpoint. */
  get lastId(): number | undefined {
    return this.checkpoints.at(-1)?.checkpointId;
  }
}
