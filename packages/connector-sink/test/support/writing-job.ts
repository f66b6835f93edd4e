import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transpileProgram, type Kill, type Program } from '../../../../tooling/killed-program.js';

/** What the program says it is at. */
export const points = [
  'restore',
  'recover',
  'write',
  'barrier',
  'prepared',
  'manifest',
  'durable',
  'commit',
  'submit',
  'submitted',
  'served',
  'status',
  'published',
  'count',
  'committed',
] as const;
export type Point = (typeof points)[number];

/** A mode of `DruidSink`, or a `FileSink`. */
export type Output = 'append' | 'replace' | 'kafka' | 'files';

export interface WritingJobOptions {
  /** Of Druid. */
  readonly url: string;
  /** Begins the names of its datasources, which end with the mode. */
  readonly name: string;
  readonly seed: number;
  /** Where each row goes: into datasources of their own, and into files. */
  readonly outputs: readonly Output[];
  /** Of Kafka, for `kafka`. */
  readonly bootstrapServers?: string | undefined;
  readonly records: number;
  readonly recordsPerSecond: number;
  /** Between checkpoints. */
  readonly intervalMs: number;
  /** More options of the sink. */
  readonly sinkOptions: Readonly<Record<string, unknown>>;
}

/** One life of the program. */
export interface Life extends Kill {
  readonly parallelism: number;
  readonly killAt?: {
    readonly point: Point;
    readonly nth: number;
    readonly afterMs: number;
    /** Not killed: what is done there fails. */
    readonly throws?: boolean;
  };
}

/** Starts `proof/writing-job.mjs`, as often as it is killed. */
export class WritingJob {
  /** How often it was killed at its points, and in all. */
  readonly hits = new Map<Point, number>();
  kills = 0;
  readonly #program: Program;
  readonly #directory: string;
  readonly #options: WritingJobOptions;

  private constructor(program: Program, directory: string, options: WritingJobOptions) {
    this.#program = program;
    this.#directory = directory;
    this.#options = options;
  }

  static prepareProgram(): Promise<Program> {
    const packages = ['core-stream', 'druid-client', 'connector-kafka', 'connector-sink'];
    return transpileProgram(join(import.meta.dirname, '../proof/writing-job.mjs'), packages);
  }

  static async create(program: Program, options: WritingJobOptions): Promise<WritingJob> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-writing-job-'));
    return new WritingJob(program, directory, options);
  }

  /** Resolves with whether it has come to its end. */
  async live({ parallelism, killAt, ...kill }: Life, onLine?: (line: string) => void): Promise<boolean> {
    const options = { ...this.#options, directory: this.#directory, parallelism, killAt };
    const isFinished = await this.#program.run(options, kill, (line) => {
      const point = points.find((each) => line === `killed at ${each}`);
      if (point !== undefined) this.hits.set(point, (this.hits.get(point) ?? 0) + 1);
      onLine?.(line);
    });
    if (!isFinished) this.kills++;
    return isFinished;
  }

  /** Files of rows that are left. */
  async spoolFiles(): Promise<string[]> {
    const names = await readdir(this.#directory, { recursive: true });
    return names.filter((name) => name.includes('.ndjson'));
  }

  /** What of its rows can be seen; Druid is asked past any proxy. */
  async totals(druidUrl: string): Promise<Partial<Record<Output, KeyTotals[]>>> {
    const { outputs, name } = this.#options;
    const totals = outputs.map(async (output) => [
      output,
      output === 'files' ? await this.#totalsInFiles() : await totalsIn(druidUrl, `${name}_${output}`),
    ]);
    return Object.fromEntries(await Promise.all(totals)) as Partial<Record<Output, KeyTotals[]>>;
  }

  /** Of the output `files`, those that readers may read. */
  async finishedFiles(): Promise<string[]> {
    const directory = join(this.#directory, 'files');
    const names = await readdir(directory);
    return names.filter((name) => name.startsWith('part-')).map((name) => join(directory, name));
  }

  async #totalsInFiles(): Promise<KeyTotals[]> {
    const paths = await this.finishedFiles();
    const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
    const totals = new Map<string, { key: string; count: number; sum: number }>();
    for (const line of texts.join('').trimEnd().split('\n')) {
      const { key, value } = JSON.parse(line) as { key: string; value: number };
      const total = totals.get(key) ?? { key, count: 0, sum: 0 };
      totals.set(key, { key, count: total.count + 1, sum: total.sum + value });
    }
    return [...totals.values()].sort(byKey);
  }

  remove(): Promise<void> {
    return rm(this.#directory, { recursive: true, force: true });
  }
}

export interface KeyTotals {
  readonly key: string;
  readonly count: number;
  readonly sum: number;
}

/** What the rows of `writing-job.mjs` come to, without it. */
export function totalsOf(seed: number, records: number): KeyTotals[] {
  const totals = Array.from({ length: 17 }, (_, k) => ({ key: `key ${k}`, count: 0, sum: 0 }));
  for (let n = 0; n < records; n++) {
    let x = Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    const random = (x ^ (x >>> 16)) >>> 0;
    const total = totals[random % 17]!;
    total.count += 1;
    total.sum += (random % 2_000_001) - 1_000_000;
  }
  return totals.filter(({ count }) => count > 0).sort(byKey);
}

/** What Druid answers for a datasource, asked without our packages. */
export async function totalsIn(url: string, dataSource: string): Promise<KeyTotals[]> {
  const query = `SELECT "key", COUNT(*) AS "count", SUM("value") AS "sum" FROM "${dataSource}" GROUP BY 1`;
  const answer = await fetch(`${url}/druid/v2/sql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  if (!answer.ok) throw new Error(`Druid answers ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as KeyTotals[]).sort(byKey);
}

const byKey = (a: KeyTotals, b: KeyTotals): number => (a.key < b.key ? -1 : 1);
