/**
 * With `waitUntil: 'submitted'` a commit is confirmed when Druid has its task; what becomes of the task is watched here, by
 * writers and committer of one sink together.
 *
 * Invariants:
 * 1. A commit is open until its rows are published, or its failure has been told: by the next commit, or by a writer at a
 *    savepoint or at the end of input.
 * 2. Nothing is open when a savepoint is written or a job ends well: whoever goes on from there would not know of it.
 */
export class OpenCommits {
  /** By commit, what settles after it. */
  readonly #open = new Map<Promise<void>, Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  /** Commits of checkpoints up to this one are confirmed when they have ended. */
  #endsUpTo = 0;

  /** At a restart: what an earlier run has left open is begun anew. */
  reset(): void {
    this.#open.clear();
    this.#failure = undefined;
    this.#endsUpTo = 0;
  }

  /** Whether the checkpoint's commits are confirmed only when they have ended. */
  mustEnd(checkpointId: number): boolean {
    return checkpointId <= this.#endsUpTo;
  }

  /** Watches a commit whose task Druid has; `onFailure` is told at once. */
  watch(commit: Promise<void>, onFailure: (error: unknown) => void): void {
    if (this.#open.has(commit)) return;
    const watched = commit
      .catch((error: unknown) => {
        this.#failure ??= { error }; // invariant 1
        onFailure(error);
      })
      .finally(() => this.#open.delete(commit));
    this.#open.set(commit, watched);
  }

  /** Resolves when none is open, however they have ended. Never rejects. */
  async settle(): Promise<void> {
    await Promise.all(this.#open.values());
  }

  /** Throws what an open commit has failed with (invariant 1). */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /**
   * From now on commits up to `checkpointId` are confirmed when they have ended. Resolves when all that are open have: at a
   * savepoint, and (`Infinity`) at the end of input (invariant 2).
   */
  async endAll(checkpointId: number): Promise<void> {
    this.#endsUpTo = Math.max(this.#endsUpTo, checkpointId);
    await this.settle();
    this.throwIfFailed();
  }
}
