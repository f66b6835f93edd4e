import { join } from 'node:path';

import type { DruidFlavour } from './druid-flavour.js';
import { securityProperties } from './druid-security.js';

/** The roles of a cluster; `coordinator` is Coordinator and Overlord in one. */
export type DruidRole = 'router' | 'broker' | 'coordinator' | 'historical' | 'indexer';

export const druidRoles: readonly DruidRole[] = ['coordinator', 'broker', 'historical', 'indexer', 'router'];

/** Extra properties: for all roles by their full name, and for one role under its name. */
export interface DruidProperties {
  readonly all?: Readonly<Record<string, string>>;
  readonly router?: Readonly<Record<string, string>>;
  readonly broker?: Readonly<Record<string, string>>;
  readonly coordinator?: Readonly<Record<string, string>>;
  readonly historical?: Readonly<Record<string, string>>;
  readonly indexer?: Readonly<Record<string, string>>;
}

export interface ClusterLayout {
  readonly flavour: DruidFlavour;
  readonly dataDir: string;
  readonly ports: Readonly<Record<DruidRole | 'zookeeper' | 'derby', number>>;
  readonly workerCapacity: number;
  readonly heapMb: number;
  readonly extra: DruidProperties;
}

const HOST = '127.0.0.1';

/**
 * Data servers come last. A Coordinator or Broker that finds one while it starts sleeps 5 s before it looks whether
 * that one has answered (HttpServerInventoryView.serverInventoryInitialized); with none it goes on at once.
 */
const AFTER = 'broker,coordinator';

/** Every property of every role. Pure: what a cluster is made of can be read, and tested, without starting one. */
export const druidPropertiesOf = (layout: ClusterLayout): Record<DruidRole, Record<string, string>> => {
  const shared = sharedProperties(layout);
  const own: Record<DruidRole, Record<string, string>> = {
    coordinator: coordinatorProperties(),
    broker: brokerProperties(),
    historical: historicalProperties(layout),
    indexer: indexerProperties(layout),
    router: routerProperties(),
  };
  const merged = (role: DruidRole): Record<string, string> => ({
    ...shared,
    ...flavourProperties(layout),
    'druid.service': `druid/${role}`,
    'druid.plaintextPort': String(layout.ports[role]),
    ...own[role],
    ...(layout.flavour.credentials && securityProperties(layout.flavour.credentials, role)),
    ...layout.extra.all,
    ...layout.extra[role],
  });
  return {
    coordinator: merged('coordinator'),
    broker: merged('broker'),
    historical: merged('historical'),
    indexer: merged('indexer'),
    router: merged('router'),
  };
};

export interface ExtraHistorical {
  readonly port: number;
  readonly folder: string;
  readonly tier: string | undefined;
  readonly extra: Readonly<Record<string, string>>;
}

/** Of a Historical in a process of its own: those of the cluster's, with an address and segments of its own. */
export const extraHistoricalProperties = (
  layout: ClusterLayout,
  { port, folder, tier, extra }: ExtraHistorical,
): Record<string, string> => {
  const ports = { ...layout.ports, historical: port };
  const { 'millrace.after': _, ...properties } = druidPropertiesOf({ ...layout, ports }).historical;
  return {
    ...properties,
    'druid.segmentCache.locations': segmentCacheIn(folder),
    ...(tier !== undefined && { 'druid.server.tier': tier }),
    ...extra,
  };
};

const segmentCacheIn = (folder: string): string =>
  JSON.stringify([{ path: join(folder, 'segment-cache'), maxSize: '50g' }]);

