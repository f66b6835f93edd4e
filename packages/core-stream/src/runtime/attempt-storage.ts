/**
 * A job's checkpoint storage as one of its starts uses it.
 *
 * Invariants
 * 1. Every call is known as pending until it settles: a job that ends waits for it.
 * 2. Nothing is called after the release: the storage belongs to somebody else then.
 * 3. It is not released while a call is under way, which might still write. The storage stays claimed by this process.
 */
import type {
  ByteRange,
  Chunks,
  CheckpointData,
  CheckpointStorage,
  JobLineage,
} from '../checkpoint/checkpoint-storage.js';
import { CheckpointError } from '../errors.js';
import type { PendingCalls } from './pending-calls.js';

export class AttemptStorage implements CheckpointStorage {
  readonly location: string;
  readonly #storage: CheckpointStorage;
  readonly #pending: PendingCalls;
  #isClaimed = false;
  #underWay = 0;
  #isReleased = false;

  constructor(storage: CheckpointStorage, pending: PendingCalls) {
    this.location = storage.location;
    this.#storage = storage;
    this.#pending = pending;
  }

  async claim(candidate: JobLineage): Promise<JobLineage> {
    const lineage = await this.#call('claiming', () => this.#storage.claim(candidate));
    this.#isClaimed = true;
    return lineage;
  }

  latest(): Promise<CheckpointData | undefined> {
    return this.#call('reading the newest checkpoint', () => this.#storage.latest());
  }

  list(): Promise<readonly number[]> {
    return this.#call('listing checkpoints', () => this.#storage.list());
  }

  read(checkpointId: number): Promise<CheckpointData> {
    return this.#call(`reading checkpoint ${checkpointId}`, () => this.#storage.read(checkpointId));
  }

  write(checkpoint: CheckpointData): Promise<number> {
    return this.#call(`writing checkpoint ${checkpoint.checkpointId}`, () => this.#storage.write(checkpoint));
  }

  putSegment(id: string, chunks: Chunks): Promise<void> {
    return this.#call(`writing segment ${id}`, () => this.#storage.putSegment(id, chunks));
  }

  readSegment(id: string, range: ByteRange): Promise<Uint8Array> {
    return this.#call(`reading segment ${id}`, () => this.#storage.readSegment(id, range));
  }

  /** @throws CheckpointError `MILLRACE_CHECKPOINT` where a call is under way (invariant 3) */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    if (this.#underWay > 0) {
      throw new CheckpointError(
        `The checkpoint storage ${this.location} has not answered, and may still write: it stays claimed by this process. ` +
          'Start the job again in a new process.',
      );
    }
    if (!this.#isClaimed) return;
    await this.#pending.run(`the checkpoint storage ${this.location} is being released`, () =>
      this.#storage.release?.(),
    );
  }

  async #call<R>(doing: string, work: () => Promise<R>): Promise<R> {
    if (this.#isReleased) {
      throw new CheckpointError(`${doing} in ${this.location} after its release`); // invariant 2
    }
    this.#underWay++;
    try {
      return await this.#pending.run(`the checkpoint storage ${this.location} is ${doing}`, work);
    } finally {
      this.#underWay--;
    }
  }
}
