import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { BlobCheckpointStorage } from '../../src/checkpoint/blob-checkpoint-storage.js';
import { FileBlobStore } from '../../src/checkpoint/file-blob-store.js';
import { FileCheckpointStorage } from '../../src/checkpoint/file-checkpoint-storage.js';
import { blobStoreContract } from '../../src/testing/blob-store-contract.js';
import { checkpointStorageContract } from '../../src/testing/checkpoint-storage-contract.js';
import { MemoryBlobStore } from '../../src/testing/memory-blob-store.js';
import { MemoryCheckpointStorage } from '../../src/testing/memory-checkpoint-storage.js';

const nothing = () => Promise.resolve();

async function temporaryDirectory() {
  const root = await mkdtemp(join(tmpdir(), 'millrace-storage-'));
  return { directory: join(root, 'a/b'), remove: () => rm(root, { recursive: true, force: true }) };
}

describe('a blob store of files', () => {
  const cases = blobStoreContract(async () => {
    const { directory, remove } = await temporaryDirectory();
    return { open: () => new FileBlobStore(directory), remove };
  });
  for (const { name, run } of cases) it(name, run);
});

describe('a blob store in memory', () => {
  const cases = blobStoreContract(() => {
    const store = new MemoryBlobStore();
    return Promise.resolve({ open: () => store, remove: nothing });
  });
  for (const { name, run } of cases) it(name, run);
});

describe('a checkpoint storage of files', () => {
  const cases = checkpointStorageContract(async () => {
    const { directory, remove } = await temporaryDirectory();
    return { open: () => new FileCheckpointStorage(directory), remove };
  });
  for (const { name, run } of cases) it(name, run);
});

describe('a checkpoint storage over any blob store', () => {
  const cases = checkpointStorageContract(() => {
    const store = new MemoryBlobStore();
    return Promise.resolve({ open: () => new BlobCheckpointStorage(store), remove: nothing });
  });
  for (const { name, run } of cases) it(name, run);
});

describe('the checkpoint storage of the testing entry point', () => {
  const cases = checkpointStorageContract(() => {
    const storage = new MemoryCheckpointStorage();
    return Promise.resolve({ open: () => storage, remove: nothing });
  });
  for (const { name, run } of cases) it(name, run);
});
