import { describe, expect, it } from 'vitest';
import type { DruidClient } from '../../src/druid-client.js';
import { DruidRemoteError } from '../../src/errors.js';
import { collect, failure, fakeDruid, json } from '../fake-druid.js';

type Call = (druid: DruidClient) => Promise<unknown>;

const line = ({ method, url, text }: { method: string; url: string; text: string }) =>
  `${method} ${url} ${text}`.trim();

describe('what is not there', () => {
  const missing: readonly (readonly [string, Call, unknown])[] = [
    ['tasks.payload', (d) => d.tasks.payload('x'), undefined],
    ['tasks.log', (d) => d.tasks.log('x'), undefined],
    ['supervisors.health', (d) => d.supervisors.health('x'), undefined],
    ['supervisors.handoff', (d) => d.supervisors.handoff('x', [1]), false],
    ['lookups.all', (d) => d.lookups.all(), undefined],
    ['lookups.delete', (d) => d.lookups.delete('t', 'x'), false],
    ['cluster.isLeader', (d) => d.cluster.isLeader('coordinator'), false],
    ['compaction.get', (d) => d.compaction.get('x'), undefined],
    ['compaction.remainingBytes', (d) => d.compaction.remainingBytes('x'), undefined],
    ['compaction.status', (d) => d.compaction.status('x'), undefined],
    ['compaction.history', (d) => d.compaction.history('x'), []],
  ];

  it.each(missing)('%s', async (_, call, expected) => {
    const druid = await fakeDruid((_request, response) => json(response, 404, { error: 'not found' }));
    expect(await call(druid.client())).toEqual(expected);
  });

  it.each(missing)('%s is an error where the path is unknown', async (_, call) => {
    const druid = await fakeDruid((_request, response) =>
      response.writeHead(404, { 'content-type': 'text/html' }).end('<html><h2>HTTP ERROR 404</h2></html>'),
    );
    expect(DruidRemoteError.is(await failure(call(druid.client())))).toBe(true);
  });

  it('is 200 without a body for settings that were never set, 204 for a datasource', async () => {
    const druid = await fakeDruid((_, response, n) => response.writeHead(n === 1 ? 200 : 204).end());
    const client = druid.client();
    expect(await client.config.overlord()).toBeUndefined();
    expect(await client.datasources.info('x')).toBeUndefined();
    expect(await client.datasources.intervals('x')).toBeUndefined();
  });

  it('is 400 in basic security, whose 404 means that this is not the Coordinator', async () => {
    const druid = await fakeDruid(({ url }, response) =>
      url.includes('/z/')
        ? json(response, 400, { error: 'User [x] does not exist.' })
        : response.writeHead(404).end(),
    );
    const { authorization } = druid.client().security('n', 'z');
    expect([await authorization.user('x'), await authorization.deleteUser('x')]).toEqual([undefined, false]);
    const { authentication } = druid.client().security('n', 'z');
    expect(DruidRemoteError.is(await failure(authentication.deleteUser('x')))).toBe(true);
  });
});

describe('supervisors.health', () => {
  it('is false for 503 with an answer, an error for 503 without a leader', async () => {
    const druid = await fakeDruid((_, response, n) => json(response, 503, n === 1 ? { healthy: false } : {}));
    const { supervisors } = druid.client();
    expect(await supervisors.health('s')).toBe(false);
    expect(DruidRemoteError.is(await failure(supervisors.health('s')))).toBe(true);
    expect(druid.seen).toHaveLength(2);
  });
});

describe('cluster.readiness', () => {
  it('is asked once', async () => {
    const druid = await fakeDruid((_, response, n) =>
      response.writeHead([200, 503, 404][n - 1] ?? 500).end(),
    );
    const { cluster } = druid.client();
    expect([await cluster.readiness('broker'), await cluster.readiness('historical')]).toEqual([true, false]);
    await failure(cluster.readiness('broker'));
    expect(druid.seen.map(({ url }) => url)).toEqual([
      '/druid/broker/v1/readiness',
      '/druid/historical/v1/readiness',
      '/druid/broker/v1/readiness',
    ]);
  });
});

describe('datasources.markUsed', () => {
  it('turns to the Coordinator where the Overlord has no such path', async () => {
    const druid = await fakeDruid(({ url }, response) =>
      url.includes('indexer')
        ? response.writeHead(404).end()
        : json(response, 200, { numChangedSegments: 1 }),
    );
    expect(await druid.client().datasources.markUsed('a', { segmentIds: ['s'] })).toEqual({
      numChangedSegments: 1,
    });
    expect(druid.seen.map(line)).toEqual([
      'POST /druid/indexer/v1/datasources/a/markUsed {"segmentIds":["s"]}',
      'POST /druid/coordinator/v1/datasources/a/markUsed {"segmentIds":["s"]}',
    ]);
  });
});

