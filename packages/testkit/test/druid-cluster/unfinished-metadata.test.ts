import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { removeUnfinishedMetadata } from '../../src/druid-cluster/unfinished-metadata.js';

let dataDir: string;
let database: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'metadata-'));
  database = join(dataDir, 'metadata.db');
  await mkdir(join(database, 'seg0'), { recursive: true });
});
afterEach(() => rm(dataDir, { recursive: true }));

describe('removeUnfinishedMetadata', () => {
  it('removes a database whose creation was cut short', async () => {
    await removeUnfinishedMetadata(dataDir);
    expect(existsSync(database)).toBe(false);
  });

  it.each(['service.properties', 'service.propertiesold'])(
    'never touches a database that has %s',
    async (file) => {
      await writeFile(join(database, file), '');
      await removeUnfinishedMetadata(dataDir);
      expect(existsSync(join(database, 'seg0'))).toBe(true);
    },
  );

  it('does nothing in a new folder', async () => {
    await rm(database, { recursive: true });
    await expect(removeUnfinishedMetadata(dataDir)).resolves.toBeUndefined();
  });
});
