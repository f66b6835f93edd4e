/**
 * Checkpoints in any store of named objects: all that is the same for files, memory and object stores.
 *
 * Role: `job.json` (the lineage), `owners/<n>.json` (`storage-lease.ts`), `segments/<id>`, and for each checkpoint
 * `chk-<id>/MANIFEST.json` and the state that it names. Boundary: what is atomic and durable is the store's business.
 *
 * Invariants
 * 1. The manifest makes the checkpoint: it is put last, after everything that it refers to, and never replaced.
 * 2. Every part has a checksum, and is checked when it is read. A damaged newest checkpoint is refused, never passed over.
 * 3. The newest `retained` checkpoints are kept. Older manifests are removed first, then states and segments that no
 *    remaining manifest refers to; a crash in between leaves objects that the next owner, or the next checkpoint, removes.
 * 4. Only the owner removes anything, and only what it had seen before it made sure that it is the owner: what a newer owner
 *    puts is not among that, and what a newer owner goes on from is not older than what is kept here.
 * 5. A segment that no manifest has referred to yet is kept while its owner lives: it may be meant for the next one.
 * 6. Ids ascend: a checkpoint that is not newer than all others is refused.
 */
import { CheckpointError } from '../errors.js';
import { silentLogger, type Logger } from '../runtime/logger.js';
import type { BlobStore } from './blob-store.js';
import type { CheckpointData, JobLineage } from './checkpoint-data.js';
import {
  decodeCheckpoint,
  decodeManifest,
  encodeCheckpoint,
  segmentsOf,
  type EncodedCheckpoint,
  type Manifest,
} from './checkpoint-manifest.js';
import type { ByteRange, CheckpointStorage, Chunks } from './checkpoint-storage.js';
import { processEnvironment, type LeaseEnvironment } from './lease-environment.js';
import { segmentName } from './segment-name.js';
import { messageOf, storageFailure } from './storage-failure.js';
import { counts, newestStart, StorageLease } from './storage-lease.js';

const LINEAGE = 'job.json';
const MANIFEST = 'MANIFEST.json';
const MANIFEST_NAME = /^chk-(\d+)\/MANIFEST\.json$/;

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

/** A checkpoint that is there. */
interface Found {
  readonly checkpointId: number;
  /** Who wrote it; `undefined` where its manifest is damaged. */
  readonly owner: number | undefined;
  readonly manifest: Manifest | undefined;
  /** Why there is no manifest. */
  readonly problem: unknown;
  /** Whether it counts (`storage-lease.ts`, invariant 3). */
  readonly isValid: boolean;
}

/** What was in the storage at one time. */
interface Seen {
  /** Ascending. */
  readonly checkpoints: readonly Found[];
  /** Names of all objects that belong to checkpoints. */
  readonly objects: readonly string[];
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
      const lineage = await this.#lineage(candidate);
      const { checkpoints } = await this.#find();
      await lease.start(this.#chosen(checkpoints));
      this.#unreferenced = new Set();
      this.#uncertain = new Set();
      this.#lease = lease;
      this.#restoreFrom = undefined;
      await this.#later(() => this.#removeLeftovers(lease!));
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
  #chosen(found: readonly Found[]): readonly Found[] {
    const wanted = this.#restoreFrom;
    if (wanted === undefined) return found.filter(({ isValid }) => isValid);
    if (!found.some(({ checkpointId }) => checkpointId === wanted)) {
      throw new CheckpointError(
        `${this.location} has no checkpoint ${wanted} to start from; it has ${listed(found)}.`,
        { details: { checkpointId: wanted, location: this.location } },
      );
    }
    return found.filter(
      ({ checkpointId, isValid }) => checkpointId === wanted || (isValid && checkpointId < wanted),
    );
  }

  async latest(): Promise<CheckpointData | undefined> {
    const { checkpoints } = await this.#reading(() => this.#find());
    const wanted = this.#restoreFrom;
    if (wanted !== undefined) return this.read(wanted);
    const valid = checkpoints.filter(({ isValid }) => isValid);
    const newest = valid.at(-1);
    if (newest === undefined) return undefined;
    try {
      return await this.#load(newest);
    } catch (error) {
      if (error instanceof CheckpointError) throw error;
      throw await this.#distrust(newest, valid.slice(0, -1), error);
    }
  }

