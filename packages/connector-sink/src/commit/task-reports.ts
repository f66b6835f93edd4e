import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { SpoolCommittable } from './committable.js';
import { namesUnparseable, provenRejections, type RejectedRow } from './rejected-rows.js';
import { readRowStats, rowStatsMismatch } from './row-stats.js';

type Reports = Readonly<Record<string, unknown>> | undefined;

/** What a task's report says about a file. */
export interface ReportFindings {
  /** `unknown`: there is no report in a form we know. */
  readonly verdict: 'agrees' | 'differs' | 'unknown';
  /** What differs, as a phrase. */
  readonly mismatch?: string;
  readonly rejected: readonly RejectedRow[];
}

/** What a task that has succeeded did with the file's rows. */
export async function examineSuccess(
  reports: Reports,
  committable: SpoolCommittable,
  directory: SpoolDirectory,
): Promise<ReportFindings> {
  const stats = readRowStats(reports);
  if (stats === undefined) return { verdict: 'unknown', rejected: [] };
  // A file that is gone was committed before, with all that was rejected handed on.
  if (stats.unparseable > 0 && (await directory.has(committable.file))) {
    const rejected = await provenRejections(reports, committable, directory.resolve(committable.file));
    const mismatch = rowStatsMismatch(stats, committable.rows, rejected?.length);
    if (rejected !== undefined && mismatch === undefined) return { verdict: 'agrees', rejected };
    const what = `${String(rowStatsMismatch(stats, committable.rows))}, not all of which are whole rows of the file`;
    return { verdict: 'differs', mismatch: mismatch ?? what, rejected: [] };
  }
  const isGone = stats.unparseable > 0;
  const mismatch = rowStatsMismatch(stats, committable.rows, isGone ? stats.unparseable : 0);
  return mismatch === undefined
    ? { verdict: 'agrees', rejected: [] }
    : { verdict: 'differs', mismatch, rejected: [] };
}

/** The rows that have made a task fail, where its report proves it. `isByRow`: that it did fail by rows of the file. */
export async function examineFailure(
  reports: Reports,
  committable: SpoolCommittable,
  directory: SpoolDirectory,
): Promise<{ readonly rejected: readonly RejectedRow[]; readonly isByRow: boolean }> {
  if (!(await directory.has(committable.file))) {
    // Committed before, by this attempt or by one after it.
    return { rejected: [], isByRow: namesUnparseable(reports) };
  }
  const rejected = (await provenRejections(reports, committable, directory.resolve(committable.file))) ?? [];
  return { rejected, isByRow: rejected.length > 0 };
}
