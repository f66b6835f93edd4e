import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DruidClient } from '@millrace/druid-client';
import { DruidCluster } from '@millrace/testkit';
import { loadTask, TABLE, writeFlights } from './flights.js';

/** A real Druid whose table has `rows` rows, all of them queryable. The caller stops it. */
export async function startLoaded(rows: number, say: (message: string) => void): Promise<DruidCluster> {
  // Full speed is worth the slower start here.
  const druid = await DruidCluster.start({ jvmArguments: ['-XX:TieredStopAtLevel=4'] });
  const folder = await mkdtemp(join(tmpdir(), 'millrace-druid-read-'));
  const client = new DruidClient({ url: druid.url });
  try {
    say(`Druid is ready; loading ${rows} rows`);
    await writeFlights(join(folder, 'flights.ndjson'), rows);
    const { taskId } = await client.tasks.submit(loadTask(folder));
    const { statusCode, errorMsg } = await client.tasks.waitFor(taskId, { timeoutMs: 3_600_000 });
    if (statusCode !== 'SUCCESS') throw new Error(`The rows could not be loaded: ${errorMsg}`);
    await client.datasources.waitUntilQueryable(TABLE);
    say('All rows are queryable');
    return druid;
  } catch (error) {
    await druid.stop();
    throw error;
  } finally {
    client.close();
    await rm(folder, { recursive: true, force: true });
  }
}