  /** Says why the newest checkpoint is refused, and how the user can decide to go back (invariant 2). */
  async #distrust(newest: Found, older: readonly Found[], error: unknown): Promise<CheckpointError> {
    const { checkpointId } = newest;
    let previous: number | undefined;
    for (const candidate of [...older].reverse()) {
      previous = await this.#load(candidate).then(
        () => candidate.checkpointId,
        () => undefined, // damaged as well
      );
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

  async list(): Promise<readonly number[]> {
    const { checkpoints } = await this.#reading(() => this.#find());
    return checkpoints.filter(({ isValid }) => isValid).map(({ checkpointId }) => checkpointId);
  }

  async read(checkpointId: number): Promise<CheckpointData> {
    const { checkpoints } = await this.#reading(() => this.#find());
    const found = checkpoints.find((checkpoint) => checkpoint.checkpointId === checkpointId);
    const details = { checkpointId, location: this.location };
    if (found === undefined) {
      throw new CheckpointError(
        `${this.location} has no checkpoint ${checkpointId}; it has ${listed(checkpoints)}.`,
        { details },
      );
    }
    try {
      return await this.#load(found);
    } catch (error) {
      if (error instanceof CheckpointError) throw error;
      throw new CheckpointError(
        `The checkpoint ${this.location}/chk-${checkpointId} cannot be trusted: ${messageOf(error)}. Choose another one.`,
        { cause: error, details },
      );
    }
  }

