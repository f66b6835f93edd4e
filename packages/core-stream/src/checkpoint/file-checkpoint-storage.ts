import { BlobCheckpointStorage, type BlobCheckpointStorageOptions } from './blob-checkpoint-storage.js';
import { FileBlobStore } from './file-blob-store.js';
import { nodeFileSystem, type FileSystem } from './file-system.js';

/** How checkpoints are kept in a directory. */
export interface FileCheckpointStorageOptions extends BlobCheckpointStorageOptions {
  /** Where the files are, for tests: the machine's unless given. */
  readonly fileSystem?: FileSystem;
}

/** Keeps checkpoints in a directory that belongs to one job. */
export class FileCheckpointStorage extends BlobCheckpointStorage {
  /** `directory` is made when the storage is claimed. */
  constructor(directory: string, options: FileCheckpointStorageOptions = {}) {
    super(new FileBlobStore(directory, options.fileSystem ?? nodeFileSystem), options);
  }
}
