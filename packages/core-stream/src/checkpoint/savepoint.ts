/**
 * Savepoints: a checkpoint copied to a place of its own, complete in itself.
 *
 * What it holds is a checkpoint with one segment per operator and nothing to commit. It shares nothing with the storage that
 * it was copied from, and is read like a checkpoint.
 */
import { randomUUID } from 'node:crypto';
import { CheckpointError } from '../errors.js';
import type { CheckpointData, OperatorCheckpoint, SegmentRef } from './checkpoint-data.js';
import type { CheckpointStorage } from './checkpoint-storage.js';
import { FileCheckpointStorage } from './file-checkpoint-storage.js';
import { mergeSegments } from './segment-merge.js';

/** Bytes that are copied at a time. */
const PIECE = 4 << 20;

/** Where a savepoint is: a directory, or a storage of its own. */
export type SavepointTarget = string | CheckpointStorage;

export function savepointStorage(target: SavepointTarget): CheckpointStorage {
  return typeof target === 'string' ? new FileCheckpointStorage(target) : target;
}

/**
 * Copies a checkpoint whose sinks have committed to an empty place.
 *
 * @throws CheckpointError `MILLRACE_CHECKPOINT` where something is there already, or what the storages throw
 */
export async function writeSavepoint(
  from: CheckpointStorage,
  checkpointId: number,
  to: CheckpointStorage,
  signal: AbortSignal,
): Promise<void> {
  const [found] = await to.list();
  if (found !== undefined) {
    throw new CheckpointError(
      `${to.location} holds checkpoint ${found} already. Give each savepoint a place of its own.`,
      { details: { location: to.location } },
    );
  }
  const checkpoint = await from.read(checkpointId);
  const { jobName, jobId } = checkpoint;
  await to.claim({ jobName, jobId });
  try {
    const operators: OperatorCheckpoint[] = [];
    for (const operator of checkpoint.operators) {
      const merged = await mergeSegments({
        storage: {
          location: from.location,
          readSegment: (id, range) => from.readSegment(id, range),
          putSegment: (id, chunks) => to.putSegment(id, chunks),
        },
        segments: operator.segments,
        id: segmentId(operator.uid),
        dropsRemoved: true,
        signal,
      });
      const segments = merged === undefined ? [] : [merged];
      operators.push({ ...operator, segments });
    }
    signal.throwIfAborted();
    await to.write({ ...checkpoint, operators, pendingCommits: [] }); // P6
  } finally {
    await to.release?.();
  }
}

/**
 * Reads a savepoint for a job that starts from it.
 *
 * @throws CheckpointError `MILLRACE_CHECKPOINT` where there is none, or it is damaged
 */
export async function readSavepoint(from: CheckpointStorage): Promise<CheckpointData> {
  const savepoint = await from.latest();
  if (savepoint === undefined) {
    throw new CheckpointError(
      `There is no savepoint in ${from.location}. Check the path; one that was not finished is none.`,
      { details: { location: from.location } },
    );
  }
  return savepoint;
}

/** Copies an operator's rows to the storage of a job that starts from a savepoint. */
export async function copySegments(
  from: CheckpointStorage,
  { uid, segments }: { readonly uid: string; readonly segments: readonly SegmentRef[] },
  into: CheckpointStorage,
  signal: AbortSignal,
): Promise<readonly SegmentRef[]> {
  const copies: SegmentRef[] = [];
  for (const ref of segments) {
    const id = segmentId(uid);
    signal.throwIfAborted();
    await into.putSegment(id, bytesOf(from, ref, signal));
    copies.push({ ...ref, id });
  }
  return copies;
}

/** One that nobody has used: what an earlier try has left behind is not replaced. */
function segmentId(uid: string): string {
  return `${uid}-savepoint-${randomUUID().slice(0, 8)}`;
}

/** A piece at a time. */
async function* bytesOf(
  storage: CheckpointStorage,
  { id, bytes }: SegmentRef,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  for (let offset = 0; offset < bytes; offset += PIECE) {
    signal.throwIfAborted();
    yield await storage.readSegment(id, { offset, length: Math.min(PIECE, bytes - offset) });
  }
}
