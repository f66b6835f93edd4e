import { describe, expect, it } from 'vitest';
import type { CheckpointStorage } from '../../src/checkpoint/checkpoint-storage.js';
import { FileCheckpointStorage } from '../../src/checkpoint/file-checkpoint-storage.js';
import type { SegmentRef } from '../../src/checkpoint/checkpoint-data.js';
import { CheckpointError } from '../../src/errors.js';
import {
  checkpointOf,
  contentsOf,
  historyOf,
  lineage,
  processOn,
  putSegmentOf,
} from '../support/checkpoints.js';
import { failureOf } from '../support/conditions.js';
import { failure, FaultyFileSystem, PowerCut } from '../support/faulty-file-system.js';
import { Random } from '../support/random.js';

const DIRECTORY = '/data/jobs/clicks';
const SEEDS = [1, 2, 3];
const CHECKPOINTS = 3;

/** What a job has been told. */
interface Progress {
  /** The newest checkpoint that was written, or that it goes on from. */
  completed: number;
  /** The newest one that was begun. */
  begun: number;
}

let starts = 0;

function storageOn(fileSystem: FaultyFileSystem, retained = 1): FileCheckpointStorage {
  return new FileCheckpointStorage(DIRECTORY, {
    fileSystem,
    retained,
    environment: processOn('A', String(++starts)),
  });
}

/** One start of a job: goes on from what is there, and writes some checkpoints. */
async function live(fileSystem: FaultyFileSystem, progress: Progress): Promise<void> {
  const storage = storageOn(fileSystem);
  await storage.claim(lineage);
  const latest = await storage.latest();
  // The job goes on from it, so it must never vanish again.
  progress.completed = latest?.checkpointId ?? 0;
  const segments = [...(latest?.operators[0]?.segments ?? [])];
  const first = (latest?.checkpointId ?? 0) + 1;
  for (let id = first; id < first + CHECKPOINTS; id++) {
    progress.begun = id;
    await addCheckpoint(storage, id, segments, fileSystem.steps);
    progress.completed = id;
  }
  await storage.release();
}

/** Segments are shared by checkpoints, and the oldest is dropped after a while. */
async function addCheckpoint(storage: CheckpointStorage, id: number, segments: SegmentRef[], step: number) {
  segments.push(await putSegmentOf(storage, `s${id}-${step}`, String(id)));
  if (segments.length > 2) segments.shift();
  await storage.write(checkpointOf(id, String(id), segments));
}

/** The checkpoint that is found is whole, and it is the last one that was written, or the one after. */
async function check(fileSystem: FaultyFileSystem, { completed, begun }: Progress): Promise<number> {
  const storage = storageOn(fileSystem);
  const latest = await storage.latest();
  const found = latest?.checkpointId ?? 0;
  expect(found).toBeGreaterThanOrEqual(completed);
  expect(found).toBeLessThanOrEqual(begun);
  for (const id of await storage.list()) {
    const checkpoint = await storage.read(id);
    expect(historyOf(checkpoint)).toBe(String(id));
    const expected = id === 1 ? ['1'] : [String(id - 1), String(id)];
    expect(await contentsOf(storage, checkpoint)).toEqual(expected);
  }
  return found;
}

async function stepsOfALife(): Promise<number> {
  const fileSystem = new FaultyFileSystem();
  await live(fileSystem, { completed: 0, begun: 0 });
  return fileSystem.steps;
}

