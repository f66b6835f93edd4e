import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
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
  spoil: (row: string) => string = (row) => row.replace('{"__time":', '{"__time":x'),
): Promise<string> {
  const { committable } = request!;
  const content = await readFile(join(spoolDirectory, committable.file));
  const rows = committable.file.endsWith('.gz') ? gunzipSync(content) : content;
  const lines = rows.toString('utf8').split('\n');
  const text = spoil(lines[line - 1]!);
  lines[line - 1] = text;
  await replaceRows(spoolDirectory, request, lines.join('\n'));
  return text;
}

/** Gives a spool file other rows, as if the writer had written that. */
export async function replaceRows(
  spoolDirectory: string,
  request: CommitRequest<SpoolCommittable> | undefined,
  rows: string,
): Promise<void> {
  const { committable } = request!;
  const content = committable.file.endsWith('.gz') ? gzipSync(rows) : Buffer.from(rows);
  await writeFile(join(spoolDirectory, committable.file), content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  Object.assign(committable, { bytes: content.length, sha256 });
}
