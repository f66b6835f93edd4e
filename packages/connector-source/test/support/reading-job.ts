import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transpileProgram, type Program } from '../../../../tooling/killed-program.js';
import type { Random } from './random.js';

export interface ReadingJobOptions {
  /** Of Druid. */
  readonly url: string;
  readonly dataSource: string;
  readonly reads: 'segments' | 'follow' | 'any' | 'total';
  readonly path: 'direct' | 'auto' | 'broker';
}

/** Starts `proof/reading-job.mjs`, as often as it is killed. Its rows are numbered by their column `added`. */
export class ReadingJob {
  readonly #program: Program;
  readonly #directory: string;
  readonly #options: ReadingJobOptions;
  starts = 0;

  private constructor(program: Program, directory: string, options: ReadingJobOptions) {
    this.#program = program;
    this.#directory = directory;
    this.#options = options;
  }

  static prepareProgram(): Promise<Program> {
    return transpileProgram(join(import.meta.dirname, '../proof/reading-job.mjs'), [
      'core-stream',
      'druid-client',
      'connector-source',
    ]);
  }

  static async create(program: Program, options: ReadingJobOptions): Promise<ReadingJob> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-reading-job-'));
    return new ReadingJob(program, directory, options);
  }

  /** Starts it at a random parallelism and kills it at one of its first lines, or never. Returns whether it has ended by itself. */
  start(random: Random, maxLines: number | undefined): Promise<boolean> {
    this.starts++;
    const options = { ...this.#options, directory: this.#directory, parallelism: 1 + random.below(3) };
    return this.#program.run(
      options,
      maxLines === undefined ? {} : { afterLines: 1 + random.below(maxLines) },
    );
  }

  /** The numbers of all rows that the files show, in order. */
  async rows(): Promise<number[]> {
    const root = join(this.#directory, 'rows');
    const names = await readdir(root, { recursive: true }).catch(() => []);
    const visible = names.filter((name) => !/(^|\/)\./.test(name) && name.endsWith('.ndjson'));
    const texts = await Promise.all(visible.map((name) => readFile(join(root, name), 'utf8')));
    const lines = texts.flatMap((text) => text.trimEnd().split('\n'));
    return lines.map((line) => (JSON.parse(line) as { added: number }).added).sort((a, b) => a - b);
  }

  remove(): Promise<void> {
    return rm(this.#directory, { recursive: true, force: true });
  }
}