describe('a power cut', () => {
  it('at every step of a job leaves the last checkpoint that was written, or the next one, whole', async () => {
    const steps = await stepsOfALife();
    expect(steps).toBeGreaterThan(100);
    for (let at = 1; at <= steps; at++) {
      for (const seed of SEEDS) {
        const random = new Random(at * 1_000 + seed);
        const fileSystem = new FaultyFileSystem();
        const progress = { completed: 0, begun: 0 };
        fileSystem.beforeStep = (step) => {
          if (step === at) throw new PowerCut();
        };
        await live(fileSystem, progress).catch(() => undefined); // a cut after the last checkpoint does not matter to it
        const after = fileSystem.cut(random);
        const found = await check(after, progress);
        // And the job goes on.
        const next = { completed: found, begun: found };
        await live(after, next);
        expect(next.completed).toBe(found + CHECKPOINTS);
        await check(after, next);
      }
    }
  });

  it('does not take away what a job goes on from, although its writer was killed at any step', async () => {
    const steps = await stepsOfALife();
    for (let at = 1; at <= steps; at++) {
      for (const seed of SEEDS) {
        const killed = new FaultyFileSystem();
        const progress = { completed: 0, begun: 0 };
        killed.beforeStep = (step) => {
          if (step === at) throw new PowerCut();
        };
        await live(killed, progress).catch(() => undefined);
        const next = killed.killed();
        const storage = storageOn(next);
        await storage.claim(lineage);
        progress.completed = (await storage.latest())?.checkpointId ?? 0;
        await check(next.cut(new Random(at * 1_000 + seed)), progress);
      }
    }
  });

  it('or a killed process, again and again, at random steps, leaves one whole checkpoint after the other', async () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      let fileSystem = new FaultyFileSystem();
      const progress = { completed: 0, begun: 0 };
      for (let life = 0; life < 8; life++) {
        const at = random.below(life === 0 ? 40 : 200);
        fileSystem.beforeStep = (step) => {
          if (step === at) throw new PowerCut();
        };
        await live(fileSystem, progress).catch(() => undefined); // it may be cut at this step, or later, or not at all
        fileSystem = random.below(3) === 0 ? fileSystem.killed() : fileSystem.cut(random);
        await check(fileSystem, progress);
      }
    }
  });

  it('leaves nothing behind for ever', async () => {
    const steps = await stepsOfALife();
    for (let at = 1; at <= steps; at++) {
      const fileSystem = new FaultyFileSystem();
      fileSystem.beforeStep = (step) => {
        if (step === at) throw new PowerCut();
      };
      await live(fileSystem, { completed: 0, begun: 0 }).catch(() => undefined);
      const after = fileSystem.cut(new Random(at));
      await live(after, { completed: 0, begun: 0 });
      const names: string[] = [];
      for (const { name, isDirectory } of await after.list(DIRECTORY)) {
        if (!isDirectory) names.push(name);
        else
          for (const entry of await after.list(`${DIRECTORY}/${name}`)) names.push(`${name}/${entry.name}`);
      }
      const kinds = names.map((name) => name.replaceAll(/[\d-]+/g, 'N')).sort();
      expect(kinds, `step ${at}`).toEqual([
        'chkN/MANIFESTN.json',
        'chkN/stateN.bin',
        'job.json',
        'owners/N.json',
        'segments/sN',
        'segments/sN',
      ]);
    }
  });
});

describe.each([
  ['ENOSPC', 'The disk is full: make room'],
  ['EIO', 'The disk does not work'],
])('%s', (code, nextStep) => {
  it('at every step of a job has a defined error, and later checkpoints are written', async () => {
    const steps = await stepsOfALife();
    let failures = 0;
    for (let at = 1; at <= steps + 20; at++) {
      const fileSystem = new FaultyFileSystem();
      const progress = { completed: 0, begun: 0 };
      fileSystem.beforeStep = (step, call) => {
        if (step === at) throw failure(code, call.split(' ').at(-1)!);
      };
      const tried = async <T>(work: () => Promise<T>): Promise<T> => {
        for (;;) {
          try {
            return await work();
          } catch (error) {
            failures++;
            expect(error, `step ${at}`).toBeInstanceOf(CheckpointError);
            const { message } = error as CheckpointError;
            expect(message).toContain(code);
            expect(message).toContain(DIRECTORY);
            expect(message).toContain(nextStep);
          }
        }
      };
      const storage = storageOn(fileSystem, 2);
      await tried(() => storage.claim(lineage));
      const segments: SegmentRef[] = [];
      for (let id = 1; id <= 4; id++) {
        progress.begun = id;
        segments.push(await tried(() => putSegmentOf(storage, `s${id}`, String(id))));
        if (segments.length > 2) segments.shift();
        // A checkpoint that has failed is not tried again: the next one is another one.
        await storage.write(checkpointOf(id, String(id), segments)).then(
          () => (progress.completed = id),
          (error: unknown) =>
            tried(() => Promise.resolve()).then(() => expect(error).toBeInstanceOf(CheckpointError)),
        );
        const found = await tried(() => check(fileSystem, progress));
        expect(found).toBeGreaterThanOrEqual(progress.completed);
      }
      expect(progress.completed).toBeGreaterThanOrEqual(3);
      await storage.release();
    }
    expect(failures).toBeGreaterThan(20);
  });
});

