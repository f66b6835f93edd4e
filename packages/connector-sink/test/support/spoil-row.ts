import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommitRequest } from '@millrace/core-stream';
import type { SpoolCommittable } from '../../src/index.js';

/**
 * Makes a row of a spool file one that Druid cannot read, as if the writer had written it so. Returns its text.
 * @param line from 1
 */
export async function spoilRow(
  spoolDirectory: string,
  request: CommitRequest<SpoolCommittable> | undefined,
  line: number,
): Promise<string> {
  const { committable } = request!;
  const lines = (await readFile(join(spoolDirectory, committable.file), 'utf8')).split('\n');
  const text = lines[line - 1]!.replace('{"__time":', '{"__time":x');
  lines[line - 1] = text;
  await replaceRows(spoolDirectory, request, lines.join('\n'));
  return text;
}

/** Gives a spool file another content, as if the writer had written that. */
export async function replaceRows(
  spoolDirectory: string,
  request: CommitRequest<SpoolCommittable> | undefined,
  content: string,
): Promise<void> {
  const { committable } = request!;
  await writeFile(join(spoolDirectory, committable.file), content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  Object.assign(committable, { bytes: Buffer.byteLength(content), sha256 });
}
