import { describe, expect, it } from 'vitest';
import type { DruidClient } from '../../src/druid-client.js';
import { DruidDecodeError } from '../../src/errors.js';
import { failure, fakeDruid, json } from '../fake-druid.js';

type Call = (druid: DruidClient) => Promise<unknown>;

// Each row: what is called, the request it makes, a server's answer, what comes of it. Answers as 33.0.0 gave them,
// with one more member ("new") where members are passed on.
const interval = '2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z';
const lock = {
  type: 'EXCLUSIVE',
  groupId: 'g',
  dataSource: 'a',
  interval,
  version: 'v',
  priority: 50,
  new: 1,
};
const lookup = { version: 'v1', lookupExtractorFactory: { type: 'map', map: { a: 'b' } } };
const audit = {
  key: 'a',
  type: 'rules',
  auditInfo: { author: 'ada', comment: '', ip: 'i', identity: 'allowAll' },
  payload: '[]',
  auditTime: 't',
};
const place = {
  name: 'h:1',
  host: 'h:1',
  hostAndTlsPort: null,
  maxSize: 5,
  type: 'historical',
  tier: 't',
  priority: 0,
};
const candidate = { interval, version: 'v', partitionNumber: 0, size: 9, locations: [place] };
const segment = { dataSource: 'a', interval, version: 'v', identifier: 'i', size: 9 };

