import { open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import type { Describer } from '@millrace/core-stream';
import type { EncodedRow } from '../schema/row-encoder.js';
import { TimeChunks } from '../schema/time-chunks.js';
import { DruidSinkInvariantError } from '../errors.js';
import { wellFormed } from '../spool/dead-letters.js';
import type { SpoolDirectory } from '../spool/spool-directory.js';
import type { SpoolTarget } from '../spool/spool-target.js';
import type { SpoolCommittable } from './committable.js';
import type { RejectedRow } from './rejected-rows.js';

export interface RejectedRowFileOptions {
  readonly target: SpoolTarget;
  readonly commitIdColumn: string | null;
  readonly directory: SpoolDirectory;
  readonly describer: Describer;
}

/** Writes the rows of a file that Druid could not read as a file for the datasource of dead letters. */
export class RejectedRowFile {
  readonly #options: RejectedRowFileOptions;

  constructor(options: RejectedRowFileOptions) {
    this.#options = options;
  }

  get dataSource(): string {
    return this.#options.target.dataSchema.dataSource;
  }

  /** The same name, commit id and content for the same rows, so that a process that does it again commits it once. */
  async write(committable: SpoolCommittable, rows: readonly RejectedRow[]): Promise<SpoolCommittable> {
    const { target, commitIdColumn, directory } = this.#options;
    const file = committable.file.replace(/\.ndjson.*$/, '.rejected.ndjson');
    const commitId = commitIdColumn === null ? null : `${String(committable.commitId)}r`;
    const chunks = new TimeChunks(target.segmentGranularity);
    const encoded: EncodedRow = { text: '', time: 0 };
    let text = '';
    for (const { foundAtMs, dataSource, reason, text: row } of rows) {
      const letter = { foundAtMs, dataSource, column: '', reason, record: this.#show(row) };
      const refusal = target.encode(wellFormed(letter), encoded);
      if (refusal !== undefined) {
        throw new DruidSinkInvariantError(`A dead letter is no row: ${refusal.reason}. Please report this.`);
      }
      chunks.add(encoded.time);
      text += `${encoded.text}}\n`;
    }
    const data = Buffer.from(text);
    try {
      const handle = await open(directory.resolve(file), 'w');
      try {
        await handle.writeFile(data);
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (cause) {
      throw await directory.error('cannot be written', cause);
    }
    return {
      version: 1,
      file,
      fileNumber: committable.fileNumber,
      rows: rows.length,
      bytes: data.length,
      sha256: createHash('sha256').update(data).digest('hex'),
      commitId,
      commitIdColumn: commitId === null ? null : commitIdColumn,
      minTime: chunks.minTime,
      maxTime: chunks.maxTime,
      chunks: chunks.ranges(),
      dataSchema: target.dataSchema,
    };
  }

  #show(row: string): string {
    const { describer } = this.#options;
    try {
      return describer.describeRecord(JSON.parse(row));
    } catch {
      return describer.describeRecord(row); // it is no JSON: all the more reason to show it
    }
  }
}
