import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CheckpointError, FileCheckpointStorage, type CheckpointData } from '../../src/index.js';
import { failureOf } from '../support/conditions.js';

let root = '';
let directory = '';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-checkpoints-'));
  directory = join(root, 'job');
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

function checkpoint(checkpointId: number): CheckpointData {
  return {
    checkpointId,
    jobName: 'clicks',
    jobId: 'job-1',
    maxParallelism: 128,
    createdAt: 1_700_000_000_000 + checkpointId,
    operators: [
      { uid: 'count', subtaskIndex: 0, bytes: Uint8Array.of(1, 2, 3) },
      { uid: 'count', subtaskIndex: 1, bytes: Uint8Array.of() },
    ],
    enumerators: [{ uid: 'in', bytes: Uint8Array.of(9) }],
    pendingCommits: [
      {
        uid: 'out',
        requests: [{ checkpointId, subtaskIndex: 1, committable: { id: 'tx', rows: 7n, at: new Date(0) } }],
      },
    ],
  };
}

describe('file checkpoint storage', () => {
  it('has nothing where there is no directory, and makes none', async () => {
    expect(await new FileCheckpointStorage(directory).latest()).toBeUndefined();
    expect(await readdir(root)).toEqual([]);
  });

  it('gives back what was written, the newest first', async () => {
    const storage = new FileCheckpointStorage(join(directory, 'deeper'));
    expect(await storage.write(checkpoint(9))).toBeGreaterThan(0);
    await storage.write(checkpoint(10));
    const latest = await new FileCheckpointStorage(join(directory, 'deeper')).latest();
    expect({
      ...latest,
      operators: latest?.operators.map((part) => ({ ...part, bytes: Uint8Array.from(part.bytes) })),
      enumerators: latest?.enumerators.map((part) => ({ ...part, bytes: Uint8Array.from(part.bytes) })),
    }).toEqual(checkpoint(10));
  });

  it('writes a manifest that a person can read', async () => {
    await new FileCheckpointStorage(directory).write(checkpoint(1));
    const manifest = JSON.parse(await readFile(join(directory, 'chk-1/MANIFEST.json'), 'utf8')) as unknown;
    expect(manifest).toMatchObject({
      jobName: 'clicks',
      createdAt: '2023-11-14T22:13:20.001Z',
      pendingCommits: [{ requests: 1 }],
    });
  });

  it('file storage invariant 1: ignores what was not finished, and writes over it', async () => {
    const storage = new FileCheckpointStorage(directory);
    await storage.write(checkpoint(1));
    await mkdir(join(directory, '.chk-2.unfinished'));
    await writeFile(join(directory, '.chk-2.unfinished/state.bin'), 'half of');
    await writeFile(join(directory, 'notes.txt'), 'mine');
    expect((await storage.latest())?.checkpointId).toBe(1);
    await storage.write(checkpoint(2));
    expect((await storage.latest())?.checkpointId).toBe(2);
    expect((await readdir(directory)).sort()).toEqual(['chk-1', 'chk-2', 'notes.txt']);
  });

  it.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    [
      'a changed byte',
      (path) => flip(join(path, 'state.bin'), 1),
      /the state of 'count' does not match its checksum/,
    ],
    [
      'a state that is cut off',
      (path) => writeFile(join(path, 'state.bin'), Uint8Array.of(1, 2)),
      /'count' does not match/,
    ],
    ['no state', (path) => rm(join(path, 'state.bin')), /ENOENT/],
    ['no manifest', (path) => rm(join(path, 'MANIFEST.json')), /ENOENT/],
    ['a manifest that is cut off', (path) => cut(join(path, 'MANIFEST.json')), /JSON/],
    [
      'a manifest without parts',
      (path) => writeFile(join(path, 'MANIFEST.json'), '{"formatVersion":1,"checkpointId":2}'),
      /undefined/,
    ],
    [
      'a manifest of another format',
      (path) => writeFile(join(path, 'MANIFEST.json'), '{"formatVersion":2}'),
      /format is version 2/,
    ],
    [
      'the manifest of another checkpoint',
      (path) => cp(join(path, '../chk-1'), path, { recursive: true }),
      /checkpoint 1/,
    ],
  ])(
    'file storage invariant 2: refuses %s, and does not fall back to an older one',
    async (_what, damage, message) => {
      const storage = new FileCheckpointStorage(directory);
      await storage.write(checkpoint(1));
      await storage.write(checkpoint(2));
      await damage(join(directory, 'chk-2'));
      const error = await failureOf(storage.latest());
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error).toMatchObject({ retryable: false, details: { checkpointId: 2 } });
      expect(error.message).toMatch(message);
      expect(error.message).toContain('chk-2, cannot be trusted');
      // The way out that the message names.
      await rename(join(directory, 'chk-2'), join(root, 'away'));
      expect((await storage.latest())?.checkpointId).toBe(1);
    },
  );

  it('file storage invariant 2: refuses damage anywhere in the state', async () => {
    const storage = new FileCheckpointStorage(directory);
    await storage.write(checkpoint(1));
    const path = join(directory, 'chk-1/state.bin');
    const { length } = await readFile(path);
    for (let at = 0; at < length; at++) {
      await flip(path, at);
      expect(await failureOf(storage.latest())).toBeInstanceOf(CheckpointError);
      await flip(path, at);
    }
    expect((await storage.latest())?.checkpointId).toBe(1);
  });

  it.each([
    [undefined, ['chk-11', 'chk-12']],
    [1, ['chk-12']],
    [0, ['chk-12']],
    [3, ['chk-10', 'chk-11', 'chk-12']],
  ])('file storage invariant 3: keeps the newest %s', async (retained, expected) => {
    const storage = new FileCheckpointStorage(directory, retained === undefined ? {} : { retained });
    for (let id = 8; id <= 12; id++) await storage.write(checkpoint(id));
    expect((await readdir(directory)).sort()).toEqual(expected);
  });

  it('does not replace a checkpoint that is there already', async () => {
    const storage = new FileCheckpointStorage(directory);
    await storage.write(checkpoint(3));
    expect(await failureOf(storage.write({ ...checkpoint(3), jobId: 'another job' }))).toBeInstanceOf(
      CheckpointError,
    );
    expect((await storage.latest())?.jobId).toBe('job-1');
  });

  it('file storage invariant 4: refuses a checkpoint that another process has overtaken', async () => {
    const ahead = new FileCheckpointStorage(directory);
    for (const id of [1, 2, 3, 4, 5]) await ahead.write(checkpoint(id));
    const error = await failureOf(new FileCheckpointStorage(directory).write(checkpoint(2)));
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toContain(
      'checkpoint 5 is there already, so another process runs this job',
    );
    expect((await ahead.latest())?.checkpointId).toBe(5);
  });

  it('file storage invariant 5: names one lineage, from the first claim on, whoever claims it', async () => {
    const candidates = ['one', 'two', 'three'].map((jobId) => ({ jobName: 'clicks', jobId }));
    const claims = await Promise.all(
      candidates.map((candidate) => new FileCheckpointStorage(directory).claim(candidate)),
    );
    expect(new Set(claims.map(({ jobId }) => jobId)).size).toBe(1);
    const later = await new FileCheckpointStorage(directory).claim({ jobName: 'other', jobId: 'four' });
    expect(later).toEqual(claims[0]);
    expect(await readdir(directory)).toEqual(['job.json']);
  });

  it('says what to do when it cannot write', async () => {
    await writeFile(directory, 'a file where the directory should be');
    const error = await failureOf(new FileCheckpointStorage(directory).write(checkpoint(3)));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(`Checkpoint 3 could not be written to ${directory}`);
    expect(error.message).toContain('Check that the directory is writable and the disk has space');
    expect(await failureOf(new FileCheckpointStorage(directory).latest())).toBeInstanceOf(CheckpointError);
  });
});

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  await writeFile(path, bytes);
}

async function cut(path: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.slice(0, text.length / 2));
}
