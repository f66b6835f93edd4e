import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { CacheBudget } from '../../src/state/cache-budget.js';
import { DiskStore } from '../../src/state/disk-store.js';
import { DiskSubtaskRows } from '../../src/state/disk-subtask-rows.js';
import { keepRowsIn } from './stored-state.js';

/** An empty directory, removed after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-state-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** For a test file: the state that its tests make is on disk. Returns what gives it back. */
export function keepStateOnDisk(cacheBytes: number): () => Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-state-'));
  const store = new DiskStore(directory);
  const budget = new CacheBudget(cacheBytes);
  let count = 0;
  keepRowsIn((options, keyGroups) => {
    const uid = String(count++);
    const writer = store.writer(1); // what is restored belongs to what was before
    const onOtherRows = () => undefined;
    return new DiskSubtaskRows({
      ...options,
      ...{ keyGroups, store, budget, writer, uid, onOtherRows, isInPlace: false },
      known: new Set(),
    });
  });
  return async () => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  };
}
