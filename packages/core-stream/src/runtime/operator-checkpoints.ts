import type { OperatorCheckpoint, StateSchemaInfo } from '../checkpoint/checkpoint-data.js';
import type { SegmentCatalog } from '../checkpoint/segment-catalog.js';
import { keyVersionOf, typeOf, type ExecutionPlan } from '../plan/execution-plan.js';
import type { OperatorSnapshot } from './task.js';

/** What one subtask of an operator has given: everything but rows. */
export type SubtaskPart = Pick<OperatorSnapshot, 'uid' | 'subtaskIndex' | 'bytes' | 'states'>;

/** Puts together what the subtasks of each operator have given. */
export function operatorCheckpoints(
  plan: ExecutionPlan,
  parts: readonly SubtaskPart[],
  segments: SegmentCatalog,
): OperatorCheckpoint[] {
  const byUid = new Map<string, SubtaskPart[]>();
  for (const part of parts) {
    let ofOperator = byUid.get(part.uid);
    if (ofOperator === undefined) byUid.set(part.uid, (ofOperator = []));
    ofOperator[part.subtaskIndex] = part;
  }
  return plan.vertices
    .flatMap(({ nodes }) => nodes)
    .map((node) => ({
      uid: node.uid,
      name: node.name,
      type: typeOf(node),
      maxParallelism: node.maxParallelism,
      keyVersion: keyVersionOf(node),
      states: distinct((byUid.get(node.uid) ?? []).flatMap(({ states }) => states)),
      subtasks: (byUid.get(node.uid) ?? []).map(({ bytes }) => bytes),
      segments: segments.list(node.uid),
    }));
}

function distinct(states: readonly StateSchemaInfo[]): StateSchemaInfo[] {
  return [
    ...new Map(
      states.map((state) => [JSON.stringify([state.name, state.kind, state.hasTtl, state.version]), state]),
    ).values(),
  ];
}

/** What a restart reads, in bytes. */
export function sizeOf(operators: readonly OperatorCheckpoint[]): number {
  let bytes = 0;
  for (const { subtasks, segments } of operators) {
    for (const part of subtasks) bytes += part.byteLength;
    for (const segment of segments) bytes += segment.bytes;
  }
  return bytes;
}
