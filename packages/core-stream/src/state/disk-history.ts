/**
 * Whether what a state store holds can be taken back to a checkpoint.
 *
 * A store is written by one run after the other. A run begins at a checkpoint and takes further ones; each of them says which
 * run took it. The next run may begin at any of those that are still there: what was written after it is taken back.
 *
 * Invariants
 * 1. A store is used for a checkpoint only if it was written by the run that took it, and no later run began before it.
 * 2. A store that was not closed is used only while the machine runs that wrote it: what a killed process wrote is there, what
 *    a machine had not yet written when it was switched off is not.
 * 3. Nothing is taken back to before `oldest`: the records for that are gone.
 */

/** What a run left in the store. */
export interface StoreRun {
  readonly id: string;
  /** The checkpoint that it began with; 0 for none. */
  readonly from: number;
}

export interface StoreHistory {
  readonly version: 1;
  readonly jobId: string;
  /** Oldest first; none while the store is being filled. */
  readonly runs: readonly StoreRun[];
  /** The oldest checkpoint that it can be taken back to. */
  readonly oldest: number;
  readonly isClosed: boolean;
  /** Of the machine's start; `undefined` where the system does not say. */
  readonly bootId: string | undefined;
}

/** The checkpoint that a job goes on from, and the run that took it. */
export interface RestoredRun {
  readonly checkpointId: number;
  readonly run: string;
}

/** Why a store cannot be taken back to a checkpoint; `undefined` where it can. */
export function whyUnusable(
  history: StoreHistory | undefined,
  jobId: string,
  { checkpointId, run }: RestoredRun,
  bootId: string | undefined,
): string | undefined {
  if (history === undefined) return 'it is empty';
  if (history.version !== 1) return 'another version of this package has written it';
  if (history.jobId !== jobId) return 'it belongs to another job';
  if (!history.isClosed && (bootId === undefined || history.bootId !== bootId)) {
    return 'it was not closed before the machine stopped'; // invariant 2
  }
  const index = history.runs.findIndex(({ id }) => id === run);
  const taker = history.runs[index];
  if (taker === undefined) return 'it is not of the run that took the checkpoint';
  const later = history.runs.slice(index + 1);
  if (taker.from > checkpointId || later.some(({ from }) => from < checkpointId)) {
    return 'a later run has begun before the checkpoint'; // invariant 1
  }
  if (checkpointId < history.oldest) return 'it can no longer be taken back that far'; // invariant 3
  return undefined;
}

/** More runs than these need not be known: a store that is not recognised is filled anew. */
const RUNS_KEPT = 64;

/** The history once a run has begun. */
export function withRun(
  { runs, oldest }: Pick<StoreHistory, 'runs' | 'oldest'>,
  identity: Pick<StoreHistory, 'jobId' | 'bootId'>,
  run: StoreRun,
): StoreHistory {
  return { version: 1, ...identity, runs: [...runs, run].slice(-RUNS_KEPT), oldest, isClosed: false };
}
