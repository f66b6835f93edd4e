import type { ByteRange, Chunks } from './checkpoint-storage.js';

/** An object in a store. */
export interface BlobInfo {
  readonly name: string;
  readonly bytes: number;
}

/** How an object is put. */
export interface PutOptions {
  /** Leaves an object alone that is there already. */
  readonly ifAbsent?: boolean;
}

/** How objects are deleted. */
export interface DeleteOptions {
  /** They may be there again after a power cut: that saves waiting for the disk. */
  readonly mayComeBack?: boolean;
}

/**
 * Named objects, as object stores and file systems have them: what `BlobCheckpointStorage` needs of them. Names are one or two
 * parts of `[A-Za-z0-9_.%-]`, joined by `/`; no part begins with a dot.
 *
 * `blobStoreContract` in the testing entry point tells whether an implementation is right. Each of these must hold:
 * - what a `put` that has resolved wrote is there after a power cut, and what a `delete` removed is not, unless it may come
 *   back;
 * - a `get` or `list` that begins after a `put` or `delete` has resolved sees it, in every process (strong consistency);
 * - an object is there as a whole or not at all, at every instant; a `put` that was rejected may have worked or not;
 * - of several `put`s of one name with `ifAbsent` at the same time, one resolves with `true`.
 */
export interface BlobStore {
  /** For messages: where this is. */
  readonly location: string;
  /** Resolves with `false`, and changes nothing, where `ifAbsent` was asked for and the object is there. */
  put(name: string, chunks: Chunks, options?: PutOptions): Promise<boolean>;
  /** `undefined` where there is no such object; fewer bytes than asked for where it ends earlier. */
  get(name: string, range?: ByteRange): Promise<Uint8Array | undefined>;
  /** All objects whose name begins with `prefix`, in any order. */
  list(prefix: string): Promise<readonly BlobInfo[]>;
  /** Objects that are not there do not matter. */
  delete(names: readonly string[], options?: DeleteOptions): Promise<void>;
  /**
   * Called by a new owner before it looks at what is there: makes all of that durable, as a crash may have come between a
   * `put` and its being durable, and removes what crashes have left half-written.
   */
  settle?(): Promise<void>;
}
