import type { CheckpointData, SegmentRef } from '../../src/checkpoint/checkpoint-data.js';
import type { CheckpointStorage } from '../../src/checkpoint/checkpoint-storage.js';
import type { LeaseEnvironment } from '../../src/checkpoint/lease-environment.js';
import { readRows, SegmentBuilder } from '../../src/checkpoint/segment.js';
import { encodeState } from '../../src/state/canonical-encoding.js';
import { rowId } from '../../src/state/rows.js';

export const lineage = { jobName: 'clicks', jobId: 'job-1' };

/** A checkpoint that says in an enumerator's state which checkpoints it is based on. */
export function checkpointOf(
  checkpointId: number,
  history = String(checkpointId),
  segments: readonly SegmentRef[] = [],
): CheckpointData {
  return {
    checkpointId,
    ...lineage,
    maxParallelism: 128,
    createdAt: 1_700_000_000_000 + checkpointId,
    operators: [
      {
        uid: 'count',
        name: 'Count',
        type: 'KeyedProcess',
        maxParallelism: 128,
        keyVersion: 1,
        states: [{ name: 'count', kind: 'value', hasTtl: false, version: 1 }],
        subtasks: [Uint8Array.of(1, 2, 3), Uint8Array.of()],
        segments,
      },
    ],
    enumerators: [{ uid: 'in', bytes: Buffer.from(history) }],
    pendingCommits: [
      { uid: 'out', requests: [{ checkpointId, subtaskIndex: 1, committable: { id: 'tx', rows: 7n } }] },
    ],
  };
}

export function historyOf(checkpoint: CheckpointData): string {
  return Buffer.from(checkpoint.enumerators[0]!.bytes).toString();
}

/** Stores a segment whose one row says what it is. */
export async function putSegmentOf(
  storage: CheckpointStorage,
  id: string,
  content: string,
): Promise<SegmentRef> {
  const builder = new SegmentBuilder(128);
  builder.add('t', 'row', rowId('row', undefined), encodeState(content));
  const { chunks, ...described } = builder.build()!;
  await storage.putSegment(id, chunks);
  return { id, ...described };
}

/** Of all segments of a checkpoint, oldest first; fails where one is not whole. */
export async function contentsOf(storage: CheckpointStorage, checkpoint: CheckpointData): Promise<unknown[]> {
  const contents: unknown[] = [];
  for (const segment of checkpoint.operators[0]!.segments) {
    const rows = await readRows(storage, [segment], { start: 0, end: 128 });
    for (const { data } of rows.rows('t')) contents.push(data);
  }
  return contents;
}

/** A process on a host of its own, which takes all others for dead. */
export function processOn(host: string, processStart = 'start'): LeaseEnvironment {
  return {
    self: () => Promise.resolve({ host, pid: 1, processStart }),
    isAlive: () => Promise.resolve(false),
    // Later than anybody's last sign of life by more than a lease.
    now: () => 1_800_000_000_000 + host.charCodeAt(0) * 1_000_000,
    every: () => () => undefined,
  };
}
