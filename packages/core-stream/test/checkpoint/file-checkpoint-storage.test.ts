import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlobCheckpointStorage } from '../../src/checkpoint/blob-checkpoint-storage.js';
import {
  FileCheckpointStorage,
  type FileCheckpointStorageOptions,
} from '../../src/checkpoint/file-checkpoint-storage.js';
import { CheckpointError } from '../../src/errors.js';
import { MemoryBlobStore } from '../../src/testing/memory-blob-store.js';
import { checkpointOf, contentsOf, historyOf, lineage, putSegmentOf } from '../support/checkpoints.js';
import { failureOf } from '../support/conditions.js';

const MANIFEST = 'MANIFEST-1.json';
const STATE = 'state-1.bin';

let root = '';
let directory = '';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-checkpoints-'));
  directory = join(root, 'job');
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function claimed(options: FileCheckpointStorageOptions = {}): Promise<FileCheckpointStorage> {
  const storage = new FileCheckpointStorage(directory, options);
  await storage.claim(lineage);
  return storage;
}

/** The checkpoints of a job that has ended. */
async function written(...ids: number[]): Promise<void> {
  const storage = await claimed();
  for (const id of ids) await storage.write(checkpointOf(id));
  await storage.release();
}

async function checkpointDirectories(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith('chk-')).sort();
}

