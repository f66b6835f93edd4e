/**
 * Who owns a storage. One process at a time; a new owner fences the old one off.
 *
 * Role: owner objects `owners/<n>.json`, n ascending. Boundary: checkpoints are `BlobCheckpointStorage`'s business; it calls
 * `take`, looks at what is there, calls `start`, and `verify` after each manifest that it puts.
 *
 * An owner that is taken for dead may live (its host was cut off, its process was stopped for a while), so nothing depends on
 * its being dead:
 *
 * Invariants
 * 1. An owner's number is its own: `owners/<n>.json` is put with `ifAbsent`. A manifest has its owner's number in its name.
 * 2. A new owner first puts its object, then looks which checkpoints are there, then writes into its object which ones it
 *    goes on from. It writes no manifest before.
 * 3. What counts: the checkpoints that the newest owner goes on from, and its own. Other manifests do not, whatever their id:
 *    a fenced owner's that came later.
 * 4. A checkpoint is complete for its owner when after its manifest was put no newer owner's object was there.
 *
 * Why no two owners act on different histories: let A have completed a checkpoint (4), and B be the owner after A. B's object
 * was not there when A looked, so B put it after A's manifest; B looked at the checkpoints after that (2), so it saw A's, and
 * goes on from it or from a later one. A checkpoint that A put and could not complete is either among those that B saw, and
 * then it is as good as any: it is whole, and only B acts on it; or it does not count (3). The same holds for B and its
 * successor, so the completed checkpoints are one history.
 * The clocks of hosts matter only for when a silent owner is replaced, never for this.
 */
import { randomUUID } from 'node:crypto';
import { CheckpointError } from '../errors.js';
import type { Cancel } from '../time/clock.js';
import type { BlobStore } from './blob-store.js';
import type { LeaseEnvironment, ProcessIdentity } from './lease-environment.js';
import { jsonChunks, readJson } from './stored-json.js';

const OWNERS = 'owners/';

/** A checkpoint that a new owner has found, and who wrote it. */
export interface InheritedCheckpoint {
  readonly checkpointId: number;
  readonly owner: number;
}

interface OwnerRecord extends ProcessIdentity {
  readonly owner: number;
  /** Names this claim. */
  readonly claim: string;
  /** ISO 8601, as all times here: people read these files. */
  readonly claimedAt: string;
  readonly aliveAt: string;
  readonly releasedAt?: string;
  /** Absent until it has looked (invariant 2). */
  readonly startsFrom?: readonly InheritedCheckpoint[];
}

/** What the newest owner that has started says. */
export interface OwnerStart {
  readonly owner: number;
  readonly startsFrom: readonly InheritedCheckpoint[];
}

export interface LeaseOptions {
  /** Of a process on another host: without a sign of life for longer than this it is taken for dead. */
  readonly leaseMs: number;
  readonly environment: LeaseEnvironment;
  /** Called where a sign of life, or the release, cannot be written. */
  readonly onProblem: (error: unknown) => void;
}

/** Claims of this process that are over, and whose object could not say so: the disk was full, for example. */
const releasedUnnoted = new Set<string>();

export class StorageLease {
  readonly #store: BlobStore;
  readonly #options: LeaseOptions;
  readonly #cancelSigns: Cancel;
  #record: OwnerRecord;
  /** Writes of the own object run one after the other. */
  #writing: Promise<unknown> = Promise.resolve();
  #isReleased = false;

