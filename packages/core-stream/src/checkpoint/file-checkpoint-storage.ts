import { StreamConfigError } from '../errors.js';
import { BlobCheckpointStorage } from './blob-checkpoint-storage.js';
import { FileBlobStore } from './file-blob-store.js';
import { nodeFileSystem, type FileSystem } from './file-system.js';
import type { BlobCheckpointStorageOptions } from './storage-options.js';

/** How checkpoints are kept in a directory. */
export interface FileCheckpointStorageOptions extends BlobCheckpointStorageOptions {
  /** Where the files are, for tests: the machine's unless given. */
  readonly fileSystem?: FileSystem;
}

/** Keeps checkpoints in a directory that belongs to one job. */
export class FileCheckpointStorage extends BlobCheckpointStorage {
  /**
   * `directory` is made when the storage is claimed.
   *
   * @throws StreamConfigError `MILLRACE_CONFIG` for no directory, or an option that makes no sense
   */
  constructor(directory: string, options: FileCheckpointStorageOptions = {}) {
    if (typeof directory !== 'string' || directory === '') {
      throw new StreamConfigError(
        `Checkpoints need the path of a directory, got ${JSON.stringify(directory)}.`,
      );
    }
    super(new FileBlobStore(directory, options.fileSystem ?? nodeFileSystem), options);
  }
}
