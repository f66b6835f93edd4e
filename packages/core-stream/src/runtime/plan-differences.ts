/** What a checkpoint holds that a program cannot take over, as far as its plan tells; its functions are not asked yet. */
import type { CheckpointData, OperatorCheckpoint } from '../checkpoint/checkpoint-data.js';
import { CheckpointError } from '../errors.js';
import { typeOf, type ExecutionPlan, type PlanNode } from '../plan/execution-plan.js';
import { decodeState } from '../state/canonical-decoding.js';
import { noCommitter } from './commit-queue.js';
import { whyNoKeyMigration } from './key-migration.js';
import { hasRecords } from './restored-in-flight.js';
import type { SubtaskState } from './task-snapshot.js';

/** Something that is stored and cannot be taken over. */
export interface PlanDifference {
  readonly uid: string;
  readonly error: CheckpointError;
}

/** All of them. An operator without state may go, and may become another one. */
export function planDifferences(
  checkpoint: CheckpointData,
  plan: ExecutionPlan,
  allowNonRestoredState: boolean,
): readonly PlanDifference[] {
  const nodes = new Map(plan.vertices.flatMap((vertex) => vertex.nodes.map((node) => [node.uid, node])));
  const { checkpointId, operators, pendingCommits } = checkpoint;
  const differences: PlanDifference[] = [];
  const note = (uid: string, message: string) =>
    differences.push({ uid, error: new CheckpointError(message, { details: { uid } }) });
  for (const { uid, requests } of pendingCommits) {
    const node = nodes.get(uid);
    if (node !== undefined) {
      if (!hasCommitter(node)) differences.push({ uid, error: noCommitter(uid, requests.length) });
      continue;
    }
    note(
      uid,
      `Checkpoint ${checkpointId} holds open commits of an operator with uid '${uid}', which the program does not have. ` +
        'Start the program with its sink once more, so that they are committed.',
    );
  }
  for (const stored of operators) {
    const node = nodes.get(stored.uid);
    if (node !== undefined) differences.push(...nodeDifferences(stored, node));
    else if (!allowNonRestoredState && hasState(stored)) {
      note(
        stored.uid,
        `Checkpoint ${checkpointId} holds state of an operator with uid '${stored.uid}', which the program does not have. ` +
          "Give operators a uid (.uid(…)) before changing a program; to leave the state behind, set 'allowNonRestoredState'.",
      );
    }
  }
  return differences;
}

function* nodeDifferences(stored: OperatorCheckpoint, node: PlanNode): Iterable<PlanDifference> {
  const { uid, name } = node;
  const details = { operator: name, uid };
  const isKeyed = node.spec.kind === 'operator' && node.spec.keySelectors !== undefined;
  if (stored.type !== typeOf(node)) {
    if (!hasOwnState(stored)) return;
    const message =
      `The checkpoint holds state of a '${stored.type}' under the uid '${uid}', where the program has the '${typeOf(node)}' '${name}'. ` +
      'Give the new operator a uid of its own.';
    yield { uid, error: new CheckpointError(message, { details }) };
    return;
  }
  if (isKeyed && stored.maxParallelism !== node.maxParallelism && stored.subtasks.length > 0) {
    const message =
      `The checkpoint of '${name}' was taken with max parallelism ${stored.maxParallelism}, the program has ${node.maxParallelism}. ` +
      'Keys would end up in other subtasks: set maxParallelism back.';
    yield { uid, error: new CheckpointError(message, { details }) };
  }
  const error = stored.segments.length > 0 ? whyNoKeyMigration(node, stored.keyVersion) : undefined;
  if (error !== undefined) yield { uid, error };
}

function hasCommitter({ spec }: PlanNode): boolean {
  return spec.kind === 'sink' && spec.sink.createCommitter !== undefined;
}

/** State is read by the kind of operator that wrote it. */
function hasOwnState({ subtasks, segments }: OperatorCheckpoint): boolean {
  return segments.length > 0 || subtasks.some((bytes) => subtaskState(bytes).state !== undefined);
}

function hasState(stored: OperatorCheckpoint): boolean {
  return (
    hasOwnState(stored) ||
    stored.subtasks.some((bytes) => (subtaskState(bytes).inFlight ?? []).some(hasRecords))
  );
}

function subtaskState(bytes: Uint8Array): SubtaskState {
  return decodeState(bytes) as SubtaskState;
}
