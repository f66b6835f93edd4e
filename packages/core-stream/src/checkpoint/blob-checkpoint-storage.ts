/**
 * Checkpoints in any store of named objects: all that is the same for files, memory and object stores.
 *
 * Role: `job.json` (the lineage), `owners/<n>.json` (`storage-lease.ts`), `segments/<id>`, and for each checkpoint
 * `chk-<id>/MANIFEST-<owner>.json` and the state that it names. Boundary: what is atomic and durable is the store's business;
 * what a store holds is found by `stored-checkpoints.ts`.
 *
 * Invariants
 * 1. The manifest makes the checkpoint: it is put last, after everything that it refers to, and never replaced.
 * 2. Every part has a checksum, and is checked when it is read. A damaged newest checkpoint is refused, never passed over.
 * 3. The newest `retained` checkpoints are kept. Older manifests are removed first, then states and segments that no
 *    remaining manifest refers to; a crash in between leaves objects that the next owner, or the next checkpoint, removes.
 * 4. Only the owner removes anything, and only what it had seen before it made sure that it is the owner: what a newer owner
 *    puts is not among that, as no two owners use one name, and what a newer owner goes on from is not older than what is
 *    kept here.
 * 5. A segment that no manifest has referred to yet is kept while its owner lives: it may be meant for the next one.
 * 6. Ids ascend: a checkpoint that is not newer than all others is refused.
 */
import { CheckpointError } from '../errors.js';
import { silentLogger, type Logger } from '../runtime/logger.js';
import type { BlobStore } from './blob-store.js';
import type { CheckpointData, JobLineage } from './checkpoint-data.js';
import {
  encodeCheckpoint,
  segmentsOf,
  type EncodedCheckpoint,
  type Manifest,
} from './checkpoint-manifest.js';
import type { ByteRange, CheckpointStorage, Chunks } from './checkpoint-storage.js';
import { processEnvironment, type LeaseEnvironment } from './lease-environment.js';
import { segmentName } from './segment-name.js';
import { messageOf, storageFailure } from './storage-failure.js';
import { StorageLease } from './storage-lease.js';
import {
  checkpointOfId,
  DamagedCheckpoint,
  findCheckpoints,
  findSegments,
  manifestName,
  readCheckpoint,
  readManifest,
  requireSegments,
  stateName,
  type CheckpointName,
  type StoredCheckpoint,
  type StoredCheckpoints,
} from './stored-checkpoints.js';

const LINEAGE = 'job.json';

/** What a storage keeps, and how it is owned. */
export interface BlobCheckpointStorageOptions {
  /** How many checkpoints are kept; 2 unless told. */
  readonly retained?: number;
  /**
   * Starts from this checkpoint instead of the newest one; newer ones are given up. What was committed since is written
   * again. Applies to the first `claim`; take it out when the job has started.
   */
  readonly restoreFrom?: number;
  /**
   * Milliseconds without a sign of life after which an owner on another host is taken for dead; 60,000 unless told. An owner
   * on this host is taken over as soon as its process is gone.
   */
  readonly leaseMs?: number;
  /** Is told what could not be removed; says nothing unless given. */
  readonly logger?: Logger;
  /** For tests: which process this is, and what time. */
  readonly environment?: LeaseEnvironment;
}

/** What was in the storage at one time. */
interface Seen extends StoredCheckpoints {
  readonly segments: ReadonlyMap<string, number>;
}

export class BlobCheckpointStorage implements CheckpointStorage {
  readonly location: string;
  readonly #store: BlobStore;
  readonly #retained: number;
  readonly #leaseMs: number;
  readonly #logger: Logger;
  readonly #environment: LeaseEnvironment;
  #restoreFrom: number | undefined;
  #lease: StorageLease | undefined;
  /** Objects of segments that this owner has put, or is putting, and no manifest refers to (invariant 5). */
  #unreferenced = new Set<string>();
  /** Those of them whose `put` runs or has failed. */
  #uncertain = new Set<string>();

  constructor(store: BlobStore, options: BlobCheckpointStorageOptions = {}) {
    this.location = store.location;
    this.#store = store;
    this.#retained = Math.max(1, options.retained ?? 2);
    this.#restoreFrom = options.restoreFrom;
    this.#leaseMs = options.leaseMs ?? 60_000;
    this.#logger = options.logger ?? silentLogger;
    this.#environment = options.environment ?? processEnvironment;
  }

  async claim(candidate: JobLineage): Promise<JobLineage> {
    let lease: StorageLease | undefined;
    try {
      lease = await StorageLease.take(this.#store, {
        leaseMs: this.#leaseMs,
        environment: this.#environment,
        onProblem: (error) => this.#warn('noting who owns it', error),
      });
      await this.#store.settle?.(); // what this owner goes on from must not vanish any more
      const lineage = await this.#lineage(candidate);
      const { checkpoints } = await findCheckpoints(this.#store);
      await lease.start(
        this.#chosen(checkpoints).map(({ checkpointId, owner }) => ({ checkpointId, owner })),
      );
      this.#unreferenced = new Set();
      this.#uncertain = new Set();
      this.#lease = lease;
      this.#restoreFrom = undefined;
      await this.#later(() => this.#removeOrphans(lease!));
      return lineage;
    } catch (error) {
      await lease?.release();
      throw storageFailure(`${this.location} cannot be used for checkpoints`, this.location, error);
    }
  }

