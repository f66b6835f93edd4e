/**
 * The directory in which a run keeps what it needs to go on: checkpoints, spool files, and the data of a Druid of its own.
 *
 * Invariants
 * 1. One process at a time: a lock file names it. The lock of a process that is gone is taken over.
 * 2. A directory with a checkpoint belongs to one set of parameters: others would give a checkpoint another meaning.
 */
import { link, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { DemoError } from './failure.js';

const parametersSchema = z.object({
  rows: z.number(),
  corrupt: z.number(),
  druid: z.string(),
  datasourcePrefix: z.string(),
  flightsFile: z.string(),
  airportsFile: z.string(),
});

/** What a run's results depend on. */
export type RunParameters = Readonly<z.infer<typeof parametersSchema>>;

export class DataDir {
  readonly path: string;
  readonly isTemporary: boolean;

  private constructor(path: string, isTemporary: boolean) {
    this.path = path;
    this.isTemporary = isTemporary;
  }

  /**
   * Takes the directory, or makes a temporary one.
   * @throws DemoError where another process has it, or it belongs to another run
   */
  static async open(path: string | undefined, parameters: RunParameters): Promise<DataDir> {
    const isTemporary = path === undefined;
    const directory = isTemporary ? await mkdtemp(join(tmpdir(), 'millrace-demo-')) : resolve(path);
    await mkdir(directory, { recursive: true });
    await takeLock(join(directory, 'lock'), directory);
    const dataDir = new DataDir(directory, isTemporary);
    try {
      await dataDir.#settleParameters(parameters);
    } catch (error) {
      await dataDir.release();
      throw error;
    }
    return dataDir;
  }

  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  get spool(): string {
    return join(this.path, 'spool');
  }

  druid(kind: string): string {
    return join(this.path, `${kind}-druid`);
  }

  /** Whether a run has got so far that there is something to go on from. */
  async hasCheckpoint(): Promise<boolean> {
    const names = await readdir(this.checkpoints).catch(() => []);
    return names.some((name) => /^chk-\d+$/.test(name));
  }

  /** Gives the directory free for the next run. */
  async release(): Promise<void> {
    await rm(join(this.path, 'lock'), { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  async #settleParameters(parameters: RunParameters): Promise<void> {
    const file = join(this.path, 'run.json');
    if (await this.hasCheckpoint()) {
      const before = await readParameters(file, this.path);
      const names = Object.keys(parameters) as (keyof RunParameters)[];
      const differences = names
        .filter((name) => before[name] !== parameters[name])
        .map(
          (name) =>
            `${FLAG_OF[name]} was ${JSON.stringify(before[name])}, now ${JSON.stringify(parameters[name])}`,
        );
      if (differences.length === 0) return;
      throw new DemoError(
        `${this.path} belongs to a run with other parameters: ${differences.join('; ')}. ` +
          'Repeat those to go on with that run, or choose another --data-dir.',
      ); // invariant 2
    }
    const unfinished = `${file}.unfinished`;
    await writeFile(unfinished, `${JSON.stringify(parameters, null, 2)}\n`);
    await rename(unfinished, file);
  }
}

const FLAG_OF: Readonly<Record<keyof RunParameters, string>> = {
  rows: '--rows',
  corrupt: '--corrupt',
  druid: '--druid',
  datasourcePrefix: '--datasource-prefix',
  flightsFile: '--flights',
  airportsFile: '--airports',
};

async function readParameters(file: string, directory: string): Promise<RunParameters> {
  try {
    return parametersSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new DemoError(
      `${directory} holds checkpoints, but ${file} does not say of which run. Choose another --data-dir, or remove this one.`,
      { cause },
    );
  }
}

/** @throws DemoError where a live process holds the lock (invariant 1) */
async function takeLock(lock: string, directory: string): Promise<void> {
  const mine = `${lock}.${process.pid}`;
  await writeFile(mine, String(process.pid));
  try {
    for (;;) {
      try {
        await link(mine, lock); // fails where there is one, and never shows half of it
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = Number(await readFile(lock, 'utf8').catch(() => '0'));
      if (isAlive(holder)) {
        throw new DemoError(
          `${directory} is in use by process ${holder}. Wait for it or stop it, or choose another --data-dir; ` +
            `should that process be something else, delete ${lock}.`,
        );
      }
      await rm(lock, { force: true });
    }
  } finally {
    await rm(mine, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
