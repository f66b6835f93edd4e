/** What the management calls must do on a real Druid: requests that it takes, answers that fit the schemas. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DruidClient, type KafkaSupervisorSpec } from '../../src/index.js';
import { failure } from '../fake-druid.js';
import { load, uniqueName } from '../load.js';
import type { NativeContext } from '../native/native-behaviour.js';

const by = { author: 'ada', comment: 'a test' };
const day = '2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z';

/** Reads of the cluster, and changes that are taken back. `isNew`: Druid 33, otherwise 27. */
export const describeManagement =
  (isNew: boolean) =>
  ({ client, table }: NativeContext): void => {
    describe('management', () => {
      it('shows the cluster', async () => {
        const { cluster } = client();
        expect(await cluster.health()).toBe(true);
        expect(await cluster.version()).toMatch(isNew ? /^33/ : /^27/);
        expect(await cluster.leader()).toEqual({
          coordinator: expect.stringMatching(/^http/) as unknown,
          overlord: expect.stringMatching(/^http/) as unknown,
        });
        expect(await cluster.isLeader('coordinator')).toBe(true);
        expect(await cluster.isLeader('overlord')).toBe(true);
        const [worker] = await cluster.workers();
        expect(await cluster.workerCapacity()).toMatchObject({ capacity: worker?.capacity });
        expect((await cluster.servers()).map(({ type }) => type)).toContain('historical');
        expect(await cluster.tiers()).toHaveProperty('_default_tier');
        expect(await cluster.loadStatus()).toHaveProperty(table, 100);
        expect(await cluster.segmentsToLoad()).toHaveProperty(table, 0);
        expect(await cluster.replicasToLoad()).toHaveProperty('_default_tier');
        expect(Object.keys(await cluster.loadQueue()).length).toBeGreaterThan(0);
        expect(Object.values(await cluster.brokers()).flat().length).toBeGreaterThan(0);
        expect(await cluster.isSelfDiscovered()).toBe(true);
        expect(Object.keys(await cluster.properties()).length).toBeGreaterThan(10);
      });

      it('shows a datasource', async () => {
        const { datasources } = client();
        expect(await datasources.list()).toContain(table);
        expect(await datasources.queryable()).toContain(table);
        expect(await datasources.info(table)).toMatchObject({ segments: { count: 2 } });
        expect(await datasources.info('nobody')).toBeUndefined();
        const { dimensions, metrics } = await datasources.columns(table);
        expect([...dimensions, ...metrics].length).toBeGreaterThan(1);
        expect(await datasources.columns('nobody')).toEqual({ dimensions: [], metrics: [] });
        expect(await datasources.intervals(table)).toMatchObject({ [day]: { count: 1 } });
        expect(await datasources.intervals('nobody')).toBeUndefined();
        const [segment] = await datasources.segments(table, { interval: day });
        expect(segment).toMatchObject({ isAvailable: true, numRows: 3 });
        const [published] = await datasources.publishedSegments(table, { interval: day });
        expect(published).toMatchObject({
          segmentId: segment?.segmentId,
          interval: `${segment?.start}/${segment?.end}`,
          version: segment?.version,
          partitionNumber: segment?.partitionNum,
          size: segment?.size,
          isOvershadowed: false,
        });
        const candidates = await datasources.segmentServers(table);
        const candidate = candidates.find(({ interval }) => interval === `${segment?.start}/${segment?.end}`);
        expect(candidate?.locations.map(({ type }) => type)).toEqual(['historical']);
        const version = candidate?.version ?? '';
        expect(await datasources.isHandedOff(table, { interval: day, version, partitionNumber: 0 })).toBe(
          true,
        );
        const later = { interval: '2030-01-01/2030-01-02', version: '2030', partitionNumber: 0 };
        expect(await datasources.isHandedOff(table, later)).toBe(false);
        await datasources.waitUntilLoaded(table);
      });

      it('shows tasks', async () => {
        const { tasks } = client();
        const id = `load-${table}`;
        expect(await tasks.list({ state: 'complete', datasource: table })).toMatchObject([
          { id, statusCode: 'SUCCESS' },
        ]);
        expect((await tasks.statuses([id, 'nobody'])).get(id)?.statusCode).toBe('SUCCESS');
        expect(await tasks.payload(id)).toMatchObject({ type: 'index_parallel' });
        expect(await tasks.payload('nobody')).toBeUndefined();
        expect((await tasks.ingestionReport(id))?.buildSegments).toMatchObject({ processed: 5 });
        expect(await tasks.reports('nobody')).toBeUndefined();
        expect(await tasks.log('nobody')).toBeUndefined();
        expect(await tasks.shutdown('nobody')).toBe(false);
        if (isNew) expect(await tasks.locks([table])).toEqual({});
      });

      it('samples an input, without storing it', async () => {
        const lines = '{"t":"2026-01-01T00:00:00Z","page":"Main"}\nnonsense';
        const sampled = await client().tasks.sample({
          type: 'index',
          spec: {
            dataSchema: {
              dataSource: 'sampled',
              timestampSpec: { column: 't', format: 'iso' },
              dimensionsSpec: { dimensions: ['page'] },
            },
            ioConfig: {
              type: 'index',
              inputSource: { type: 'inline', data: lines },
              inputFormat: { type: 'json' },
            },
          },
          samplerConfig: { numRows: 10 },
        });
        expect(sampled).toMatchObject({ numRowsRead: 2, numRowsIndexed: 1 });
        expect(sampled.data[0]?.parsed).toMatchObject({ __time: Date.UTC(2026, 0), page: 'Main' });
        expect(sampled.data[1]).toMatchObject({ unparseable: true, error: expect.any(String) as unknown });
        const refused = await failure(client().tasks.sample({ type: 'index', spec: {} }));
        expect(refused).toMatchObject({ code: 'DRUID_REMOTE', details: { status: 400 } });
      });

      it('sets rules', async () => {
        const { rules } = client();
        const name = uniqueName('ruled');
        expect(Object.keys(await rules.all())).toContain('_default');
        await rules.set(name, [{ type: 'loadForever', tieredReplicants: { _default_tier: 1 } }], by);
        expect(await rules.history(name)).toMatchObject([{ auditInfo: { author: 'ada' } }]);
        await rules.set(name, []);
      });

      it('stores lookups', async () => {
        const { lookups } = client();
        const name = uniqueName('lookup');
        const lookup = { version: 'v1', lookupExtractorFactory: { type: 'map', map: { a: 'b' } } };
        await lookups.initialize();
        expect(await lookups.get('__default', name)).toBeUndefined();
        await lookups.set('__default', name, lookup, by);
        expect(await lookups.get('__default', name)).toEqual(lookup);
        expect(await lookups.names('__default')).toContain(name);
        expect((await lookups.all())?.['__default']?.[name]).toEqual(lookup);
        expect((await lookups.status())?.['__default']).toHaveProperty(name);
        expect(await lookups.delete('__default', name)).toBe(true);
        expect(await lookups.delete('__default', name)).toBe(false);
      });

      it('configures compaction of the cluster, which Druid 27 cannot', async () => {
        const { compaction } = client();
        if (!isNew) {
          expect(await failure(compaction.clusterConfig())).toMatchObject({ details: { status: 404 } });
          return;
        }
        const before = await compaction.clusterConfig();
        await compaction.setClusterConfig({ ...before, maxCompactionTaskSlots: 7 }, by);
        expect(await compaction.clusterConfig()).toMatchObject({ maxCompactionTaskSlots: 7 });
        await compaction.setClusterConfig(before, by);
      });

      it('configures compaction', async () => {
        const { compaction } = client();
        const dataSource = uniqueName('compacted');
        expect(await compaction.get(dataSource)).toBeUndefined();
        await compaction.set({ dataSource, skipOffsetFromLatest: 'P30D' }, by);
        expect(await compaction.get(dataSource)).toMatchObject({ skipOffsetFromLatest: 'P30D' });
        expect((await compaction.configs()).compactionConfigs.map((config) => config.dataSource)).toContain(
          dataSource,
        );
        expect(await compaction.history(dataSource)).toMatchObject([{ auditInfo: { comment: 'a test' } }]);
        expect(await compaction.status(uniqueName('nobody'))).toBeUndefined();
        expect(await compaction.remainingBytes(uniqueName('nobody'))).toBeUndefined();
        expect(await compaction.delete(dataSource)).toBe(true);
        expect(await compaction.delete(dataSource)).toBe(false);
      });

      it('changes the dynamic configuration', async () => {
        const { config } = client();
        const before = await config.coordinator();
        const replicantLifetime = (before.replicantLifetime ?? 0) + 1;
        await config.setCoordinator({ replicantLifetime }, by);
        expect(await config.coordinator()).toEqual({ ...before, replicantLifetime });
        expect(await config.coordinatorHistory({ count: 1 })).toMatchObject([
          { auditInfo: { author: 'ada' } },
        ]);
        await config.setCoordinator(before);
        expect(await config.overlord()).toBeUndefined();
        expect(await config.overlordHistory({ count: 1 })).toEqual([]);
      });

      it('takes segments out of use and back', async () => {
        const { datasources } = client();
        const datasource = uniqueName('unused');
        await load(client(), { datasource, dimensions: ['s'], lines: ['{"t":"2026-01-01","s":"x"}'] });
        expect(await datasources.markUnused(datasource, { interval: day })).toMatchObject({
          numChangedSegments: 1,
        });
        if (isNew) {
          const [unused] = await datasources.unusedSegments(datasource);
          expect(unused?.interval).toBe(day);
          expect(await datasources.markUsed(datasource, { interval: day })).toMatchObject({
            numChangedSegments: 1,
          });
        }
      });

      it('knows no query to cancel', async () => {
        expect(await client().sql.cancel('nobody')).toBe(false);
        await client().native.cancel('nobody');
      });

      if (isNew) it('keeps a supervisor', () => keepSupervisor(client()));
    });
  };