  async release(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    await lease?.release();
  }

  async #lineage(candidate: JobLineage): Promise<JobLineage> {
    const bytes = Buffer.from(`${JSON.stringify(candidate, null, 2)}\n`);
    await this.#store.put(LINEAGE, [bytes], { ifAbsent: true });
    const stored = await this.#store.get(LINEAGE);
    if (stored === undefined) throw new Error(`${LINEAGE} was removed`);
    const { jobName, jobId } = JSON.parse(Buffer.from(stored).toString('utf8')) as JobLineage;
    return { jobName, jobId };
  }

  /** The checkpoints that a new owner goes on from. */
  #chosen(checkpoints: readonly StoredCheckpoint[]): readonly StoredCheckpoint[] {
    const valid = checkpoints.filter(({ isValid }) => isValid);
    if (this.#restoreFrom === undefined) return valid;
    const chosen = this.#ofId(checkpoints, this.#restoreFrom);
    return [...valid.filter(({ checkpointId }) => checkpointId < chosen.checkpointId), chosen];
  }

  #ofId(checkpoints: readonly StoredCheckpoint[], checkpointId: number): StoredCheckpoint {
    const found = checkpointOfId(checkpoints, checkpointId);
    if (found !== undefined) return found;
    const there = [...new Set(checkpoints.map((checkpoint) => checkpoint.checkpointId))].join(', ') || 'none';
    throw new CheckpointError(`${this.location} has no checkpoint ${checkpointId}; it has ${there}.`, {
      details: { checkpointId, location: this.location },
    });
  }

  async latest(): Promise<CheckpointData | undefined> {
    if (this.#restoreFrom !== undefined) return this.read(this.#restoreFrom);
    return this.#reading(async () => {
      const { checkpoints } = await findCheckpoints(this.#store);
      const valid = checkpoints.filter(({ isValid }) => isValid);
      const newest = valid.pop();
      if (newest === undefined) return undefined;
      try {
        return await readCheckpoint(this.#store, newest);
      } catch (error) {
        throw error instanceof DamagedCheckpoint ? await this.#distrust(newest, valid, error) : error;
      }
    });
  }

  /** Says why the newest checkpoint is refused, and how the user can decide to go back (invariant 2). */
  async #distrust(
    { checkpointId }: StoredCheckpoint,
    older: readonly StoredCheckpoint[],
    error: DamagedCheckpoint,
  ): Promise<CheckpointError> {
    let previous: number | undefined;
    for (const candidate of [...older].reverse()) {
      if (await this.#isWhole(candidate)) previous = candidate.checkpointId;
      if (previous !== undefined) break;
    }
    const way =
      previous === undefined
        ? 'There is no older one that is whole: restore it from a copy, or start with an empty directory.'
        : `The previous one that is whole is checkpoint ${previous}. Starting from it could write data twice that was ` +
          `committed since. To do so knowingly, start with the option { restoreFrom: ${previous} }, or move chk-${checkpointId} away.`;
    return new CheckpointError(
      `The newest checkpoint, ${this.location}/chk-${checkpointId}, cannot be trusted: ${messageOf(error)}. ${way}`,
      { cause: error, details: { checkpointId, previous, location: this.location } },
    );
  }

  async #isWhole(stored: StoredCheckpoint): Promise<boolean> {
    try {
      await readCheckpoint(this.#store, stored);
      return true;
    } catch (error) {
      if (error instanceof DamagedCheckpoint) return false;
      throw error;
    }
  }

  async list(): Promise<readonly number[]> {
    const { checkpoints } = await this.#reading(() => findCheckpoints(this.#store));
    return checkpoints.filter(({ isValid }) => isValid).map(({ checkpointId }) => checkpointId);
  }

  read(checkpointId: number): Promise<CheckpointData> {
    return this.#reading(async () => {
      const { checkpoints } = await findCheckpoints(this.#store);
      const found = this.#ofId(checkpoints, checkpointId);
      try {
        return await readCheckpoint(this.#store, found);
      } catch (error) {
        if (!(error instanceof DamagedCheckpoint)) throw error;
        throw new CheckpointError(
          `The checkpoint ${this.location}/chk-${checkpointId} cannot be trusted: ${error.message}. Choose another one.`,
          { cause: error, details: { checkpointId, location: this.location } },
        );
      }
    });
  }

  async write(checkpoint: CheckpointData): Promise<number> {
    const { checkpointId } = checkpoint;
    const lease = this.#owned(`Checkpoint ${checkpointId} could not be written to ${this.location}`);
    const encoded = encodeCheckpoint(checkpoint, lease.owner);
    let seen: Seen;
    try {
      seen = await this.#write(encoded, lease);
    } catch (error) {
      const what = `Checkpoint ${checkpointId} could not be written to ${this.location}`;
      throw storageFailure(what, this.location, error, { checkpointId });
    }
    await this.#later(() => this.#removeOld(encoded.manifest, seen));
    return encoded.stateBytes + encoded.manifestBytes.byteLength;
  }

  /** Resolves with what was there before this checkpoint (invariant 4). */
  async #write({ manifest, ...encoded }: EncodedCheckpoint, lease: StorageLease): Promise<Seen> {
    const { checkpointId } = manifest;
    const seen = { ...(await findCheckpoints(this.#store)), segments: await findSegments(this.#store) };
    await lease.verify();
    const newest = seen.checkpoints.filter(({ isValid }) => isValid).at(-1)?.checkpointId ?? 0;
    if (newest >= checkpointId) {
      throw new Error(`checkpoint ${newest} is there already, and ids ascend`); // invariant 6
    }
    requireSegments(manifest, seen.segments);
    await this.#store.put(stateName(manifest), encoded.stateChunks);
    const isNew = await this.#store.put(manifestName(manifest), [encoded.manifestBytes], { ifAbsent: true }); // invariant 1
    if (!isNew) throw new Error('it is being written a second time');
    await lease.verify(); // `storage-lease.ts`, invariant 4
    for (const { id } of segmentsOf(manifest)) this.#unreferenced.delete(segmentName(id));
    return seen;
  }

  async putSegment(id: string, chunks: Chunks): Promise<void> {
    const what = `Segment '${id}' could not be written to ${this.location}`;
    this.#owned(what);
    const name = segmentName(id);
    // One that this owner has tried to put may be there, or not: then it is replaced by the same.
    const ifAbsent = !this.#uncertain.has(name);
    this.#unreferenced.add(name); // invariant 5
    this.#uncertain.add(name);
    try {
      const isNew = await this.#store.put(name, chunks, { ifAbsent });
      this.#uncertain.delete(name);
      if (!isNew) throw new Error('there is one of this id already, and segments are never replaced');
    } catch (error) {
      throw storageFailure(what, this.location, error, { segment: id });
    }
  }

  async readSegment(id: string, range: ByteRange): Promise<Uint8Array> {
    const bytes = await this.#reading(() => this.#store.get(segmentName(id), range));
    if (bytes?.byteLength === range.length) return bytes;
    const problem = bytes === undefined ? 'is missing' : 'is cut off';
    throw new CheckpointError(
      `The segment '${id}' in ${this.location} ${problem}. Restore the object from a copy, or start from a checkpoint ` +
        'that does not refer to it.',
      { details: { segment: id, location: this.location } },
    );
  }

  async #removeOld(written: Manifest, { checkpoints, objects, segments }: Seen): Promise<void> {
    const valid = checkpoints.filter(({ isValid }) => isValid);
    const kept = [...(this.#retained === 1 ? [] : valid.slice(1 - this.#retained)), written];
    const names = new Set(kept.flatMap((checkpoint) => [manifestName(checkpoint), stateName(checkpoint)]));
    const dropped = objects.filter((name) => !names.has(name));
    const isManifest = (name: string) => /\/MANIFEST-/.test(name);
    await this.#store.delete(dropped.filter(isManifest)); // invariant 3
    await this.#store.delete(dropped.filter((name) => !isManifest(name)));
    await this.#removeSegments(kept, segments);
  }

  /** Those that `kept` do not refer to; none where one of these is damaged, as nobody knows what it refers to. */
  async #removeSegments(
    kept: readonly CheckpointName[],
    segments: ReadonlyMap<string, number>,
  ): Promise<void> {
    const needed = new Set(this.#unreferenced); // invariant 5
    for (const stored of kept) {
      const manifest = await readManifest(this.#store, stored);
      for (const { id } of segmentsOf(manifest)) needed.add(segmentName(id));
    }
    await this.#store.delete([...segments.keys()].filter((name) => !needed.has(name))); // invariant 3
  }

  /** Segments that earlier owners have put for checkpoints that were never complete. */
  async #removeOrphans(lease: StorageLease): Promise<void> {
    const segments = await findSegments(this.#store);
    const { checkpoints } = await findCheckpoints(this.#store);
    await lease.verify(); // invariant 4
    await this.#removeSegments(checkpoints, segments);
  }

  /** What is durable stays so where removing old things fails: that is tried again later. */
  async #later(remove: () => Promise<void>): Promise<void> {
    try {
      await remove();
    } catch (error) {
      this.#warn('removing what is no longer needed', error);
    }
  }

  #warn(what: string, error: unknown): void {
    this.#logger.warn(`A checkpoint storage has failed at ${what}; it will try again`, {
      location: this.location,
      error: messageOf(error),
    });
  }

  #owned(what: string): StorageLease {
    if (this.#lease !== undefined) return this.#lease;
    throw new CheckpointError(`${what}: it is not claimed, or was released. Call claim() first.`, {
      details: { location: this.location },
    });
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw storageFailure(`The checkpoints in ${this.location} cannot be read`, this.location, error);
    }
  }
}
