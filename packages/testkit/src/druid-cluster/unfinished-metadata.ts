import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes a Derby database whose creation was cut short by a kill: Derby would refuse it forever (error XBM0A). Its
 * mark is that it has no `service.properties`, which Derby writes before anything can be stored.
 */
export const removeUnfinishedMetadata = async (dataDir: string): Promise<void> => {
  const database = join(dataDir, 'metadata.db');
  // The second name is Derby's own copy while it rewrites the first.
  const isFinished = ['service.properties', 'service.propertiesold'].some((file) =>
    existsSync(join(database, file)),
  );
  if (!isFinished) await rm(database, { recursive: true, force: true });
};
