/**
 * What a batch job does with a checkpoint storage: it stores what its sinks are to commit, once, after its last record. Its
 * state is not stored on the way, so there is nothing to go on from before that.
 *
 * Invariants
 * 1. A job that ended its input and crashed while it committed commits the rest when it is started again, and reads nothing.
 * 2. A job that has committed everything leaves a checkpoint that says so: starting it again on the same storage is refused,
 *    not taken for done.
 */
import type { CheckpointData } from '../checkpoint/checkpoint-storage.js';
import { CheckpointError } from '../errors.js';
import type { JobOptions } from '../runtime/job-options.js';
import { decodeState } from '../state/canonical-decoding.js';
import { MAX_WATERMARK } from '../time/watermark-strategy.js';

/** @throws CheckpointError `MILLRACE_CHECKPOINT` for a checkpoint that a batch job cannot go on from */
export function requireOpenCommits(checkpoint: CheckpointData, location: string): void {
  const { checkpointId, jobName } = checkpoint;
  const holds = `${location} holds checkpoint ${checkpointId} of the job '${jobName}'`;
  if (!hasReadAll(checkpoint)) {
    throw new CheckpointError(
      `${holds}, which was taken in the middle of its input. A batch job reads its input from the beginning and does not go on from there: ` +
        "use an empty storage, or the runtime mode 'streaming'.",
    );
  }
  if (checkpoint.pendingCommits.length === 0) {
    throw new CheckpointError(
      `${holds}, which has run to its end: everything is committed. To run it again, use an empty storage.`,
    );
  }
}

/** After the last commit: makes the end of a batch job durable (invariant 2). `last` is what it has stored last. */
export async function storeEnd(
  { checkpointing, clock }: JobOptions,
  last: CheckpointData | undefined,
): Promise<void> {
  if (checkpointing === undefined || last === undefined || last.pendingCommits.length === 0) return;
  const checkpointId = last.checkpointId + 1;
  await checkpointing.storage.write({ ...last, checkpointId, createdAt: clock.now(), pendingCommits: [] });
}

/** The watermark is +∞ everywhere after the end of the input, and only then. */
function hasReadAll({ operators }: CheckpointData): boolean {
  return operators
    .flatMap(({ subtasks }) => subtasks)
    .every((bytes) => {
      const { watermark } = decodeState(bytes) as { readonly watermark: number };
      return watermark === MAX_WATERMARK;
    });
}
