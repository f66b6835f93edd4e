/** Set-up of a test run: hands out what `sharedDruid` asks for, and ends it with the run. Nothing starts before somebody asks. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import type { DruidCluster, DruidClusterOptions } from '../packages/testkit/src/index.js';
import type { SharedDruid, SharedDruidVersion } from './shared-druid.js';

/** With characters that a properties file, Druid's substitution, JSON or the header could spoil. */
const adminPassword = 'a b"\\ü=${x}';

const clusterOptions: Readonly<Record<SharedDruidVersion, DruidClusterOptions>> = {
  '33.0.0': { version: '33.0.0' },
  '27.0.0': { version: '27.0.0', basicSecurity: { adminPassword } },
};
const properties = {
  // Lookups are handed to the servers every two minutes unless told otherwise.
  'druid.manager.lookups.period': '1000',
  'druid.manager.lookups.initialDelay': '1000',
  // Historicals keep a dropped segment for 30 s unless told otherwise.
  'druid.segmentCache.dropSegmentDelayMillis': '0',
};

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const clusters = new Map<SharedDruidVersion, Promise<DruidCluster>>();

  async function describeCluster(version: SharedDruidVersion): Promise<SharedDruid> {
    const { DruidCluster } = await import('../packages/testkit/src/index.js');
    let cluster = clusters.get(version);
    cluster ??= DruidCluster.start({ ...clusterOptions[version], heapMb: 1536, properties });
    clusters.set(version, cluster);
    const { url, urls, ports, credentials, dataDir, logFile } = await cluster;
    return { url, urls, ports, credentials, dataDir, logFile };
  }

  const server = createServer((request, response) => {
    describeCluster(request.url?.slice(1) as SharedDruidVersion).then(
      (druid) => response.end(JSON.stringify(druid)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.stack : String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  project.provide('sharedDruid', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);

  return async () => {
    server.close();
    const started = await Promise.allSettled(clusters.values());
    await Promise.all(
      started.map((start) => (start.status === 'fulfilled' ? start.value.stop() : undefined)),
    );
  };
}
