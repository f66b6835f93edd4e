import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileBlobStore } from '../../src/checkpoint/file-blob-store.js';
import { nodeFileSystem } from '../../src/checkpoint/file-system.js';
import { createGate } from '../support/conditions.js';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-blobs-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('file blob store', () => {
  it.runIf(process.platform === 'linux')('takes a file system that cannot sync directories', async () => {
    await nodeFileSystem.syncDirectory('/proc');
  });

  it('removes what others have left half-written, and not what it is writing itself', async () => {
    const store = new FileBlobStore(directory);
    const halfWay = createGate();
    const gate = createGate();
    async function* pieces() {
      yield Buffer.from('one');
      halfWay.open();
      await gate.opened;
      yield Buffer.from('two');
    }
    const putting = store.put('a/b', pieces());
    await halfWay.opened;
    await writeFile(join(directory, 'a/.unfinished-1-x-1'), 'left');
    await writeFile(join(directory, '.unfinished-1-x-2'), 'left');
    await store.settle();
    gate.open();
    await putting;
    expect(await readdir(join(directory, 'a'))).toEqual(['b']);
    expect(await readdir(directory)).toEqual(['a']);
  });
});