const reads: readonly (readonly [string, Call, string, unknown, unknown])[] = [
  [
    'tasks.list',
    (d) => d.tasks.list({ state: 'complete', datasource: 'a b', max: 2 }),
    'GET /druid/indexer/v1/tasks?state=complete&datasource=a%20b&max=2',
    [{ id: 't', statusCode: null, location: null }],
    [{ id: 't', statusCode: 'RUNNING', location: undefined }],
  ],
  [
    'tasks.statuses',
    async (d) => [...(await d.tasks.statuses(['t']))],
    'POST /druid/indexer/v1/taskStatus ["t"]',
    { t: { id: 't', status: 'SUCCESS', duration: 5, errorMsg: null } },
    [['t', { id: 't', statusCode: 'SUCCESS', durationMs: 5, errorMsg: undefined }]],
  ],
  [
    'tasks.payload',
    (d) => d.tasks.payload('t'),
    'GET /druid/indexer/v1/task/t',
    { task: 't', payload: { type: 'index' } },
    { type: 'index' },
  ],
  [
    'tasks.log',
    (d) => d.tasks.log('t', { offset: -5 }),
    'GET /druid/indexer/v1/task/t/log?offset=-5',
    'text',
    '"text"',
  ],
  [
    'tasks.locks',
    (d) => d.tasks.locks(['a']),
    'POST /druid/indexer/v1/activeLocks [{"datasource":"a"}]',
    { datasourceToLocks: { a: [lock] } },
    { a: [lock] },
  ],
  [
    'tasks.sample',
    (d) => d.tasks.sample({ type: 'index_parallel', spec: {} }),
    'POST /druid/indexer/v1/sampler {"type":"index_parallel","spec":{}}',
    { numRowsRead: 1, numRowsIndexed: 0, data: [{ input: { a: 'b' }, unparseable: true, error: 'e' }] },
    { numRowsRead: 1, data: [{ input: { a: 'b' }, unparseable: true, error: 'e' }] },
  ],
  [
    'supervisors.get',
    (d) => d.supervisors.get('s'),
    'GET /druid/indexer/v1/supervisor/s',
    { type: 'kafka', spec: {} },
    { type: 'kafka', spec: {} },
  ],
  [
    'supervisors.health',
    (d) => d.supervisors.health('s'),
    'GET /druid/indexer/v1/supervisor/s/health',
    { healthy: true },
    true,
  ],
  [
    'supervisors.stats',
    (d) => d.supervisors.stats('s'),
    'GET /druid/indexer/v1/supervisor/s/stats',
    { 0: { t: { totals: {} } } },
    { 0: { t: { totals: {} } } },
  ],
  [
    'supervisors.parseErrors',
    (d) => d.supervisors.parseErrors('s'),
    'GET /druid/indexer/v1/supervisor/s/parseErrors',
    [{ input: 'bad', new: 1 }],
    [{ input: 'bad', new: 1 }],
  ],
  [
    'supervisors.history',
    (d) => d.supervisors.history('s'),
    'GET /druid/indexer/v1/supervisor/s/history',
    [{ spec: { type: 'noop' }, version: 'v' }],
    [{ spec: { type: 'noop' }, version: 'v' }],
  ],
  [
    'supervisors.histories',
    (d) => d.supervisors.histories(),
    'GET /druid/indexer/v1/supervisor/history',
    { s: [] },
    { s: [] },
  ],
  [
    'datasources.list',
    (d) => d.datasources.list({ includeUnused: true }),
    'GET /druid/coordinator/v1/metadata/datasources?includeUnused=',
    ['a'],
    ['a'],
  ],
  ['datasources.queryable', (d) => d.datasources.queryable(), 'GET /druid/v2/datasources', ['a'], ['a']],
  [
    'datasources.isHandedOff',
    (d) => d.datasources.isHandedOff('a', { interval, version: 'v', partitionNumber: 0 }),
    `GET /druid/coordinator/v1/datasources/a/handoffComplete?interval=${encodeURIComponent(interval)}&version=v&partitionNumber=0`,
    true,
    true,
  ],
  [
    'datasources.info',
    (d) => d.datasources.info('a'),
    'GET /druid/coordinator/v1/datasources/a',
    { tiers: {}, segments: { size: 1, replicatedSize: 2, count: 1 } },
    { segments: { count: 1 } },
  ],
  [
    'datasources.intervals',
    (d) => d.datasources.intervals('a'),
    'GET /druid/coordinator/v1/datasources/a/intervals?simple=',
    { [interval]: { size: 1, count: 1 } },
    { [interval]: { size: 1, count: 1 } },
  ],
  [
    'datasources.unusedSegments',
    (d) => d.datasources.unusedSegments('a', { interval, limit: 1 }),
    `GET /druid/coordinator/v1/metadata/datasources/a/unusedSegments?interval=${encodeURIComponent(interval)}&limit=1`,
    [{ dataSegment: segment, createdDate: 'c', used: false }],
    [{ ...segment, createdDate: 'c', used: false }],
  ],
  [
    'datasources.publishedSegments',
    (d) => d.datasources.publishedSegments('a', { interval: '2019-01-01/2019-01-02' }),
    'GET /druid/coordinator/v1/metadata/segments?datasources=a&includeOvershadowedStatus=true',
    [{ dataSource: 'a', interval: '2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z', version: 'v' }],
    [],
  ],
  [
    'datasources.segmentServers',
    (d) => d.datasources.segmentServers('a', { intervals: [interval], numCandidates: 1 }),
    `POST /druid/v2/candidates?numCandidates=1 {"queryType":"scan","dataSource":"a","intervals":["${interval}"]}`,
    [candidate],
    [candidate],
  ],
  [
    'datasources.segmentServers',
    (d) => d.datasources.segmentServers('a'),
    // Narrower intervals would cut those of the segments.
    `POST /druid/v2/candidates {"queryType":"scan","dataSource":"a","intervals":["-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z"]}`,
    [candidate],
    [candidate],
  ],
  [
    'rules.all',
    (d) => d.rules.all(),
    'GET /druid/coordinator/v1/rules',
    { _default: [{ type: 'loadForever', new: 1 }] },
    { _default: [{ type: 'loadForever', new: 1 }] },
  ],
  [
    'rules.get',
    (d) => d.rules.get('a', { withDefaults: true }),
    'GET /druid/coordinator/v1/rules/a?full=',
    [],
    [],
  ],
  [
    'rules.history',
    (d) => d.rules.history('a', { count: 1 }),
    'GET /druid/coordinator/v1/rules/a/history?count=1',
    [audit],
    [audit],
  ],
  [
    'lookups.tiers',
    (d) => d.lookups.tiers({ discover: true }),
    'GET /druid/coordinator/v1/lookups/config?discover=true',
    ['t'],
    ['t'],
  ],
  [
    'lookups.all',
    (d) => d.lookups.all(),
    'GET /druid/coordinator/v1/lookups/config/all',
    { t: { l: lookup } },
    { t: { l: lookup } },
  ],
  ['lookups.names', (d) => d.lookups.names('t'), 'GET /druid/coordinator/v1/lookups/config/t', ['l'], ['l']],
  [
    'lookups.get',
    (d) => d.lookups.get('t', 'a/b'),
    'GET /druid/coordinator/v1/lookups/config/t/a%2Fb',
    lookup,
    lookup,
  ],
  [
    'lookups.status',
    (d) => d.lookups.status({ detailed: true }),
    'GET /druid/coordinator/v1/lookups/status?detailed=true',
    { t: { l: { loaded: false, pendingNodes: ['h:1'] } } },
    { t: { l: { loaded: false, pendingNodes: ['h:1'] } } },
  ],
  [
    'lookups.nodeStatus',
    (d) => d.lookups.nodeStatus(),
    'GET /druid/coordinator/v1/lookups/nodeStatus',
    { t: { 'h:1': { current: {}, toLoad: { l: lookup }, toDrop: [] } } },
    { t: { 'h:1': { toLoad: { l: lookup } } } },
  ],
  [
    'config.coordinator',
    (d) => d.config.coordinator(),
    'GET /druid/coordinator/v1/config',
    { maxSegmentsToMove: 100, debugDimensions: null },
    { maxSegmentsToMove: 100, debugDimensions: null },
  ],
  [
    'config.coordinatorHistory',
    (d) => d.config.coordinatorHistory(),
    'GET /druid/coordinator/v1/config/history',
    [audit],
    [audit],
  ],
  [
    'config.overlord',
    (d) => d.config.overlord(),
    'GET /druid/indexer/v1/worker',
    { type: 'default', selectStrategy: { type: 'x' }, autoScaler: null },
    { type: 'default' },
  ],
  [
    'config.overlordHistory',
    (d) => d.config.overlordHistory({ interval }),
    `GET /druid/indexer/v1/worker/history?interval=${encodeURIComponent(interval)}`,
    [],
    [],
  ],
  [
    'compaction.configs',
    (d) => d.compaction.configs(),
    'GET /druid/coordinator/v1/config/compaction',
    { compactionConfigs: [{ dataSource: 'a' }], engine: 'native' },
    { compactionConfigs: [{ dataSource: 'a' }], engine: 'native' },
  ],
  [
    'compaction.get',
    (d) => d.compaction.get('a'),
    'GET /druid/coordinator/v1/config/compaction/a',
    { dataSource: 'a', taskPriority: 25 },
    { dataSource: 'a', taskPriority: 25 },
  ],
  [
    'compaction.clusterConfig',
    (d) => d.compaction.clusterConfig(),
    'GET /druid/indexer/v1/compaction/config/cluster',
    { compactionTaskSlotRatio: 0.1, maxCompactionTaskSlots: 9, useSupervisors: false, engine: 'native' },
    { compactionTaskSlotRatio: 0.1, maxCompactionTaskSlots: 9, useSupervisors: false, engine: 'native' },
  ],
  [
    'compaction.remainingBytes',
    (d) => d.compaction.remainingBytes('a b'),
    'GET /druid/coordinator/v1/compaction/progress?dataSource=a%20b',
    { remainingSegmentSize: 17 },
    17,
  ],
  [
    'cluster.hasLoaded of a Broker',
    (d) => d.cluster.hasLoaded('broker'),
    'GET /druid/broker/v1/loadstatus',
    { inventoryInitialized: true },
    true,
  ],
  [
    'cluster.hasLoaded of a Historical',
    (d) => d.cluster.hasLoaded('historical'),
    'GET /druid/historical/v1/loadstatus',
    { cacheInitialized: false },
    false,
  ],
  [
    'datasources.columns',
    (d) => d.datasources.columns('a/b', { interval }),
    `GET /druid/v2/datasources/a%2Fb?interval=${encodeURIComponent(interval)}`,
    { dimensions: ['page'], metrics: ['count'] },
    { dimensions: ['page'], metrics: ['count'] },
  ],
  [
    'cluster.isLeader',
    (d) => d.cluster.isLeader('overlord'),
    'GET /druid/indexer/v1/isLeader',
    { leader: true },
    true,
  ],
  [
    'cluster.workerCapacity',
    (d) => d.cluster.workerCapacity(),
    'GET /druid/indexer/v1/totalWorkerCapacity',
    { currentClusterCapacity: 8, maximumCapacityWithAutoScale: -1 },
    { capacity: 8, capacityUsed: undefined, maxCapacityWithAutoScale: undefined },
  ],
  [
    'cluster.loadQueue',
    (d) => d.cluster.loadQueue(),
    'GET /druid/coordinator/v1/loadqueue?simple=',
    { 'h:1': { segmentsToLoad: 1, segmentsToDrop: 0, segmentsToLoadSize: 5, segmentsToDropSize: 0 } },
    { 'h:1': { segmentsToLoad: 1 } },
  ],
  [
    'cluster.replicasToLoad',
    (d) => d.cluster.replicasToLoad(),
    'GET /druid/coordinator/v1/loadstatus?full=',
    { t: { a: 2 } },
    { t: { a: 2 } },
  ],
  [
    'cluster.brokers',
    (d) => d.cluster.brokers(),
    'GET /druid/router/v1/brokers',
    { 'druid/broker': ['h:1'] },
    { 'druid/broker': ['h:1'] },
  ],
  [
    'security.user',
    (d) => d.security('n', 'z').authorization.user('ada'),
    'GET /druid-ext/basic-security/authorization/db/z/users/ada',
    { name: 'ada', roles: ['r'] },
    { name: 'ada', roles: ['r'] },
  ],
  [
    'security.role',
    (d) => d.security('n', 'z').authorization.role('r'),
    'GET /druid-ext/basic-security/authorization/db/z/roles/r?full=&simplifyPermissions=',
    { name: 'r', users: null, permissions: [{ resource: { type: 'CONFIG', name: '.*' }, action: 'READ' }] },
    { name: 'r', permissions: [{ action: 'READ' }] },
  ],
];

const line = ({ method, url, text }: { method: string; url: string; text: string }) =>
  `${method} ${url} ${text}`.trim();

describe('reads', () => {
  it.each(reads)('%s', async (_, call, request, answer, expected) => {
    const druid = await fakeDruid((_request, response) => json(response, 200, answer));
    const found = await call(druid.client());
    if (typeof expected === 'object') expect(found).toMatchObject(expected as object);
    else expect(found).toBe(expected);
    expect(druid.seen.map(line)).toEqual([request]);
  });

  it.each(reads)('%s refuses another shape', async (name, call) => {
    const druid = await fakeDruid((_request, response) => json(response, 200, 7));
    const isText = name === 'tasks.log';
    if (isText) expect(await call(druid.client())).toBe('7');
    else expect(DruidDecodeError.is(await failure(call(druid.client())))).toBe(true);
  });
});
