import { describe, expect, it } from 'vitest';
import { DruidConfigError, DruidRemoteError, DruidTimeoutError } from '../../src/errors.js';
import { intervalsOverlap } from '../../src/management/segments.js';
import { arrayLines, failure, fakeDruid, inPieces, json, type Handler } from '../fake-druid.js';

describe('supervisors', () => {
  const payload = {
    dataSource: 'edits',
    stream: 'topic',
    state: 'RUNNING',
    detailedState: 'RUNNING',
    healthy: true,
    suspended: false,
    recentErrors: [],
    partitions: 2,
  };

  it('are submitted, listed and looked up', async () => {
    const druid = await fakeDruid(({ method, url }, response) => {
      if (method === 'POST') return json(response, 200, { id: 'edits' });
      if (url.endsWith('?state=true&system=')) return json(response, 200, [{ id: 'edits', ...payload }]);
      return json(response, 200, { id: 'edits', generationTime: 'g', payload });
    });
    const { supervisors } = druid.client();
    expect(await supervisors.submit({ type: 'kafka', spec: {} })).toEqual({ id: 'edits' });
    expect(await supervisors.list()).toMatchObject([{ id: 'edits', state: 'RUNNING', healthy: true }]);
    expect(await supervisors.status('edits')).toMatchObject({
      id: 'edits',
      stream: 'topic',
      partitions: 2,
      aggregateLag: undefined,
    });
  });

  it('are acted on once, and tell when there is none', async () => {
    const druid = await fakeDruid(({ url }, response) => {
      if (url.includes('busy')) return json(response, 503, {});
      return url.includes('nope')
        ? response.writeHead(404, { 'content-type': 'text/plain' }).end('Cannot find any supervisor')
        : json(response, 200, { id: 'edits' });
    });
    const { supervisors } = druid.client();
    expect(await supervisors.suspend('edits')).toBe(true);
    expect(await supervisors.resume('edits')).toBe(true);
    expect(await supervisors.terminate('nope')).toBe(false);
    expect(await supervisors.status('nope')).toBeUndefined();
    await failure(supervisors.terminate('busy'));
    expect(druid.seen.filter(({ url }) => url.includes('busy'))).toHaveLength(1);
  });
});

describe('cluster', () => {
  it('is healthy or not, without an error for a server that is down', async () => {
    const druid = await fakeDruid((_, response, n) => {
      if (n === 1) return json(response, 200, true);
      return n === 2 ? json(response, 503, {}) : response.destroy();
    });
    const { cluster } = druid.client();
    expect([await cluster.health(), await cluster.health(), await cluster.health()]).toEqual([
      true,
      false,
      false,
    ]);
    expect(druid.seen).toHaveLength(3);
  });

  it('is not "down" when it only refuses us', async () => {
    const druid = await fakeDruid((_, response) => json(response, 401, {}));
    expect(DruidRemoteError.is(await failure(druid.client().cluster.health()))).toBe(true);
  });

  it('names its leaders, if there are any', async () => {
    const druid = await fakeDruid(({ url }, response) =>
      url.includes('indexer') ? response.writeHead(503).end() : response.end('http://coordinator:8081'),
    );
    expect(await druid.client().cluster.leader()).toEqual({
      coordinator: 'http://coordinator:8081',
      overlord: undefined,
    });
  });

  it('does not take a Router without management proxy for a cluster without leaders', async () => {
    const druid = await fakeDruid((_, response) =>
      response
        .writeHead(404, { 'content-type': 'text/html' })
        .end('<html><h2>HTTP ERROR 404 Not Found</h2></html>'),
    );
    expect(DruidRemoteError.is(await failure(druid.client().cluster.leader()))).toBe(true);
  });

  it('lists workers', async () => {
    const worker = { scheme: 'http', host: 'h:8091', ip: 'h', capacity: 8, version: '0', category: 'c' };
    const druid = await fakeDruid((_, response) =>
      json(response, 200, [{ worker, currCapacityUsed: 2, runningTasks: ['t'], availabilityGroups: [] }]),
    );
    expect(await druid.client().cluster.workers()).toEqual([
      { host: 'h:8091', capacity: 8, capacityUsed: 2, runningTasks: ['t'] },
    ]);
  });
});