const sharedProperties = ({ dataDir, ports }: ClusterLayout): Record<string, string> => ({
  'druid.host': HOST,
  'druid.bindOnHost': 'true', // without it Jetty listens on every interface
  'druid.zk.service.host': `${HOST}:${ports.zookeeper}`,
  'druid.zk.paths.base': '/druid',
  'druid.metadata.storage.type': 'derby',
  // The path is absolute, and Druid opens it over the network server that the Coordinator runs.
  'druid.metadata.storage.connector.connectURI': `jdbc:derby://${HOST}:${ports.derby}/${join(dataDir, 'metadata.db')};create=true`,
  'druid.metadata.storage.connector.host': HOST,
  'druid.metadata.storage.connector.port': String(ports.derby),
  'druid.storage.type': 'local',
  'druid.storage.storageDirectory': join(dataDir, 'segments'),
  'druid.indexer.logs.type': 'file',
  'druid.indexer.logs.directory': join(dataDir, 'task-logs'),
  'druid.extensions.loadList': '[]', // the extensions are on the class path
  'druid.startup.logging.logProperties': 'false',
  'druid.emitter': 'noop',
  'druid.monitoring.monitors': '[]',
  'druid.serverview.type': 'http',
  'druid.coordinator.loadqueuepeon.type': 'http',
  'druid.indexer.runner.type': 'httpRemote',
  'druid.server.http.numThreads': '20',
  'druid.server.http.gracefulShutdownTimeout': 'PT0S', // else a stop waits 30 s for long polls between the roles
  'druid.processing.numThreads': '1',
  'druid.processing.numMergeBuffers': '2',
  'druid.processing.buffer.sizeBytes': '50000000',
  'druid.lookup.enableLookupSyncOnStartup': 'false',
  'druid.javascript.enabled': 'true',
  'druid.ingestion.http.allowedProtocols': '["http","https"]',
  'druid.ingestion.http.allowedHeaders': '["authorization","x-millrace-token"]',
});

const flavourProperties = ({ flavour, dataDir }: ClusterLayout): Record<string, string> => ({
  ...(flavour.version === '27.0.0' && nullsAsInSql),
  ...(flavour.multiStageQuery && {
    // For results of statements with `selectDestination: durableStorage`.
    'druid.msq.intermediate.storage.enable': 'true',
    'druid.msq.intermediate.storage.type': 'local',
    'druid.msq.intermediate.storage.basePath': join(dataDir, 'intermediate'),
  }),
});

/** Defaults of later versions: NULL is not the empty string or 0, and comparisons give 0 or 1. */
const nullsAsInSql = {
  'druid.generic.useDefaultValueForNull': 'false',
  'druid.expressions.useStrictBooleans': 'true',
};

const coordinatorProperties = (): Record<string, string> => ({
  'millrace.command': 'org.apache.druid.cli.CliCoordinator',
  'druid.coordinator.asOverlord.enabled': 'true',
  'druid.coordinator.asOverlord.overlordService': 'druid/overlord',
  // These two are what a new segment waits for between its task's success and the first query that sees it.
  'druid.coordinator.period': 'PT0.2S',
  'druid.manager.segments.pollDuration': 'PT0.2S',
  'druid.coordinator.startDelay': 'PT0.2S',
  'druid.coordinator.period.indexingPeriod': 'PT5S',
  // A Historical that loads a segment before its answer to the order waits for it never gives that answer
  // (`SegmentLoadDropHandler.processBatch`): the Coordinator asks again after this time, five minutes by default.
  'druid.coordinator.loadqueuepeon.http.hostTimeout': 'PT1S',
  'druid.manager.rules.pollDuration': 'PT1S',
  'druid.indexer.queue.startDelay': 'PT0S',
  'druid.indexer.storage.type': 'metadata',
});

const brokerProperties = (): Record<string, string> => ({
  'millrace.command': 'org.apache.druid.cli.CliBroker',
  'druid.sql.enable': 'true',
  'druid.sql.planner.metadataRefreshPeriod': 'PT1S',
  'druid.broker.segment.awaitInitializationOnStart': 'true',
});

const historicalProperties = ({ dataDir }: ClusterLayout): Record<string, string> => ({
  'millrace.command': 'org.apache.druid.cli.CliHistorical',
  'millrace.after': AFTER,
  'druid.segmentCache.locations': segmentCacheIn(dataDir),
  'druid.server.maxSize': '50g',
});

const indexerProperties = ({ dataDir, workerCapacity, heapMb }: ClusterLayout): Record<string, string> => ({
  'millrace.command': 'org.apache.druid.cli.CliIndexer',
  'millrace.after': AFTER,
  'druid.worker.capacity': String(workerCapacity),
  // A task that has read a stream keeps its slot until it sees that its segments are loaded; a look a minute by default.
  'druid.segment.handoff.pollDuration': 'PT1S',
  'druid.worker.globalIngestionHeapLimitBytes': String(Math.floor((heapMb * 1_048_576) / 4)),
  'druid.indexer.task.baseTaskDir': join(dataDir, 'tasks'),
});

const routerProperties = (): Record<string, string> => ({
  'millrace.command': 'org.apache.druid.cli.CliRouter',
  'druid.router.managementProxy.enabled': 'true',
  'druid.router.defaultBrokerServiceName': 'druid/broker',
  'druid.router.coordinatorServiceName': 'druid/coordinator',
});