async function keepSupervisor({ supervisors }: DruidClient): Promise<void> {
  const id = uniqueName('supervised');
  const spec: KafkaSupervisorSpec = {
    type: 'kafka',
    suspended: true,
    spec: {
      dataSchema: {
        dataSource: id,
        timestampSpec: { column: 't', format: 'iso' },
        dimensionsSpec: { dimensions: ['a'] },
        granularitySpec: { segmentGranularity: 'DAY' },
      },
      ioConfig: {
        topic: 'edits',
        consumerProperties: { 'bootstrap.servers': '127.0.0.1:1' },
        inputFormat: { type: 'json' },
      },
    },
  };
  expect(await supervisors.submit(spec)).toEqual({ id });
  expect(await supervisors.list()).toContainEqual(expect.objectContaining({ id, suspended: true }));
  expect(await supervisors.get(id)).toMatchObject({ type: 'kafka', suspended: true });
  expect(await supervisors.status(id)).toMatchObject({ id, stream: 'edits', suspended: true });
  expect(await supervisors.health(id)).toBe(true);
  expect(await supervisors.stats(id)).toEqual({});
  expect(await supervisors.parseErrors(id)).toEqual([]);
  expect(await failure(supervisors.suspend(id))).toMatchObject({ details: { status: 400 } });
  expect(await supervisors.terminate(id)).toBe(true);
  expect(await supervisors.terminate(id)).toBe(false);
  expect(await supervisors.get(id)).toBeUndefined();
  expect((await supervisors.history(id))?.map(({ spec: stored }) => stored?.['type'])).toEqual([
    'noop',
    'kafka',
  ]);
  expect(await supervisors.histories()).toHaveProperty(id);
}

