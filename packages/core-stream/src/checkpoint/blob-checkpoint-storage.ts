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
 * 5. A segment that no manifest refers to is kept until its owner has written two checkpoints without it, or has gone: it may
 *    be meant for the next one. After that it is not: it was merged with others, or putting it has failed.
 * 6. Ids ascend: a checkpoint that is not newer than all others is refused.
 */
import { CheckpointError } from '../errors.js';
import { silentLogger, type Logger } from '../runtime/logger.js';
import type { BlobStore, DeleteOptions } from './blob-store.js';
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
import { messageOf, SEGMENT_LOST, storageFailure } from './storage-failure.js';
import { StorageLease } from './storage-lease.js';
import { requireValid, type BlobCheckpointStorageOptions } from './storage-options.js';
import { jsonChunks, readJson } from './stored-json.js';
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
/** Of objects that no manifest refers to: where they come back the next owner removes them (invariant 3). */
const REMOVED_AGAIN: DeleteOptions = { mayComeBack: true };

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
  /** Checkpoints whose writing this owner has begun. */
  #begun = 0;
  /**
   * Objects of segments that this owner has put and no manifest refers to, with how many checkpoints were begun when that had
   * ended; `Infinity` while it is being put (invariant 5).
   */
  #unreferenced = new Map<string, number>();
  /** Those of them whose `put` has failed: they may be there, or not. */
  #uncertain = new Set<string>();

  /** @throws StreamConfigError `MILLRACE_CONFIG` for an option that makes no sense */
  constructor(store: BlobStore, options: BlobCheckpointStorageOptions = {}) {
    requireValid(options);
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
      this.#unreferenced = new Map();
      this.#uncertain = new Set();
      this.#lease = lease;
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
    await this.#store.put(LINEAGE, jsonChunks(candidate), { ifAbsent: true });
    const stored = await readJson<JobLineage>(this.#store, LINEAGE, ['jobName', 'jobId'], 'whose it is');
    if (stored === undefined) throw new Error(`${LINEAGE} was removed`);
    return { jobName: stored.jobName, jobId: stored.jobId };
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
      for (let valid = await this.#valid(); ;) {
        const newest = valid.at(-1);
        if (newest === undefined) return undefined;
        try {
          return await readCheckpoint(this.#store, newest);
        } catch (error) {
          if (!(error instanceof DamagedCheckpoint)) throw error;
          // Its owner may have removed it meanwhile, for a newer one.
          valid = await this.#valid();
          if (valid.at(-1)?.checkpointId === newest.checkpointId)
            throw await this.#distrust(newest, valid.slice(0, -1), error);
        }
      }
    });
  }

  async #valid(): Promise<readonly StoredCheckpoint[]> {
    const { checkpoints } = await findCheckpoints(this.#store);
    return checkpoints.filter(({ isValid }) => isValid);
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
    return (await this.#reading(() => this.#valid())).map(({ checkpointId }) => checkpointId);
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
    const what = `Checkpoint ${checkpointId} could not be written to ${this.location}`;
    const lease = this.#owned(what);
    this.#begun++;
    let encoded: EncodedCheckpoint;
    let seen: Seen;
    try {
      encoded = encodeCheckpoint(checkpoint, lease.owner);
      seen = await this.#write(encoded, lease);
    } catch (error) {
      throw storageFailure(what, this.location, error, { checkpointId });
    }
    this.#restoreFrom = undefined;
    await this.#later(() => this.#removeOld(encoded.manifest, seen));
    return encoded.stateBytes + encoded.manifestBytes.byteLength;
  }

  /** Resolves with what was there before this checkpoint (invariant 4). */
  async #write({ manifest, ...encoded }: EncodedCheckpoint, lease: StorageLease): Promise<Seen> {
    const { checkpointId } = manifest;
    const seen = { ...(await findCheckpoints(this.#store)), segments: await findSegments(this.#store) };
    await lease.verify();
    const newest = seen.checkpoints.filter(({ isValid }) => isValid).at(-1)?.checkpointId ?? 0;
    if (newest >= checkpointId) throw new Error(`checkpoint ${newest} is there already, and ids ascend`); // invariant 6
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
    const ifAbsent = !this.#uncertain.delete(name);
    this.#unreferenced.set(name, Infinity); // invariant 5
    let isNew: boolean;
    try {
      isNew = await this.#store.put(name, chunks, { ifAbsent });
    } catch (error) {
      this.#uncertain.add(name);
      throw storageFailure(what, this.location, error, { segment: id });
    } finally {
      this.#unreferenced.set(name, this.#begun);
    }
    if (isNew) return;
    throw new CheckpointError(`${what}: there is one of this id already, and segments are never replaced.`, {
      details: { segment: id, location: this.location },
    });
  }

  async readSegment(id: string, range: ByteRange): Promise<Uint8Array> {
    const bytes = await this.#reading(() => this.#store.get(segmentName(id), range));
    if (bytes?.byteLength === range.length) return bytes;
    const problem = bytes === undefined ? 'is missing' : 'is cut off';
    throw new CheckpointError(`The segment '${id}' in ${this.location} ${problem}. ${SEGMENT_LOST}`, {
      details: { segment: id, location: this.location },
    });
  }

  async #removeOld(written: Manifest, { checkpoints, manifests, states, segments }: Seen): Promise<void> {
    const valid = checkpoints.filter(({ isValid }) => isValid);
    const kept = [...(this.#retained === 1 ? [] : valid.slice(1 - this.#retained)), written];
    const names = new Set(kept.flatMap((checkpoint) => [manifestName(checkpoint), stateName(checkpoint)]));
    await this.#store.delete(manifests.filter((name) => !names.has(name))); // invariant 3
    await this.#store.delete(
      states.filter((name) => !names.has(name)),
      REMOVED_AGAIN,
    );
    await this.#removeSegments(kept, segments);
  }

  /** Those that `kept` do not refer to; none where one of these is damaged, as nobody knows what it refers to. */
  async #removeSegments(
    kept: readonly CheckpointName[],
    segments: ReadonlyMap<string, number>,
  ): Promise<void> {
    const needed = new Set<string>();
    for (const stored of kept) {
      const manifest = await readManifest(this.#store, stored);
      for (const { id } of segmentsOf(manifest)) needed.add(segmentName(id));
    }
    for (const [name, begun] of this.#unreferenced) {
      if (this.#begun - begun < 2) {
        needed.add(name); // invariant 5
      } else {
        this.#unreferenced.delete(name);
        this.#uncertain.delete(name);
      }
    }
    const dropped = [...segments.keys()].filter((name) => !needed.has(name));
    await this.#store.delete(dropped, REMOVED_AGAIN); // invariant 3
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
