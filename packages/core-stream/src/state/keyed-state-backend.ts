/** What operators use of keyed state, whatever holds it. */
import type { KeyedStateStore, StateDescriptor, StateKind } from './state.js';

/** What a checkpoint tells about one keyed state; the state itself is in rows. */
export interface KeyedStateInfo {
  readonly name: string;
  readonly kind: StateKind;
  /** Whether what is stored carries the times of a TTL. */
  readonly hasTtl: boolean;
  /** Of its schema. */
  readonly version: number;
}

/** The part of an operator's state that says what its rows of keyed state hold. */
export type KeyedStateSnapshot = readonly KeyedStateInfo[];

/** The keyed state of one subtask: handles always work on the current key. */
export interface KeyedStateBackend extends KeyedStateStore {
  /** `undefined` where no key is current. */
  readonly currentKey: unknown;
  /** What `keyIdentity` gives for the current key. */
  readonly currentIdentity: unknown;
  setCurrentKey(key: unknown): void;
  /** Until the next `setCurrentKey` handles read nothing, and refuse to write. */
  clearCurrentKey(): void;
  /** Removes all state of the current key. */
  dropCurrentKey(): void;
  /** The keys that have something under `descriptor`, at the time of the call. */
  keysOf(descriptor: StateDescriptor): Iterable<unknown>;
  /** Call it once per checkpoint: what the rows hold, also of states that the program has not asked for. */
  snapshot(): KeyedStateSnapshot;
}