  /** Throws a `CheckpointError` where the store cannot be read: that is no damage. */
  async #load({ checkpointId, manifest, problem }: Found): Promise<CheckpointData> {
    if (manifest === undefined) throw problem;
    const [state, segments] = await this.#reading(async () => [
      await this.#store.get(`chk-${checkpointId}/${manifest.state}`),
      await this.#segments(),
    ]);
    if (state === undefined) throw new Error(`its ${manifest.state} is missing`);
    const checkpoint = decodeCheckpoint(manifest, state);
    requireSegments(manifest, segments);
    return checkpoint;
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
    const seen = { ...(await this.#find()), segments: await this.#segments() };
    await lease.verify();
    const newest = seen.checkpoints.filter(({ isValid }) => isValid).at(-1)?.checkpointId ?? 0;
    if (newest >= checkpointId) {
      throw new Error(`checkpoint ${newest} is there already, and ids ascend`); // invariant 6
    }
    requireSegments(manifest, seen.segments);
    await this.#store.put(`chk-${checkpointId}/${manifest.state}`, encoded.stateChunks);
    await this.#putManifest(checkpointId, encoded.manifestBytes, seen); // invariant 1
    await lease.verify(); // `storage-lease.ts`, invariant 4
    for (const { id } of segmentsOf(manifest)) this.#unreferenced.delete(segmentName(id));
    return seen;
  }

  async #putManifest(checkpointId: number, bytes: Uint8Array, { checkpoints }: Seen): Promise<void> {
    const name = `chk-${checkpointId}/${MANIFEST}`;
    const overtaken = checkpoints.find((checkpoint) => checkpoint.checkpointId === checkpointId);
    // One that does not count: a fenced owner's, or one that the user has given up.
    if (overtaken !== undefined) await this.#store.delete([name]);
    if (await this.#store.put(name, [bytes], { ifAbsent: true })) return;
    throw new Error(
      `checkpoint ${checkpointId} has been written meanwhile, so another process runs this job`,
    );
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

  /** Everything that lies under `chk-`, and which manifests count. */
  async #find(): Promise<Pick<Seen, 'checkpoints' | 'objects'>> {
    const start = await newestStart(this.#store);
    const objects = (await this.#store.list('chk-')).map(({ name }) => name);
    const ids = objects
      .map((name) => MANIFEST_NAME.exec(name)?.[1])
      .filter((id) => id !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
    const checkpoints: Found[] = [];
    for (const checkpointId of ids) {
      const bytes = await this.#store.get(`chk-${checkpointId}/${MANIFEST}`);
      if (bytes === undefined) continue; // removed by its owner in the meantime
      let manifest: Manifest | undefined;
      let problem: unknown;
      try {
        manifest = decodeManifest(bytes, checkpointId);
      } catch (error) {
        problem = error;
      }
      const owner = manifest?.owner;
      checkpoints.push({
        checkpointId,
        owner,
        manifest,
        problem,
        isValid: counts({ checkpointId, owner }, start),
      });
    }
    return { checkpoints, objects };
  }

  /** Bytes of each segment that is there, by the name of its object. */
  async #segments(): Promise<ReadonlyMap<string, number>> {
    const segments = await this.#store.list('segments/');
    return new Map(segments.map(({ name, bytes }) => [name, bytes]));
  }

  async #removeOld(written: Manifest, { checkpoints, objects, segments }: Seen): Promise<void> {
    const valid = checkpoints.filter(({ isValid }) => isValid);
    const kept = this.#retained === 1 ? [] : valid.slice(1 - this.#retained);
    const keptStates = kept.map(({ checkpointId, manifest }) => `chk-${checkpointId}/${manifest?.state}`);
    const keptIds = new Set(kept.map(({ checkpointId }) => checkpointId));
    const isManifest = (name: string) => MANIFEST_NAME.test(name);
    // Of the checkpoint that was just written there is nothing to remove: `seen` is older, except for what it replaced.
    const dropped = objects.filter((name) => {
      const id = Number(/^chk-(\d+)\//.exec(name)?.[1]);
      if (id === written.checkpointId) return !isManifest(name) && !name.endsWith(`/${written.state}`);
      if (!(id < written.checkpointId) && !checkpoints.some((c) => c.checkpointId === id)) return false;
      return !keptIds.has(id) || !(isManifest(name) || keptStates.includes(name));
    });
    await this.#store.delete(dropped.filter(isManifest)); // invariant 3
    await this.#store.delete(dropped.filter((name) => !isManifest(name)));
    if (kept.some(({ manifest }) => manifest === undefined)) return; // nobody knows what a damaged one refers to
    const manifests = kept.map(({ manifest }) => manifest!);
    await this.#removeSegments([written, ...manifests], segments);
  }

  async #removeSegments(
    manifests: readonly Manifest[],
    segments: ReadonlyMap<string, number>,
  ): Promise<void> {
    const referenced = new Set(manifests.flatMap(segmentsOf).map(({ id }) => segmentName(id)));
    const isNeeded = (name: string) => referenced.has(name) || this.#unreferenced.has(name); // invariants 3, 5
    await this.#store.delete([...segments.keys()].filter((name) => !isNeeded(name)));
  }

  /** What earlier owners have left behind: half-written objects, and segments of checkpoints that were never complete. */
  async #removeLeftovers(lease: StorageLease): Promise<void> {
    const segments = await this.#segments();
    const { checkpoints } = await this.#find();
    await lease.verify(); // invariant 4
    await this.#store.removeLeftovers?.();
    const manifests = checkpoints
      .map(({ manifest }) => manifest)
      .filter((manifest) => manifest !== undefined);
    if (manifests.length === checkpoints.length) await this.#removeSegments(manifests, segments);
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

/** @throws Error naming a segment that a checkpoint refers to and is not there as a whole */
function requireSegments(manifest: Manifest, segments: ReadonlyMap<string, number>): void {
  for (const { id, bytes } of segmentsOf(manifest)) {
    const there = segments.get(segmentName(id));
    if (there === bytes) continue;
    const problem = there === undefined ? 'is missing' : `has ${there} bytes instead of ${bytes}`;
    throw new Error(`its segment '${id}' ${problem}`);
  }
}

function listed(checkpoints: readonly Found[]): string {
  return checkpoints.map(({ checkpointId }) => checkpointId).join(', ') || 'none';
}