it.each([
  ['EROFS', 'The file system is read-only: choose another directory'],
  ['EMFILE', 'This process has too many files open: raise its limit'],
  ['EBUSY', 'Check that it can be read and written'],
])('%s says what to do, wherever it comes up', async (code, nextStep) => {
  const fileSystem = new FaultyFileSystem();
  const storage = storageOn(fileSystem);
  await storage.claim(lineage);
  await storage.write(checkpointOf(1));
  fileSystem.beforeStep = (_step, call) => {
    throw failure(code, call.split(' ').at(-1)!);
  };
  for (const work of [
    () => storage.write(checkpointOf(2)),
    () => putSegmentOf(storage, 'a', 'a'),
    () => storage.readSegment('a', { offset: 0, length: 1 }),
    () => storage.latest(),
    () => storage.list(),
    () => storageOn(fileSystem).claim(lineage),
  ]) {
    const error = await failureOf(work());
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(`${code}: '${DIRECTORY}`);
    expect(error.message).toContain(nextStep);
  }
});

describe('a directory that is removed underneath', () => {
  it('makes the next checkpoint fail, with an error that says so, and nothing is begun anew in its place', async () => {
    const fileSystem = new FaultyFileSystem();
    const storage = storageOn(fileSystem);
    await storage.claim(lineage);
    const segment = await putSegmentOf(storage, 'a', 'a');
    await storage.write(checkpointOf(1, '1', [segment]));
    fileSystem.removeTree(DIRECTORY);
    for (const segments of [[], [segment]]) {
      const error: unknown = await storage.write(checkpointOf(2, '2', segments)).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(CheckpointError);
      expect((error as Error).message).toBe(
        `${DIRECTORY} was removed, or moved away, while this job was running. ` +
          'Put it back and start the job again, or start it with an empty directory.',
      );
    }
    await failureOf(putSegmentOf(storage, 'b', 'b'));
    await storage.release();
    await failureOf(storage.claim(lineage));
    expect(await fileSystem.list('/data/jobs')).toEqual([]);
    expect(await storageOn(fileSystem).latest()).toBeUndefined();
    await storageOn(fileSystem).claim(lineage);
  });

  it('is gone on with where it is put back', async () => {
    const fileSystem = new FaultyFileSystem();
    const storage = storageOn(fileSystem);
    await storage.claim(lineage);
    await fileSystem.rename(DIRECTORY, '/data/away');
    await failureOf(storage.write(checkpointOf(1)));
    await failureOf(putSegmentOf(storage, 'a', 'a'));
    await fileSystem.rename('/data/away', DIRECTORY);
    const segment = await putSegmentOf(storage, 'a', 'a');
    await storage.write(checkpointOf(2, '2', [segment]));
    expect(await contentsOf(storage, (await storage.latest())!)).toEqual(['a']);
    await storage.release();
    // Also by another job of this process, although the release could not be noted.
    const later = storageOn(fileSystem);
    await later.claim(lineage);
    await fileSystem.rename(DIRECTORY, '/data/away');
    await later.release();
    await fileSystem.rename('/data/away', DIRECTORY);
    await new FileCheckpointStorage(DIRECTORY, {
      fileSystem,
      environment: { ...processOn('A', String(starts)), isAlive: () => Promise.resolve(true) },
    }).claim(lineage);
  });
});

describe('a directory that may not be read', () => {
  it('has a defined error, and a claim that says so', async () => {
    const fileSystem = new FaultyFileSystem();
    const storage = storageOn(fileSystem);
    await storage.claim(lineage);
    fileSystem.beforeStep = (_step, call) => {
      if (call.includes(DIRECTORY)) throw failure('EACCES', DIRECTORY);
    };
    for (const work of [
      () => storage.write(checkpointOf(1)),
      () => storage.latest(),
      () => putSegmentOf(storage, 'a', 'a'),
      () => storageOn(fileSystem).claim(lineage),
    ]) {
      const error = await failureOf(work());
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toContain('Check that this user may read and write there');
    }
  });

  it('does not matter where it is not the storage’s: lost+found of a volume of its own', async () => {
    const fileSystem = new FaultyFileSystem();
    await storageOn(fileSystem).claim(lineage);
    await fileSystem.makeDirectory(`${DIRECTORY}/lost+found`);
    fileSystem.beforeStep = (_step, call) => {
      if (call.includes('lost+found')) throw failure('EACCES', `${DIRECTORY}/lost+found`);
    };
    await storageOn(fileSystem).claim(lineage);
  });
});
