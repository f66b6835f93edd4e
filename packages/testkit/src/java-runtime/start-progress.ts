/** What a start is busy with: fetching jars, compiling the launcher, waiting for the server, or done. */
export interface StartProgress {
  readonly phase: 'jars' | 'compile' | 'start' | 'ready';
  /** One sentence for people. */
  readonly message: string;
  /** Milliseconds since `start()` was called. */
  readonly elapsedMs: number;
  /** In phase `jars`: jars fetched so far by this process. */
  readonly jars?: number;
}

/** Called from time to time during a start; never after `start()` has settled. What it throws ends the start. */
export type OnStartProgress = (progress: StartProgress) => void;

/** Reports one step; the time is added by whoever made it. */
export type ReportProgress = (progress: Omit<StartProgress, 'elapsedMs'>) => void;

/** Adds the time since now to each report. */
export const progressReporter = (
  onProgress: OnStartProgress | undefined,
  now: () => number = () => performance.now(),
): ReportProgress => {
  const startedAt = now();
  return (progress) => onProgress?.({ ...progress, elapsedMs: Math.round(now() - startedAt) });
};
