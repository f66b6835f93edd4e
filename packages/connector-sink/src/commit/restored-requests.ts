import type { CommitRequest } from '@millrace/core-stream';
import { DruidSinkCheckpointError } from '../errors.js';
import { isOpenSpoolFile, notOurs, type OpenSpoolFile } from '../spool/open-rows.js';
import type { SpoolCommittable } from './committable.js';

type Request = CommitRequest<SpoolCommittable>;

/**
 * Refuses what a committer cannot go on from, before it deletes or begins anything: what another mode has written, whose files
 * lie in the same directory; and a checkpoint that had a file open which Druid has been given since.
 * @throws DruidSinkCheckpointError
 */
export function requireRestorable(
  pending: readonly Request[],
  writerStates: readonly OpenSpoolFile[],
  submitted: readonly Request[],
): void {
  const isOurs = writerStates.every(isOpenSpoolFile) && pending.every(isSpoolRequest);
  if (!isOurs) throw notOurs();
  const open = new Set(writerStates.map(({ file }) => file));
  const newer = submitted.find(({ committable }) => open.has(committable.file));
  if (newer === undefined) return;
  const { checkpointId, committable } = newer;
  throw new DruidSinkCheckpointError(
    `The restored checkpoint is older than what is in Druid: there '${committable.file}' was still being written, and checkpoint ` +
      `${checkpointId} has handed it over. Its rows would be written twice. Start from checkpoint ${checkpointId} or a later one.`,
    { details: { file: committable.file, checkpointId } },
  );
}

function isSpoolRequest({ committable }: Request): boolean {
  const { version, file, sha256 } = committable as Partial<SpoolCommittable>;
  return version === 1 && typeof file === 'string' && typeof sha256 === 'string';
}