const segmentColumns = [
  ['segment_id', 'STRING'],
  ['datasource', 'STRING'],
  ['start', 'STRING'],
  ['end', 'STRING'],
  ['version', 'STRING'],
  ['partition_num', 'LONG'],
  ['num_rows', 'LONG'],
  ['size', 'LONG'],
  ['is_published', 'LONG'],
  ['is_available', 'LONG'],
  ['is_realtime', 'LONG'],
  ['is_overshadowed', 'LONG'],
] as const;
const segmentLine = (id: string, available: 0 | 1) =>
  JSON.stringify([
    id,
    'edits',
    '2020-01-01T00:00:00.000Z',
    '2020-01-02T00:00:00.000Z',
    'v',
    0,
    10,
    99,
    1,
    available,
    0,
    0,
  ]);

describe('datasources', () => {
  it('asks for the load status of all time, with fresh metadata', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, { 'a b': 50.5 }));
    const { datasources } = druid.client();
    expect(await datasources.loadStatus('a b')).toEqual({ percentLoaded: 50.5, isLoaded: false });
    await datasources.loadStatus('a b', { interval: '2020-01-01/2021-01-01', forceMetadataRefresh: false });
    expect(druid.seen.map(({ url }) => decodeURIComponent(url))).toEqual([
      '/druid/coordinator/v1/datasources/a b/loadstatus?forceMetadataRefresh=true&interval=0000-01-01T00:00:00.000Z/9999-12-31T00:00:00.000Z',
      '/druid/coordinator/v1/datasources/a b/loadstatus?forceMetadataRefresh=false&interval=2020-01-01/2021-01-01',
    ]);
  });

  it.each<[string, Handler]>([
    ['204', (_, response) => response.writeHead(204).end()],
    [
      '200 with a sentence',
      (_, response) =>
        response.writeHead(200).end('No used segment found for the given datasource and interval'),
    ],
  ])('has no load status where nothing is in use: %s', async (_, handler) => {
    const druid = await fakeDruid(handler);
    expect(await druid.client().datasources.loadStatus('edits')).toBeUndefined();
  });

  it('lists segments with their flags', async () => {
    const druid = await fakeDruid((_, response) =>
      inPieces(response, arrayLines(segmentColumns, [segmentLine('s', 1)])),
    );
    const segments = await druid.client().datasources.segments('edits');
    expect(segments).toEqual([
      {
        segmentId: 's',
        datasource: 'edits',
        start: '2020-01-01T00:00:00.000Z',
        end: '2020-01-02T00:00:00.000Z',
        version: 'v',
        partitionNum: 0,
        numRows: 10,
        size: 99,
        isPublished: true,
        isAvailable: true,
        isRealtime: false,
        isOvershadowed: false,
      },
    ]);
    expect(druid.seen[0]?.body['parameters']).toEqual([{ type: 'VARCHAR', value: 'edits' }]);
  });

  it('lists the segments of an interval, those of all time among them', async () => {
    const day = segmentLine('day', 1);
    const all = segmentLine('all', 1)
      .replace('2020-01-01T00:00:00.000Z', '-146136543-09-08T08:23:32.096Z')
      .replace('2020-01-02T00:00:00.000Z', '146140482-04-24T15:36:27.903Z');
    const druid = await fakeDruid((_, response) =>
      inPieces(response, arrayLines(segmentColumns, [all, day])),
    );
    const { datasources } = druid.client();
    const ids = async (interval: string) =>
      (await datasources.segments('edits', { interval })).map(({ segmentId }) => segmentId);
    expect(await ids('2020-01-01T12:00/2021')).toEqual(['all', 'day']);
    expect(await ids('2020-01-02/2021')).toEqual(['all']);
  });

  it.each(['today', '2020-01-01', '2020-01-01/P1D', '2021/2020', '2020-02-30/2021'])(
    'refuses the interval %s before anything is asked',
    async (interval) => {
      const druid = await fakeDruid(() => undefined);
      const { datasources } = druid.client();
      for (const call of [
        datasources.segments('edits', { interval }),
        datasources.waitUntilQueryable('edits', { interval }),
      ]) {
        const error = await failure(call);
        expect(DruidConfigError.is(error) && error.details.option).toBe('interval');
      }
      expect(druid.seen).toEqual([]);
    },
  );

  it('marks segments unused by interval, by id, or all', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 200, { numChangedSegments: 2, segmentStateChanged: true }),
    );
    const { datasources } = druid.client();
    expect(await datasources.markUnused('edits', { interval: '2020/2021' })).toEqual({
      numChangedSegments: 2,
    });
    await datasources.markUnused('edits', { segmentIds: ['s'] });
    await datasources.markUnused('edits', { all: true });
    expect(druid.seen.map(({ method, url, text }) => [method, url, text])).toEqual([
      ['POST', '/druid/coordinator/v1/datasources/edits/markUnused', '{"interval":"2020/2021"}'],
      ['POST', '/druid/coordinator/v1/datasources/edits/markUnused', '{"segmentIds":["s"]}'],
      ['DELETE', '/druid/coordinator/v1/datasources/edits', ''],
    ]);
  });

  /** A cluster on which everything becomes true one look after the other. */
  function slowCluster(): { handler: Handler; looks: string[] } {
    const looks: string[] = [];
    let round = 0;
    const metadata = (partitionNum: number, more = {}) => ({
      dataSource: 'edits',
      interval: '2020-01-01T00:00:00.000Z/2020-01-02T00:00:00.000Z',
      version: 'v',
      shardSpec: { type: 'numbered', partitionNum },
      ...more,
    });
    const id = 'edits_2020-01-01T00:00:00.000Z_2020-01-02T00:00:00.000Z_v';
    const handler: Handler = ({ url, body }, response) => {
      const sql = String(body['query'] ?? '');
      if (url.includes('loadstatus')) {
        round++;
        looks.push(`load ${round}`);
        if (round === 1) return response.writeHead(204).end();
        return json(response, 200, { edits: round === 2 ? 50 : 100 });
      }
      if (url.includes('metadata/segments')) {
        const old = metadata(2, { overshadowed: true });
        const cold = metadata(3, { replicationFactor: 0 });
        const elsewhere = metadata(4, {
          interval: '2019-01-01T00:00:00.000Z/2020-01-01T00:00:00.000Z',
        });
        return json(response, 200, [
          metadata(0),
          metadata(1, { replicationFactor: null }),
          old,
          cold,
          elsewhere,
        ]);
      }
      if (sql.includes('sys.segments')) {
        looks.push('broker');
        const lines = [segmentLine(id, 1), segmentLine(`${id}_1`, round === 3 ? 0 : 1)];
        return inPieces(response, arrayLines(segmentColumns, lines));
      }
      looks.push('plan');
      return round === 4
        ? json(response, 400, { errorMessage: "Object 'edits' not found" })
        : inPieces(response, arrayLines([['x', 'LONG']], []));
    };
    return { handler, looks };
  }

  it('is queryable once loaded, known to the Broker, and a table', async () => {
    const { handler, looks } = slowCluster();
    const druid = await fakeDruid(handler);
    await druid.client().datasources.waitUntilQueryable('edits', { interval: '2020-01-01/2020-01-02' });
    expect(looks).toEqual([
      'load 1',
      'load 2',
      'load 3',
      'broker',
      'load 4',
      'broker',
      'plan',
      'load 5',
      'broker',
      'plan',
    ]);
    expect(druid.sleeps).toEqual([500, 500, 500, 500]);
  });

  const bounds = '2020-01-01T00:00:00.000Z/2020-01-02T00:00:00.000Z';
  const idOf = (suffix = '') => `edits_${bounds.replace('/', '_')}_v${suffix}`;
  const metadataOf = (more: object) => ({ dataSource: 'edits', interval: bounds, version: 'v', ...more });

  it('has its published segments listed by the Coordinator, whatever kind of shard spec they have', async () => {
    const druid = await fakeDruid((_, response) =>
      json(response, 200, [
        metadataOf({ identifier: idOf(), shardSpec: { type: 'none' }, dimensions: 'a,b', size: 7 }),
        metadataOf({
          identifier: idOf('_3'),
          shardSpec: { type: 'numbered', partitionNum: 3, partitions: 4 },
        }),
        metadataOf({
          identifier: idOf('_32768'),
          shardSpec: { type: 'numbered_overwrite', partitionId: 32768 },
        }),
        metadataOf({ shardSpec: { type: 'hashed', partitionNum: 2 }, overshadowed: true }),
        metadataOf({ identifier: idOf('_5'), lastCompactionState: {}, replicationFactor: 0 }),
      ]),
    );
    const segments = await druid.client().datasources.publishedSegments('edits');
    const plain = { isOvershadowed: false, isCompacted: false, isLoadable: true, size: 0 };
    const shared = { ...plain, interval: bounds, version: 'v' };
    expect(segments).toEqual([
      { ...shared, segmentId: idOf(), partitionNumber: 0, size: 7, shardSpec: { type: 'none' } },
      {
        ...shared,
        segmentId: idOf('_3'),
        partitionNumber: 3,
        shardSpec: { type: 'numbered', partitionNum: 3, partitions: 4 },
      },
      {
        ...shared,
        segmentId: idOf('_32768'),
        partitionNumber: 32768,
        shardSpec: { type: 'numbered_overwrite', partitionId: 32768 },
      },
      {
        ...shared,
        segmentId: idOf('_2'),
        partitionNumber: 2,
        shardSpec: { type: 'hashed', partitionNum: 2 },
        isOvershadowed: true,
      },
      {
        ...shared,
        segmentId: idOf('_5'),
        partitionNumber: 5,
        shardSpec: undefined,
        isCompacted: true,
        isLoadable: false,
      },
    ]);
  });

  it.each([
    [
      'is of another segment',
      JSON.stringify([metadataOf({ identifier: 'edits_else' })]),
      /edits_else/,
      false,
    ],
    ['has no number at its end', JSON.stringify([metadataOf({ identifier: idOf('_x') })]), /_v_x/, false],
    ['is cut off', JSON.stringify([metadataOf({}), metadataOf({})]).slice(0, -1), /closing bracket/, true],
    ['is cut off in its first segment', '[{"dataSour', /closing bracket/, true],
    ['is no array', '{"error":"no"}', /JSON array/, false],
  ])('is an error if the list of published segments %s', async (_, text, message, retryable) => {
    const druid = await fakeDruid((_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(text),
    );
    const error = await failure(druid.client().datasources.publishedSegments('edits'));
    expect(error).toMatchObject({
      code: 'DRUID_DECODE',
      message: expect.stringMatching(message) as unknown,
      retryable,
    });
  });

  it('is loaded before that', async () => {
    const { handler, looks } = slowCluster();
    const druid = await fakeDruid(handler);
    await druid.client().datasources.waitUntilLoaded('edits');
    expect(looks).toEqual(['load 1', 'load 2', 'load 3']);
  });

  it('tells what was missing when the time is up', async () => {
    const druid = await fakeDruid((_, response) => json(response, 200, { edits: 50 }));
    let clock = 0;
    const client = druid.client({ now: () => clock, sleep: async (ms) => void (clock += ms) });
    const error = await failure(client.datasources.waitUntilQueryable('edits', { timeoutMs: 2000 }));
    expect(DruidTimeoutError.is(error) && error.details.lastSeen).toEqual({
      percentLoaded: 50,
      isLoaded: false,
    });
  });
});

describe('intervalsOverlap', () => {
  it.each([
    ['2020-01-01/2020-01-02', '2020-01-01T12:00:00Z/2021-01-01', true],
    ['2020-01-01/2020-01-02', '2020-01-02/2020-01-03', false],
    ['-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z', '2020-01-02/2020-01-03', true],
    ['2020-01-01/2020-01-02', '2020-01-02T01:00:00+01:00/2020-01-03', false],
    ['2020-01-01/2020-01-02', '2020-01-02T00:30:00+01:00/2020-01-03', true],
    ['2020-01-01/2020-01-02', '2020-01-02T00:00/2020-01-03T00:00', false],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(intervalsOverlap(a, b)).toBe(expected);
    expect(intervalsOverlap(b, a)).toBe(expected);
  });
});
