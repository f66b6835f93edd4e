import { describe, expect, it } from 'vitest';
import {
  FileCheckpointStorage,
  type FileCheckpointStorageOptions,
} from '../../src/checkpoint/file-checkpoint-storage.js';
import { StreamConfigError } from '../../src/errors.js';

describe('a checkpoint storage', () => {
  it.each<[FileCheckpointStorageOptions, string]>([
    [{ retained: 1.5 }, 'retained must be a whole number, or Infinity, got 1.5'],
    [{ retained: NaN }, 'retained must be'],
    [{ leaseMs: 0 }, 'leaseMs must be more than 0 milliseconds, at most 2147483647, got 0'],
    [{ leaseMs: Infinity }, 'leaseMs must be'],
    [{ restoreFrom: 0 }, 'restoreFrom must be the number of a checkpoint, got 0'],
  ])('refuses %j', (options, message) => {
    expect(() => new FileCheckpointStorage('checkpoints', options)).toThrow(StreamConfigError);
    expect(() => new FileCheckpointStorage('checkpoints', options)).toThrow(message);
  });

  it.each(['', undefined as unknown as string])('refuses %j as its directory', (path) => {
    expect(() => new FileCheckpointStorage(path)).toThrow('Checkpoints need the path of a directory');
  });
});
