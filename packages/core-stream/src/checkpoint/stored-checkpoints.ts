/**
 * What is in a store: which checkpoints, which of them count, and what they hold.
 *
 * Names are never used by two owners: the manifest of a checkpoint is `chk-<id>/MANIFEST-<owner>.json`. So who has seen an
 * object and removes it later, removes that one.
 */
import { CheckpointError } from '../errors.js';
import type { BlobStore } from './blob-store.js';
import type { CheckpointData } from './checkpoint-data.js';
import {
  decodeCheckpoint,
  decodeManifest,
  segmentsOf,
  stateFile,
  type Manifest,
} from './checkpoint-manifest.js';
import { segmentName } from './segment-name.js';
import { counts, newestStart } from './storage-lease.js';

const MANIFEST = /^chk-(\d+)\/MANIFEST-(\d+)\.json$/;
const STATE = /^chk-\d+\/state-\d+\.bin$/;
/** As the format before this one named it. */
const OLD_MANIFEST = /^chk-\d+\/MANIFEST\.json$/;

/** A checkpoint that is there. */
export interface StoredCheckpoint {
  readonly checkpointId: number;
  /** Who wrote it. */
  readonly owner: number;
  /** Whether it counts (`storage-lease.ts`, invariant 3). */
  readonly isValid: boolean;
}

/** What was in a store at one time. */
export interface StoredCheckpoints {
  /** Ascending. */
  readonly checkpoints: readonly StoredCheckpoint[];
  /** Names of manifests, and of the states that they name. What people put beside them is not among them. */
  readonly manifests: readonly string[];
  readonly states: readonly string[];
}

/** @throws CheckpointError `MILLRACE_CHECKPOINT` where there are checkpoints of a format that is not read any more */
export async function findCheckpoints(store: BlobStore): Promise<StoredCheckpoints> {
  const start = await newestStart(store);
  const names = (await store.list('chk-')).map(({ name }) => name);
  const old = names.find((name) => OLD_MANIFEST.test(name));
  if (old !== undefined) throw oldFormat(store, old);
  const manifests = names.filter((name) => MANIFEST.test(name));
  const checkpoints = manifests.map((name): StoredCheckpoint => {
    const [checkpointId = 0, owner = 0] = MANIFEST.exec(name)!.slice(1).map(Number);
    return { checkpointId, owner, isValid: counts({ checkpointId, owner }, start) };
  });
  checkpoints.sort((a, b) => a.checkpointId - b.checkpointId || a.owner - b.owner);
  return { checkpoints, manifests, states: names.filter((name) => STATE.test(name)) };
}

/** The one of this id that counts; where none does, the latest that was written. */
export function checkpointOfId(
  checkpoints: readonly StoredCheckpoint[],
  checkpointId: number,
): StoredCheckpoint | undefined {
  const found = checkpoints.filter((checkpoint) => checkpoint.checkpointId === checkpointId);
  return found.find(({ isValid }) => isValid) ?? found.at(-1);
}

/** Bytes of each segment that is there, by the name of its object. */
export async function findSegments(store: BlobStore): Promise<ReadonlyMap<string, number>> {
  const segments = await store.list('segments/');
  return new Map(segments.map(({ name, bytes }) => [name, bytes]));
}

/** Where nothing can be read: what the store throws. Where what is read is damaged: `DamagedCheckpoint`. */
export async function readCheckpoint(store: BlobStore, stored: CheckpointName): Promise<CheckpointData> {
  const manifest = await readManifest(store, stored);
  const state = await store.get(stateName(stored));
  const segments = await findSegments(store);
  return judged(() => {
    if (state === undefined) throw new Error(`its ${manifest.state} is missing`);
    requireSegments(manifest, segments);
    return decodeCheckpoint(manifest, state);
  });
}

/** As `readCheckpoint`. */
export async function readManifest(store: BlobStore, stored: CheckpointName): Promise<Manifest> {
  const bytes = await store.get(manifestName(stored));
  return judged(() => {
    if (bytes === undefined) throw new Error('its manifest is missing');
    const manifest = decodeManifest(bytes, stored.checkpointId);
    if (manifest.owner !== stored.owner) throw new Error(`its manifest is that of owner ${manifest.owner}`);
    return manifest;
  });
}

/** What is wrong with a checkpoint that could be read. */
export class DamagedCheckpoint extends Error {}

function judged<T>(judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    throw new DamagedCheckpoint(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** @throws Error naming a segment that a checkpoint refers to and is not there as a whole */
export function requireSegments(manifest: Manifest, segments: ReadonlyMap<string, number>): void {
  for (const { id, bytes } of segmentsOf(manifest)) {
    const there = segments.get(segmentName(id));
    if (there === bytes) continue;
    const problem = there === undefined ? 'is missing' : `has ${there} bytes instead of ${bytes}`;
    throw new Error(`its segment '${id}' ${problem}`);
  }
}

/** What names a checkpoint in a store. */
export type CheckpointName = Pick<StoredCheckpoint, 'checkpointId' | 'owner'>;

export function manifestName({ checkpointId, owner }: CheckpointName): string {
  return `chk-${checkpointId}/MANIFEST-${owner}.json`;
}

export function stateName({ checkpointId, owner }: CheckpointName): string {
  return `chk-${checkpointId}/${stateFile(owner)}`;
}

function oldFormat({ location }: BlobStore, name: string): CheckpointError {
  return new CheckpointError(
    `${location}/${name} is of format version 1, which this program does not read. ` +
      'Finish the job with the version that wrote it, or start with an empty directory.',
    { details: { location, formatVersion: 1 } },
  );
}
