/** When an open file is committed: at the first barrier where one of these is reached. */
export interface CommitSize {
  readonly minRows: number;
  /** Before compression. */
  readonly minBytes: number;
  readonly maxAgeMs: number;
}

export interface CommitSizeOptions {
  readonly minCommitRows?: number;
  readonly minCommitBytes?: number;
  readonly maxCommitAgeMs?: number;
}

const MINUTE_MS = 60_000;

/** Where nothing is asked for, every barrier commits. What is not asked for otherwise does not count. */
export function commitSize({ minCommitRows, minCommitBytes, maxCommitAgeMs }: CommitSizeOptions): CommitSize {
  const merges = (minCommitRows ?? minCommitBytes ?? maxCommitAgeMs) !== undefined;
  return {
    minRows: minCommitRows ?? (merges ? Infinity : 0),
    minBytes: minCommitBytes ?? Infinity,
    maxAgeMs: maxCommitAgeMs ?? MINUTE_MS,
  };
}

/** @param ageMs negative where the clock was set back: then nobody knows, and the file is due */
export function commitIsDue(
  { rows, textBytes }: { readonly rows: number; readonly textBytes: number },
  ageMs: number,
  size: CommitSize,
): boolean {
  return rows >= size.minRows || textBytes >= size.minBytes || ageMs >= size.maxAgeMs || ageMs < 0;
}