describe('tasks.tailLog', () => {
  it('follows the log by bytes, over a character cut in two, until the task is over', async () => {
    const whole = Buffer.from('a\nü\nende\n');
    const lengths = [0, 3, 3, whole.length]; // the third byte is the first half of ü
    let looks = -1;
    const druid = await fakeDruid(({ url }, response) => {
      if (url.endsWith('/status')) {
        const statusCode = ++looks < lengths.length - 1 ? 'RUNNING' : 'SUCCESS';
        return json(response, 200, { status: { id: 't', statusCode } });
      }
      if (looks === 0) return response.writeHead(404).end('No log was found');
      const offset = Number(/offset=(\d+)/.exec(url)?.[1]);
      return response.writeHead(200).end(whole.subarray(offset, lengths[looks]));
    });
    expect(await collect(druid.client().tasks.tailLog('t', { pollIntervalMs: 9 }))).toEqual([
      'a\n',
      'ü\nende\n',
    ]);
  });

  it('loses nothing behind bytes that are no UTF-8', async () => {
    const whole = Buffer.from([0x61, 0xff, 0xe4, 0x0a, 0x62, 0x0a, 0x63, 0xc3]);
    const lengths = [3, 6, 8, 8];
    let looks = -1;
    const offsets: number[] = [];
    const druid = await fakeDruid(({ url }, response) => {
      if (url.endsWith('/status')) {
        const statusCode = ++looks < lengths.length - 1 ? 'RUNNING' : 'SUCCESS';
        return json(response, 200, { status: { id: 't', statusCode } });
      }
      const offset = Number(/offset=(\d+)/.exec(url)?.[1]);
      offsets.push(offset);
      return response.writeHead(200).end(whole.subarray(offset, lengths[looks]));
    });
    const pieces = await collect(druid.client().tasks.tailLog('t', { pollIntervalMs: 9 }));
    expect(pieces.join('')).toBe('a\ufffd\ufffd\nb\nc\ufffd');
    expect(offsets).toEqual([0, 3, 6, 8]);
  });

  it('begins with the last bytes, if asked to', async () => {
    const whole = Buffer.from('older\nold\nnew\n');
    const druid = await fakeDruid(({ url }, response, n) =>
      url.endsWith('/status')
        ? json(response, 200, { status: { id: 't', statusCode: 'SUCCESS' } })
        : response
            .writeHead(200)
            .end(whole.subarray(Number(/offset=(\d+)/.exec(url)?.[1]), n === 1 ? 10 : undefined)),
    );
    const { tasks } = druid.client();
    expect(await collect(tasks.tailLog('t', { offset: -4 }))).toEqual(['old\nnew\n']);
  });

  it('ends in an error for an unknown task', async () => {
    const druid = await fakeDruid((_, response) => response.writeHead(404).end());
    const error = await failure(collect(druid.client().tasks.tailLog('nope')));
    expect(DruidRemoteError.is(error) && error.details.status).toBe(404);
  });
});

describe('tasks.waitFor', () => {
  it('reports rows while the task runs, and when it is over', async () => {
    const counts = { processed: 2, unparseable: 1, thrownAway: 0, processedWithError: 0 };
    const rowStats = [{ totals: { buildSegments: counts } }, { buildSegments: { ...counts, processed: 3 } }];
    let looks = 0;
    const druid = await fakeDruid(({ url }, response) => {
      if (!url.endsWith('status')) {
        const payload = {
          ingestionState: 'BUILD_SEGMENTS',
          rowStats: rowStats[looks - 2],
          unparseableEvents: {},
        };
        return json(response, 200, { ingestionStatsAndErrors: { taskId: 't', payload } });
      }
      const [statusCode, runnerStatusCode] =
        [
          ['RUNNING', 'PENDING'],
          ['RUNNING', 'RUNNING'],
          ['SUCCESS', 'NONE'],
        ][looks++] ?? [];
      return json(response, 200, { status: { id: 't', statusCode, runnerStatusCode } });
    });
    const seen: unknown[] = [];
    await druid.client().tasks.waitFor('t', {
      onProgress: ({ status, report }) =>
        void seen.push([status.statusCode, report?.buildSegments?.processed]),
    });
    expect(seen).toEqual([
      ['RUNNING', 2],
      ['SUCCESS', 3],
    ]);
  });
});
