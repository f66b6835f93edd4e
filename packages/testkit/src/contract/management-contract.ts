import { describe, expect, it } from 'vitest';
import { describeFeature } from './contract-features.js';
import { answersOf } from './contract-version.js';
import type { ContractContext } from './describe-druid-contract.js';
import { ingestionTask, lines } from './fixtures.js';

const API = '/druid/coordinator/v1';
const AUDIT = { 'x-druid-author': 'ada', 'x-druid-comment': 'contract' };

/** What Druid's audit log says about a change that was made with {@link AUDIT}. */
const auditInfo = expect.objectContaining({ author: 'ada', comment: 'contract' }) as unknown;

export function managementContract(context: ContractContext): void {
  const { unknownRuleStatus, marked, markUsedService, listsUnusedSegments } = answersOf(context.version);
  const post = (path: string, body: unknown): Promise<{ status: number; text: string }> =>
    context.druid.request('POST', path, body, AUDIT);

  describe('management', () => {
    describeFeature(
      context,
      'rules',
      () => ({ path: `${API}/rules` }),
      () => {
        const load = (replicas: number): object => ({
          type: 'loadForever',
          tieredReplicants: { _default_tier: replicas },
        });

        it('has rules for all, before which those of a datasource come', async () => {
          const path = `${API}/rules/${context.unique('ruled')}`;
          const defaults = (await context.druid.json(`${API}/rules`)) as Record<string, unknown[]>;
          expect(defaults['_default']).toEqual([expect.objectContaining(load(2))]);
          expect(await context.druid.json(path)).toEqual([]);
          expect(await context.druid.json(`${path}?full`)).toEqual(defaults['_default']);
          expect((await post(path, [load(1)])).status).toBe(200);
          await context.druid.until('the rule to be known', async () => {
            const rules = (await context.druid.json(path)) as unknown[];
            return rules.length === 1 ? rules : undefined;
          });
          expect(await context.druid.json(`${path}?full`)).toMatchObject([load(1), load(2)]);
          const history = (await context.druid.json(`${path}/history`)) as { payload: string }[];
          expect(history).toMatchObject([{ type: 'rules', auditInfo }]);
          expect(JSON.parse(history[0]?.payload ?? '')).toMatchObject([load(1)]);
          expect((await post(path, [])).status).toBe(200);
        });

        it('refuses a rule of an unknown type', async () => {
          const { status } = await post(`${API}/rules/${context.unique('ruled')}`, [{ type: 'nope' }]);
          expect(status).toBe(unknownRuleStatus);
        });
      },
    );

    describeFeature(
      context,
      'lookups',
      () => ({ path: `${API}/lookups/config?discover=true` }),
      () => {
        it('stores lookups, takes newer versions only, and removes them', async () => {
          const name = context.unique('lookup');
          const path = `${API}/lookups/config/__default/${name}`;
          const version = (text: string, value: string): object => ({
            version: text,
            lookupExtractorFactory: { type: 'map', map: { key: value } },
          });
          expect((await post(`${API}/lookups/config`, {})).status).toBe(202);
          expect((await context.druid.get(path)).status).toBe(404);
          expect((await post(path, version('v2', 'b'))).status).toBe(202);
          expect(await context.druid.json(path)).toEqual(version('v2', 'b'));
          expect(await context.druid.json(`${API}/lookups/config/__default`)).toContain(name);
          expect(await context.druid.json(`${API}/lookups/config/all`)).toMatchObject({
            __default: { [name]: version('v2', 'b') },
          });
          const older = await post(path, version('v1', 'a'));
          expect(older.status).toBe(500);
          expect(older.text).toContain("can't replace existing spec");
          expect(await context.druid.json(`${API}/lookups/status`)).toMatchObject({
            __default: { [name]: { loaded: expect.any(Boolean) as unknown } },
          });
          expect((await context.druid.request('DELETE', path)).status).toBe(202);
          expect((await context.druid.request('DELETE', path)).status).toBe(404);
        });
      },
    );

    describeFeature(
      context,
      'compaction',
      () => ({ path: `${API}/config/compaction` }),
      () => {
        it('stores the configuration of a datasource, with its history, and removes it', async () => {
          const dataSource = context.unique('compacted');
          const path = `${API}/config/compaction/${dataSource}`;
          expect((await context.druid.get(path)).status).toBe(404);
          const config = { dataSource, skipOffsetFromLatest: 'P30D' };
          expect((await post(`${API}/config/compaction`, config)).status).toBe(200);
          const stored = { ...config, taskPriority: 25, inputSegmentSizeBytes: 100_000_000_000_000 };
          expect(await context.druid.json(path)).toMatchObject({ ...stored, tuningConfig: null });
          expect(await context.druid.json(`${API}/config/compaction`)).toMatchObject({
            compactionConfigs: expect.arrayContaining([expect.objectContaining(stored)]) as unknown,
            compactionTaskSlotRatio: expect.any(Number) as unknown,
            maxCompactionTaskSlots: expect.any(Number) as unknown,
          });
          expect(await context.druid.json(`${path}/history`)).toMatchObject([
            { auditInfo, compactionConfig: stored },
          ]);
          expect((await context.druid.request('DELETE', path)).status).toBe(200);
          expect((await context.druid.request('DELETE', path)).status).toBe(404);
        });

        it('knows no status of a datasource that nobody compacts', async () => {
          const answer = await context.druid.get(`${API}/compaction/status?dataSource=nope`);
          expect(answer.status).toBe(404);
          expect(await context.druid.json(`${API}/compaction/status`)).toHaveProperty('latestStatus');
        });
      },
    );

    describeFeature(
      context,
      'dynamic configuration',
      () => ({ path: `${API}/config` }),
      () => {
        it("changes the Coordinator's members that are given, and no others", async () => {
          const before = (await context.druid.json(`${API}/config`)) as Record<string, unknown>;
          expect(before).toMatchObject({ pauseCoordination: false, decommissioningNodes: [] });
          const replicantLifetime = Number(before['replicantLifetime']) + 1;
          expect((await post(`${API}/config`, { replicantLifetime })).status).toBe(200);
          expect(await context.druid.json(`${API}/config`)).toEqual({ ...before, replicantLifetime });
          expect(await context.druid.json(`${API}/config/history?count=1`)).toMatchObject([
            { key: 'coordinator.config', auditInfo },
          ]);
          expect((await post(`${API}/config`, before)).status).toBe(200);
        });

        it("answers an Overlord's configuration that was never set with nothing", async () => {
          const answer = await context.druid.get('/druid/indexer/v1/worker');
          expect([answer.status, answer.text]).toEqual([200, '']);
        });
      },
    );

    describeFeature(
      context,
      'servers and tiers',
      () => ({ path: `${API}/servers?simple` }),
      () => {
        it('knows the servers of segments, their tiers and queues', async () => {
          const servers = (await context.druid.json(`${API}/servers?simple`)) as Record<string, unknown>[];
          const historical = servers.find(({ type }) => type === 'historical');
          expect(historical).toMatchObject({ tier: '_default_tier', priority: 0 });
          expect(await context.druid.json(`${API}/tiers`)).toContain('_default_tier');
          const tiers = (await context.druid.json(`${API}/tiers?simple`)) as Record<string, unknown>;
          expect(tiers['_default_tier']).toMatchObject({ maxSize: historical?.['maxSize'] });
          const queues = (await context.druid.json(`${API}/loadqueue?simple`)) as Record<string, unknown>;
          expect(queues[String(historical?.['host'])]).toMatchObject({ segmentsToDrop: 0 });
        });

        it('counts what is to be loaded, by tier too', async () => {
          const { events } = context.data;
          expect(await context.druid.json(`${API}/loadstatus`)).toHaveProperty(events, 100);
          expect(await context.druid.json(`${API}/loadstatus?simple`)).toHaveProperty(events, 0);
          // Two replicas are wanted where there is one server.
          expect(await context.druid.json(`${API}/loadstatus?full`)).toMatchObject({
            _default_tier: { [events]: 2 },
          });
        });

        it('knows the Brokers, its properties and itself', async () => {
          const brokers = (await context.druid.json('/druid/router/v1/brokers')) as Record<string, string[]>;
          expect(Object.values(brokers).flat().length).toBeGreaterThan(0);
          expect(await context.druid.json('/status/selfDiscovered/status')).toEqual({ selfDiscovered: true });
          const properties = (await context.druid.json('/status/properties')) as object;
          expect(Object.keys(properties).length).toBeGreaterThan(10);
        });
      },
    );

    describeFeature(
      context,
      'locks',
      ({ data }) => ({
        method: 'POST',
        path: '/druid/indexer/v1/activeLocks',
        body: [{ datasource: data.events }],
      }),
      () => {
        it('knows no lock where no task runs', async () => {
          const wanted = [{ datasource: context.data.events }];
          const answer = await context.druid.request('POST', '/druid/indexer/v1/activeLocks', wanted);
          expect(JSON.parse(answer.text)).toEqual({ datasourceToLocks: {} });
        });
      },
    );
  });

  describe('segments', () => {
    it('says which servers hold a segment, and what of it a query would read', async () => {
      const candidates = async (change: Record<string, unknown>) => {
        const query = { queryType: 'scan', dataSource: context.data.events, ...change };
        const answer = await context.druid.request('POST', '/druid/v2/candidates?numCandidates=1', query);
        return JSON.parse(answer.text) as unknown;
      };
      expect(await candidates({ intervals: ['2024-01-01/2024-01-02T06:00'] })).toMatchObject([
        {
          interval: '2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z',
          partitionNumber: 0,
          locations: [{ type: 'historical', tier: '_default_tier', priority: 0 }],
        },
        { interval: '2024-01-02T00:00:00.000Z/2024-01-02T06:00:00.000Z' },
      ]);
      expect(await candidates({ intervals: ['2025-01-01/2025-01-02'] })).toEqual([]);
      expect(await candidates({ dataSource: 'nope', intervals: ['2024-01-01/2024-01-02'] })).toEqual([]);
    });

    it('takes segments out of use, by interval and by id', async () => {
      const dataSource = await twoDays('unused');
      const path = `${API}/datasources/${dataSource}/markUnused`;
      const none = await post(path, { interval: '2020-01-01/2020-01-02' });
      expect([none.status, JSON.parse(none.text)]).toEqual([200, marked(0)]);
      const both = await post(path, { interval: '2024-01-02/2024-01-03', segmentIds: ['x'] });
      expect(both.status).toBe(400);
      expect((await post(path, {})).status).toBe(400);
      const one = await post(path, { interval: '2024-01-02/2024-01-03' });
      expect([one.status, JSON.parse(one.text)]).toEqual([200, marked(1)]);
      await rowsLeft(dataSource, [['first']]);
    });

    describeFeature(
      context,
      'segments used again',
      ({ data }) => ({
        method: 'POST',
        path: `/druid/${markUsedService}/v1/datasources/${data.events}/markUsed`,
        body: { interval: '2024-01-01/2024-01-03' },
      }),
      () => {
        it('lists what is out of use, and takes it into use again', async () => {
          const dataSource = await twoDays('reused');
          const interval = '2024-01-02T00:00:00.000Z/2024-01-03T00:00:00.000Z';
          await post(`${API}/datasources/${dataSource}/markUnused`, { interval });
          await rowsLeft(dataSource, [['first']]);
          if (listsUnusedSegments) {
            const listed = await context.druid.json(
              `${API}/metadata/datasources/${dataSource}/unusedSegments`,
            );
            expect(listed).toMatchObject([{ dataSegment: { dataSource, interval }, used: false }]);
          }
          // Without this header the Overlord of 33 fails to write its answer.
          const accept = { accept: 'application/json' };
          const used = await context.druid.request(
            'POST',
            `/druid/${markUsedService}/v1/datasources/${dataSource}/markUsed`,
            { interval },
            accept,
          );
          expect([used.status, JSON.parse(used.text)]).toMatchObject([200, { numChangedSegments: 1 }]);
          await rowsLeft(dataSource, [['first'], ['second']]);
        });
      },
    );
  });

  async function twoDays(name: string): Promise<string> {
    const dataSource = context.unique(name);
    const data = lines([
      { __time: '2024-01-01T00:00:00Z', k: 'first' },
      { __time: '2024-01-02T00:00:00Z', k: 'second' },
    ]);
    await context.druid.run(ingestionTask({ dataSource, dimensions: ['k'], data }));
    await context.druid.visible(dataSource, 2);
    return dataSource;
  }

  async function rowsLeft(dataSource: string, rows: unknown[][]): Promise<void> {
    const wanted = JSON.stringify(rows);
    await context.druid.until(`the rows of ${dataSource} to be ${wanted}`, async () => {
      const found = await context.druid.rows(`SELECT k FROM "${dataSource}" ORDER BY __time`);
      return JSON.stringify(found) === wanted ? true : undefined;
    });
  }
}