describe('file checkpoint storage', () => {
  it('has nothing where there is no directory, and makes none', async () => {
    expect(await new FileCheckpointStorage(directory).latest()).toBeUndefined();
    expect(await readdir(root)).toEqual([]);
  });

  it('writes a manifest that a person can read', async () => {
    const storage = await claimed();
    const segment = await putSegmentOf(storage, 'rows of count', 'content');
    await storage.write(checkpointOf(1, 'history', [segment]));
    const manifest = JSON.parse(await readFile(join(directory, 'chk-1', MANIFEST), 'utf8')) as unknown;
    expect(manifest).toMatchObject({
      formatVersion: 3,
      jobName: 'clicks',
      createdAt: '2023-11-14T22:13:20.001Z',
      operators: [
        {
          uid: 'count',
          name: 'Count',
          type: 'KeyedProcess',
          parallelism: 2,
          bytes: 3 + segment.bytes,
          rows: 1,
          segments: [{ id: 'rows of count', keyGroups: segment.keyGroups }],
        },
      ],
      pendingCommits: [{ requests: 1 }],
    });
    expect(await readdir(join(directory, 'segments'))).toEqual(['rows%20of%20count']);
    expect(await contentsOf(storage, (await storage.latest())!)).toEqual(['content']);
  });

  it('says in a file who owns it', async () => {
    await claimed();
    const owner = JSON.parse(await readFile(join(directory, 'owners/1.json'), 'utf8')) as unknown;
    expect(owner).toMatchObject({ owner: 1, pid: process.pid, startsFrom: [] });
  });

  it('blob storage invariant 1: ignores what was not finished, and removes it', async () => {
    await written(1);
    await mkdir(join(directory, 'chk-2'));
    await writeFile(join(directory, 'chk-2', STATE), 'half of');
    await writeFile(join(directory, 'chk-1/.unfinished-99-abc'), 'half of');
    await writeFile(join(directory, 'notes.txt'), 'mine');
    const storage = await claimed();
    expect((await storage.latest())?.checkpointId).toBe(1);
    await storage.write(checkpointOf(2));
    expect((await storage.latest())?.checkpointId).toBe(2);
    expect((await readdir(directory)).sort()).toEqual(['chk-1', 'chk-2', 'job.json', 'notes.txt', 'owners']);
    expect((await readdir(join(directory, 'chk-1'))).sort()).toEqual([MANIFEST, STATE]);
    expect((await readdir(join(directory, 'chk-2'))).sort()).toEqual(['MANIFEST-2.json', 'state-2.bin']);
  });

  it.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    [
      'a changed byte',
      (path) => flip(join(path, STATE), 1),
      /the state of 'count' does not match its checksum/,
    ],
    [
      'a state that is cut off',
      (path) => writeFile(join(path, STATE), Uint8Array.of(1, 2)),
      /'count' does not match/,
    ],
    ['no state', (path) => rm(join(path, STATE)), /its state-1.bin is missing/],
    ['a manifest that is cut off', (path) => cut(join(path, MANIFEST)), /JSON/],
    [
      'a manifest with another number',
      (path) => replace(join(path, MANIFEST), '128', '256'),
      /its manifest does not match/,
    ],
    [
      'a manifest without parts',
      (path) => writeFile(join(path, MANIFEST), '{"formatVersion":3}'),
      /its manifest does not/,
    ],
    [
      'a manifest of another format',
      (path) => writeFile(join(path, MANIFEST), '{"formatVersion":4}'),
      /format is version 4/,
    ],
    [
      'the manifest of another checkpoint',
      (path) => cp(join(path, '../chk-1'), path, { recursive: true }),
      /checkpoint 1/,
    ],
    ['a missing segment', (path) => rm(join(path, '../segments/b')), /its segment 'b' is missing/],
    [
      'a segment that is cut off',
      (path) => cut(join(path, '../segments/b')),
      /its segment 'b' has \d+ bytes instead of/,
    ],
  ])(
    'blob storage invariant 2: refuses %s, and does not fall back to an older one',
    async (_what, damage, message) => {
      const storage = await claimed();
      const segments = [await putSegmentOf(storage, 'a', '1')];
      await storage.write(checkpointOf(1, '1', segments));
      segments.push(await putSegmentOf(storage, 'b', '2'));
      await storage.write(checkpointOf(2, '2', segments));
      await storage.release();
      await damage(join(directory, 'chk-2'));
      const error = await failureOf(storage.latest());
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error).toMatchObject({ retryable: false, details: { checkpointId: 2, previous: 1 } });
      expect(error.message).toMatch(message);
      expect(error.message).toContain('chk-2, cannot be trusted');
      expect(error.message).toContain('start with the option { restoreFrom: 1 }, or move chk-2 away');
      expect(await failureOf(storage.read(2))).toBeInstanceOf(CheckpointError);
      // Both ways out that the message names.
      const chosen = await claimed({ restoreFrom: 1 });
      expect((await chosen.latest())?.checkpointId).toBe(1);
      await chosen.release();
      await rename(join(directory, 'chk-2'), join(root, 'away'));
      expect((await storage.latest())?.checkpointId).toBe(1);
    },
  );

  it('blob storage invariant 2: names the newest one that is whole, or says that there is none', async () => {
    const storage = await claimed({ retained: 3 });
    for (const id of [1, 2, 3]) await storage.write(checkpointOf(id));
    for (const id of [3, 2]) await flip(join(directory, `chk-${id}`, STATE), 0);
    expect((await failureOf(storage.latest())).message).toContain(
      'The previous one that is whole is checkpoint 1.',
    );
    await flip(join(directory, 'chk-1', STATE), 0);
    expect((await failureOf(storage.latest())).message).toContain('There is no older one that is whole');
  });

  it('blob storage invariant 2: refuses the manifest of another owner', async () => {
    await written(1);
    const path = join(directory, 'chk-1');
    await rename(join(path, MANIFEST), join(path, 'MANIFEST-2.json'));
    const error = await failureOf(new FileCheckpointStorage(directory).latest());
    expect(error.message).toContain('its manifest is that of owner 1');
  });

  it('blob storage invariant 2: refuses damage anywhere', async () => {
    await written(1);
    const storage = new FileCheckpointStorage(directory);
    for (const name of [STATE, MANIFEST]) {
      const path = join(directory, 'chk-1', name);
      const { length } = await readFile(path);
      // The last byte of the manifest is a line feed, which says nothing; of the others some are enough.
      const [end, step] = name === MANIFEST ? [length - 1, 17] : [length, 1];
      for (let at = 0; at < end; at += step) {
        await flip(path, at);
        expect(await failureOf(storage.latest()), `${name}, byte ${at}`).toBeInstanceOf(CheckpointError);
        await flip(path, at);
      }
    }
    expect((await storage.latest())?.checkpointId).toBe(1);
  });

  it.each([
    [undefined, ['chk-11', 'chk-12']],
    [1, ['chk-12']],
    [0, ['chk-12']],
    [3, ['chk-10', 'chk-11', 'chk-12']],
  ])('blob storage invariant 3: keeps the newest %s', async (retained, expected) => {
    const storage = await claimed(retained === undefined ? {} : { retained });
    for (let id = 8; id <= 12; id++) await storage.write(checkpointOf(id));
    expect(await checkpointDirectories()).toEqual(expected);
  });

  it('blob storage invariants 3 and 5: keeps segments that are referred to, or will be', async () => {
    const storage = await claimed();
    const segments = [await putSegmentOf(storage, 's0', '0')];
    const add = async (id: number) => {
      segments.push(await putSegmentOf(storage, `s${id}`, String(id)));
      if (segments.length > 2) segments.shift();
      await storage.write(checkpointOf(id, String(id), segments));
    };
    for (let id = 1; id <= 3; id++) await add(id);
    const merged = await putSegmentOf(storage, 'merged', 'later');
    await add(4);
    const there = async () => (await readdir(join(directory, 'segments'))).sort();
    expect(await there()).toEqual(['merged', 's2', 's3', 's4']);
    await storage.write(checkpointOf(5, '5', [merged]));
    await storage.write(checkpointOf(6, '6', [merged]));
    expect(await there()).toEqual(['merged']);
    await putSegmentOf(storage, 'never used', '');
    await storage.write(checkpointOf(7, '7', [merged]));
    await storage.release();
    expect(await there()).toEqual(['merged', 'never%20used']);
    await claimed();
    expect(await there()).toEqual(['merged']);
  });

  it('keeps a checkpoint that is written although an older one cannot be removed, and removes that later', async () => {
    const warnings: string[] = [];
    const nothing = () => undefined;
    const warn = (message: string, fields?: object) => warnings.push(`${message}: ${JSON.stringify(fields)}`);
    const storage = await claimed({
      retained: 1,
      logger: { debug: nothing, info: nothing, error: nothing, warn },
    });
    await storage.write(checkpointOf(1));
    const state = join(directory, 'chk-1', STATE);
    await rm(state);
    await mkdir(state); // which is no file that could be removed
    await writeFile(join(state, 'x'), '');
    await storage.write(checkpointOf(2));
    expect((await storage.latest())?.checkpointId).toBe(2);
    await storage.write(checkpointOf(3));
    expect(await storage.list()).toEqual([3]);
  });

  it('starts from the chosen checkpoint once, and gives up newer ones when there is one again', async () => {
    await written(1, 2, 3);
    expect((await new FileCheckpointStorage(directory, { restoreFrom: 2 }).latest())?.checkpointId).toBe(2);
    const storage = await claimed({ restoreFrom: 2 });
    expect(await storage.list()).toEqual([2]);
    expect((await storage.latest())?.checkpointId).toBe(2);
    expect(await checkpointDirectories()).toEqual(['chk-2', 'chk-3']);
    await storage.write(checkpointOf(3, 'anew'));
    await storage.release();
    await storage.claim(lineage);
    expect(historyOf((await storage.latest())!)).toBe('anew');
    expect((await readdir(join(directory, 'chk-3'))).sort()).toEqual(['MANIFEST-2.json', 'state-2.bin']);
    const error = await failureOf(new FileCheckpointStorage(directory, { restoreFrom: 7 }).claim(lineage));
    expect(error.message).toContain('in use by process');
    await storage.release();
    expect((await failureOf(claimed({ restoreFrom: 7 }))).message).toContain(
      'has no checkpoint 7; it has 2, 3.',
    );
    await claimed();
  });

  it('leaves alone what people put beside its checkpoints', async () => {
    await written(1, 2);
    await cp(join(directory, 'chk-2'), join(directory, 'chk-2.broken'), { recursive: true });
    await writeFile(join(directory, 'chk-2/notes.txt'), 'mine');
    const storage = await claimed();
    for (const id of [3, 4, 5]) await storage.write(checkpointOf(id));
    expect(await checkpointDirectories()).toEqual(['chk-2', 'chk-2.broken', 'chk-4', 'chk-5']);
    expect(await readdir(join(directory, 'chk-2'))).toEqual(['notes.txt']);
  });

  it('says so where the chosen checkpoint was removed by a stale owner, and does not begin anew', async () => {
    await written(1, 2);
    const storage = await claimed({ restoreFrom: 1 });
    await rm(join(directory, 'chk-1'), { recursive: true });
    expect((await failureOf(storage.latest())).message).toContain('has no checkpoint 1; it has 2');
  });

  it('offers no checkpoint as damaged that was only removed while it was being read', async () => {
    const store = new MemoryBlobStore();
    const storage = new BlobCheckpointStorage(store, { retained: 1 });
    await storage.claim(lineage);
    await storage.write(checkpointOf(1));
    const get = store.get.bind(store);
    store.get = async (name, range) => {
      if (name === 'chk-1/state-1.bin') await storage.write(checkpointOf(2));
      return get(name, range);
    };
    expect((await new BlobCheckpointStorage(store).latest())?.checkpointId).toBe(2);
  });

  it('refuses a lineage that cannot be read, by name', async () => {
    await written(1);
    await writeFile(join(directory, 'job.json'), '{}');
    expect((await failureOf(claimed())).message).toContain(
      `${directory}/job.json cannot be read: parts of it are missing. It says whose it is.`,
    );
  });

  it('blob storage invariant 6: refuses a checkpoint that is there, and says so', async () => {
    const storage = await claimed();
    for (const id of [1, 2, 3]) await storage.write(checkpointOf(id));
    const error = await failureOf(storage.write(checkpointOf(3, 'another')));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain('Checkpoint 3 could not be written');
    expect(error.message).toContain('checkpoint 3 is there already');
    expect(historyOf((await storage.latest())!)).toBe('3');
  });

  it('refuses checkpoints of the format before this one', async () => {
    await mkdir(join(directory, 'chk-4'), { recursive: true });
    await writeFile(join(directory, 'chk-4/MANIFEST.json'), '{"formatVersion":1}');
    for (const error of [
      await failureOf(new FileCheckpointStorage(directory).latest()),
      await failureOf(claimed()),
    ]) {
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toContain(
        'chk-4/MANIFEST.json is of format version 1, which this program does not read',
      );
    }
  });

  it('says what to do when it cannot be used', async () => {
    await writeFile(directory, 'a file where the directory should be');
    const storage = new FileCheckpointStorage(directory);
    for (const error of [await failureOf(storage.claim(lineage)), await failureOf(storage.latest())]) {
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toContain(directory);
      expect(error.message).toMatch(/no directory: choose another one|Check that it can be read and written/);
    }
  });

  it('takes segments of any name', async () => {
    const storage = await claimed();
    const ids = ['a', '../a', '.a', 'ä/b:*?', 'x'.repeat(1_000), `${'x'.repeat(1_000)}y`];
    const segments = [];
    for (const id of ids) segments.push(await putSegmentOf(storage, id, id));
    await storage.write(checkpointOf(1, '1', segments));
    expect(await contentsOf(storage, (await storage.latest())!)).toEqual(ids);
    expect(await readdir(root)).toEqual(['job']);
  });
});

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  await writeFile(path, bytes);
}

async function cut(path: string): Promise<void> {
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length / 2));
}

async function replace(path: string, from: string, to: string): Promise<void> {
  await writeFile(path, (await readFile(path, 'utf8')).replace(from, to));
}
