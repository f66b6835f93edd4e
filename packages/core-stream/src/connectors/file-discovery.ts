/**
 * Which files of a watched directory are taken. Pure: what was seen and what is there in, decisions out.
 *
 * Invariants
 * 1. A file is taken once it is complete, and once only: when two looks in a row have seen it with the same size and time.
 * 2. A taken file that is there with another size or time is reported: what was read of it is no longer what it holds.
 * 3. What is remembered is what is there: a file that is gone is forgotten, and one of its name is a new one.
 */
import type { ListedFile } from './file-split.js';

/** By path. */
export interface Discovered {
  readonly taken: readonly ListedFile[];
  /** Seen once, perhaps still being written. */
  readonly candidates: readonly ListedFile[];
}

export interface Discovery extends Discovered {
  readonly fresh: readonly ListedFile[];
  readonly changed: readonly { readonly before: ListedFile; readonly now: ListedFile }[];
}

export const nothingDiscovered: Discovered = { taken: [], candidates: [] };

export function discover(before: Discovered, listed: readonly ListedFile[]): Discovery {
  const taken = new Map(before.taken.map((file) => [file.path, file]));
  const candidates = new Map(before.candidates.map((file) => [file.path, file]));
  const next = { taken: [] as ListedFile[], candidates: [] as ListedFile[] };
  const fresh: ListedFile[] = [];
  const changed: { before: ListedFile; now: ListedFile }[] = [];
  for (const now of listed) {
    const known = taken.get(now.path);
    if (known !== undefined) {
      next.taken.push(known); // invariant 3
      if (!isSame(known, now)) changed.push({ before: known, now }); // invariant 2
    } else if (isSame(candidates.get(now.path), now)) {
      next.taken.push(now);
      fresh.push(now); // invariant 1
    } else next.candidates.push(now);
  }
  return { ...next, fresh, changed };
}

function isSame(a: ListedFile | undefined, b: ListedFile): boolean {
  return a?.size === b.size && a.mtimeMs === b.mtimeMs;
}