  private constructor(store: BlobStore, options: LeaseOptions, record: OwnerRecord) {
    this.#store = store;
    this.#options = options;
    this.#record = record;
    this.#cancelSigns = options.environment.every(options.leaseMs / 3, () => {
      this.#update({}).catch(options.onProblem);
    });
  }

  /** @throws CheckpointError `MILLRACE_CHECKPOINT` where a process that lives has the storage */
  static async take(store: BlobStore, options: LeaseOptions): Promise<StorageLease> {
    const { environment } = options;
    const self = await environment.self();
    for (;;) {
      const { owner: newest, record: holder } = await newestOwner(store);
      if (holder !== undefined) await refuseWhileHeld(store, holder, self, options);
      const now = new Date(environment.now()).toISOString();
      const owner = newest + 1;
      const record = { owner, claim: randomUUID(), ...self, claimedAt: now, aliveAt: now };
      try {
        const isMine = await store.put(nameOf(owner), jsonChunks(record), { ifAbsent: true }); // invariant 1
        if (isMine) return new StorageLease(store, options, record);
      } catch (error) {
        releasedUnnoted.add(record.claim); // it may be there
        throw error;
      }
    }
  }

  get owner(): number {
    return this.#record.owner;
  }

  /** Says which checkpoints this owner goes on from. Owners before it have no say any more. */
  async start(startsFrom: readonly InheritedCheckpoint[]): Promise<void> {
    if (!(await this.#update({ startsFrom }))) await this.verify(); // invariant 2
    const older = (await ownerNumbers(this.#store)).filter((owner) => owner < this.owner);
    await this.#store.delete(older.map(nameOf));
  }

  /** @throws CheckpointError `MILLRACE_CHECKPOINT` where another owner has taken the storage, or it was removed */
  async verify(): Promise<void> {
    const { location } = this.#store;
    const { owner: newest, record } = await newestOwner(this.#store);
    if (record?.claim === this.#record.claim) return;
    if (record === undefined || newest < this.owner) {
      throw new CheckpointError(
        `${location} was removed, or moved away, while this job was running. ` +
          'Put it back and start the job again, or start it with an empty directory.',
        { details: { location, owner: this.owner } },
      );
    }
    // One of the same number has found the storage empty: this one's was removed, and is begun anew.
    throw new CheckpointError(
      `${location} was taken over by process ${record.pid} on ${record.host}, so another process runs this job: this one must ` +
        'not go on. Stop one of them; where both are wanted give each a directory of its own.',
      { details: { location, owner: this.owner, newerOwner: newest } },
    );
  }

  /** The next `take` need not wait. Never fails: what cannot be written is reported. */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#cancelSigns();
    const { claim } = this.#record;
    releasedUnnoted.add(claim);
    try {
      const releasedAt = new Date(this.#options.environment.now()).toISOString();
      if (await this.#update({ releasedAt })) releasedUnnoted.delete(claim);
    } catch (error) {
      this.#options.onProblem(error);
    }
  }

  /** Resolves with whether it is noted: not where the own object is gone, or another's is in its place. */
  #update(change: Partial<OwnerRecord>): Promise<boolean> {
    const update = async () => {
      // A storage that was removed is not begun anew.
      const stored = await readOwner(this.#store, this.owner);
      if (stored?.claim !== this.#record.claim) return false;
      const aliveAt = new Date(this.#options.environment.now()).toISOString();
      const record = { ...this.#record, ...change, aliveAt };
      await this.#store.put(nameOf(this.owner), jsonChunks(record));
      this.#record = record;
      return true;
    };
    const result = this.#writing.then(update);
    this.#writing = result.catch(() => undefined); // whoever asked for it is told
    return result;
  }
}

/** Of the newest owner that has started; `undefined` where the storage never had one (invariant 3). */
export async function newestStart(store: BlobStore): Promise<OwnerStart | undefined> {
  for (;;) {
    const records: (OwnerRecord | undefined)[] = [];
    for (const owner of await ownerNumbers(store)) records.push(await readOwner(store, owner));
    // Where one is gone since it was listed, a newer one has started meanwhile, and removed it.
    if (records.includes(undefined)) continue;
    const newest = records.findLast((record) => record?.startsFrom !== undefined);
    return newest && { owner: newest.owner, startsFrom: newest.startsFrom ?? [] };
  }
}

/** Whether a manifest counts (invariant 3). */
export function counts({ checkpointId, owner }: InheritedCheckpoint, start: OwnerStart | undefined): boolean {
  if (start === undefined || owner >= start.owner) return true;
  return start.startsFrom.some((from) => from.checkpointId === checkpointId && from.owner === owner);
}

async function refuseWhileHeld(
  { location }: BlobStore,
  holder: OwnerRecord,
  self: ProcessIdentity,
  { environment, leaseMs }: LeaseOptions,
): Promise<void> {
  if (holder.releasedAt !== undefined || releasedUnnoted.has(holder.claim)) return;
  const isSelf =
    holder.host === self.host && holder.pid === self.pid && holder.processStart === self.processStart;
  const isAlive = isSelf || (holder.host === self.host ? await environment.isAlive(holder) : undefined);
  if (isAlive === false) return;
  const silentMs = environment.now() - Date.parse(holder.aliveAt);
  if (isAlive === undefined && !(silentMs < leaseMs)) return;
  const details = { location, holderPid: holder.pid, holderHost: holder.host, owner: holder.owner };
  const what = `${location} is in use by process ${holder.pid} on ${holder.host}, since ${holder.claimedAt}`;
  if (isSelf) {
    throw new CheckpointError(
      `${what}, which is this process. Wait until the job that uses it has ended, or give this one a directory of its own.`,
      { details },
    );
  }
  const next =
    isAlive === true
      ? 'Stop that process'
      : `Stop that process; without a sign of life it is taken for dead after ${leaseMs} ms (the last was ${silentMs} ms ago)`;
  throw new CheckpointError(
    `${what}. ${next}, or give this job a directory of its own. If you are sure that nothing uses it, remove ` +
      `${nameOf(holder.owner)}'s claim by adding "releasedAt" to it.`,
    { details },
  );
}

/** `owner` is 0 where there is none. */
async function newestOwner(
  store: BlobStore,
): Promise<{ readonly owner: number; readonly record: OwnerRecord | undefined }> {
  for (;;) {
    const owner = (await ownerNumbers(store)).at(-1) ?? 0;
    const record = owner === 0 ? undefined : await readOwner(store, owner);
    if (owner === 0 || record !== undefined) return { owner, record };
    // It is gone since it was listed: a newer one has started meanwhile, or all was removed.
  }
}

async function ownerNumbers(store: BlobStore): Promise<number[]> {
  return (await store.list(OWNERS))
    .map(({ name }) => /^owners\/(\d+)\.json$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

function readOwner(store: BlobStore, owner: number): Promise<OwnerRecord | undefined> {
  return readJson<OwnerRecord>(
    store,
    nameOf(owner),
    ['owner', 'claim'],
    'who uses the storage and which checkpoints count',
  );
}

function nameOf(owner: number): string {
  return `${OWNERS}${owner}.json`;
}