/** Users and roles, administered at `coordinator()`, whose URL holds the administrator's login. */
export const describeSecurity =
  (coordinator: () => string) =>
  ({ client, table }: NativeContext): void => {
    describe('basic security', () => {
      let admin: DruidClient;
      beforeAll(() => {
        admin = new DruidClient({ url: coordinator() });
      });
      afterAll(() => admin.close());

      it('lets a user do what a role allows', async () => {
        const { authentication, authorization } = admin.security('Basic', 'Authz');
        const name = uniqueName('ann');
        const role = uniqueName('readers');
        const permission = { resource: { name: table, type: 'DATASOURCE' }, action: 'READ' } as const;
        await authentication.createUser(name);
        await authentication.setPassword(name, 'päss');
        await authorization.createUser(name);
        await authorization.createRole(role);
        await authorization.setPermissions(role, [permission]);
        await authorization.assignRole(name, role);
        expect(await authentication.users()).toContain(name);
        expect(await authorization.users()).toContain(name);
        expect(await authorization.roles()).toContain(role);
        expect(await authorization.user(name)).toMatchObject({ name });
        expect(await authorization.role(role)).toMatchObject({ name: role });

        const url = new URL(client().url);
        const auth = (password: string) => ({ type: 'basic', username: name, password }) as const;
        const ann = new DruidClient({ url: url.href, auth: auth('päss') });
        const stranger = new DruidClient({ url: url.href, auth: auth('wrong') });
        try {
          const count = `SELECT COUNT(*) AS n FROM "${table}"`;
          await expect
            .poll(() => ann.sql.query(count).catch((error: unknown) => error), { timeout: 20_000 })
            .toEqual([{ n: 5 }]);
          expect(await failure(stranger.sql.query(count))).toMatchObject({
            code: 'DRUID_REMOTE',
            details: { status: 401 },
          });
        } finally {
          ann.close();
          stranger.close();
        }

        await authorization.unassignRole(name, role);
        expect(await authorization.deleteUser(name)).toBe(true);
        expect(await authorization.deleteRole(role)).toBe(true);
        expect(await authentication.deleteUser(name)).toBe(true);
        expect(await authentication.deleteUser(name)).toBe(false);
        expect(await authorization.role(role)).toBeUndefined();
      });
    });
  };
