/** What the subtasks of an operator have stored besides rows, decoded without the operator. */
import type { SourceSplit } from '../connectors/source.js';
import type { BroadcastStateSnapshot } from '../state/broadcast-state.js';
import { decodeState } from '../state/canonical-decoding.js';
import type { OperatorStateSnapshot } from '../state/operator-state.js';
import type { OperatorCheckpoint } from './checkpoint-data.js';

/** A source's: what its readers had not read, and what its enumerator had not given out. */
export interface StoredSource {
  /** With how far each has been read, by subtask. */
  readonly splits: readonly (readonly SourceSplit[])[];
  /** The enumerator's state, as the source has stored it; `undefined` where it has none. */
  readonly enumerator: unknown;
}

/** The state of each subtask: what the operator has given, whatever it is. */
export function subtaskStates({ subtasks }: OperatorCheckpoint): readonly unknown[] {
  return subtasks.map((bytes) => (decodeState(bytes) as { readonly state: unknown }).state);
}

/** By subtask, the lists of operator state. */
export function operatorLists(operator: OperatorCheckpoint): readonly (readonly OperatorStateSnapshot[])[] {
  return subtaskStates(operator).map((state) => {
    const stored = state as { readonly operatorState?: readonly OperatorStateSnapshot[] } | undefined;
    return stored?.operatorState ?? [];
  });
}

/** The maps of broadcast state. Each subtask has a copy; they are equal. */
export function broadcastMaps(operator: OperatorCheckpoint): BroadcastStateSnapshot {
  if (!operator.states.some(({ kind }) => kind === 'broadcast')) return [];
  const [first] = subtaskStates(operator);
  const own = (first as { readonly own?: unknown } | undefined)?.own;
  if (Array.isArray(own)) return own as unknown as BroadcastStateSnapshot;
  return (own as { readonly broadcast?: BroadcastStateSnapshot } | undefined)?.broadcast ?? [];
}

export function storedSource(operator: OperatorCheckpoint, enumerator: Uint8Array | undefined): StoredSource {
  return {
    splits: subtaskStates(operator).map((state) => (state as { readonly splits: SourceSplit[] }).splits),
    enumerator: enumerator === undefined ? undefined : decodeState(enumerator),
  };
}
