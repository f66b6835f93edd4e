import { describe, expect, it } from 'vitest';
import type { ContractContext } from './describe-druid-contract.js';

export function metadataContract(context: ContractContext): void {
  const path = (suffix: string, dataSource = context.data.events): string =>
    `/druid/coordinator/v1/datasources/${dataSource}${suffix}`;

  describe('metadata', () => {
    it('sums the rows of segments to the rows of the datasource', async () => {
      const rows = await context.druid.rows(
        `SELECT num_rows, is_active, is_published, is_available, is_realtime, is_overshadowed, partition_num FROM sys.segments WHERE datasource = '${context.data.events}' ORDER BY "start"`,
      );
      expect(rows).toEqual([
        [4, 1, 1, 1, 0, 0, 0],
        [2, 1, 1, 1, 0, 0, 0],
      ]);
    });

    it('lists the used segments of the metadata store, and whether they are overshadowed', async () => {
      const segments = (await context.druid.json(
        `/druid/coordinator/v1/metadata/segments?datasources=${context.data.events}&includeOvershadowedStatus`,
      )) as { identifier: string; dataSource: string; overshadowed: boolean }[];
      const rows = await context.druid.rows(
        `SELECT segment_id FROM sys.segments WHERE datasource = '${context.data.events}'`,
      );
      expect(segments.map(({ identifier }) => identifier).sort()).toEqual(rows.flat().sort());
      expect(segments.every(({ dataSource }) => dataSource === context.data.events)).toBe(true);
      expect(segments.map(({ overshadowed }) => overshadowed)).toEqual(rows.map(() => false));
    });

    it('describes segments: id, interval, shard spec, dimensions, metrics', async () => {
      const [row] = await context.druid.rows(
        `SELECT segment_id, "start", "end", version, shard_spec, dimensions, metrics, num_replicas FROM sys.segments WHERE datasource = '${context.data.clicks}'`,
      );
      const version = String(row?.[3]);
      const [start, end] = ['2024-01-01T00:00:00.000Z', '2024-01-02T00:00:00.000Z'];
      expect(row).toEqual([
        `${context.data.clicks}_${start}_${end}_${version}`,
        start,
        end,
        version,
        '{"type":"numbered","partitionNum":0,"partitions":1}',
        '["k"]',
        '["cnt","v_sum","w_sum","v_min","w_max"]',
        1,
      ]);
    });

    it('lists columns with their types', async () => {
      expect(
        await context.druid.rows(
          `SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE, JDBC_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = '${context.data.events}'`,
        ),
      ).toEqual([
        ['__time', 'TIMESTAMP', 'NO', 93],
        ['page', 'VARCHAR', 'YES', 12],
        ['user', 'VARCHAR', 'YES', 12],
        ['n', 'BIGINT', 'YES', -5],
        ['d', 'DOUBLE', 'YES', 8],
      ]);
      expect(
        await context.druid.rows(
          `SELECT TABLE_SCHEMA, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = '${context.data.events}'`,
        ),
      ).toEqual([['druid', 'TABLE']]);
    });

    it('has the columns of the sys tables, in order', async () => {
      const header = async (table: string): Promise<unknown> =>
        (await context.druid.rows(`SELECT * FROM sys.${table} WHERE 1 = 0`, { header: true }))[0];
      expect(await header('servers')).toEqual([
        'server',
        'host',
        'plaintext_port',
        'tls_port',
        'server_type',
        'tier',
        'curr_size',
        'max_size',
        'is_leader',
        'start_time',
      ]);
      expect(await header('tasks')).toEqual([
        'task_id',
        'group_id',
        'type',
        'datasource',
        'created_time',
        'queue_insertion_time',
        'status',
        'runner_status',
        'duration',
        'location',
        'host',
        'plaintext_port',
        'tls_port',
        'error_msg',
      ]);
      expect(await header('supervisors')).toEqual([
        'supervisor_id',
        'state',
        'detailed_state',
        'healthy',
        'type',
        'source',
        'suspended',
        'spec',
      ]);
    });

    it('knows every role among the servers', async () => {
      const rows = await context.druid.rows('SELECT DISTINCT server_type FROM sys.servers');
      expect(rows.flat().sort()).toEqual(
        expect.arrayContaining(['broker', 'coordinator', 'historical', 'overlord', 'router']),
      );
    });

    it('lists tasks in sys.tasks', async () => {
      expect(
        await context.druid.rows(
          `SELECT datasource, type, status FROM sys.tasks WHERE task_id = '${context.data.taskIds.events}'`,
        ),
      ).toEqual([[context.data.events, 'index_parallel', 'SUCCESS']]);
    });

    it('reports the load status of an interval', async () => {
      const status = async (query: string): Promise<string> =>
        (await context.druid.get(path(`/loadstatus?${query}`))).text;
      expect(await status('forceMetadataRefresh=true&interval=2024-01-01_2024-01-03')).toBe(
        `{"${context.data.events}":100.0}`,
      );
      expect(await status('forceMetadataRefresh=true&interval=2025-01-01_2025-01-02')).toBe(
        'No used segment found for the given datasource and interval',
      );
      // Without an interval Druid looks at the last two weeks only.
      expect(await status('forceMetadataRefresh=true')).toBe(
        'No used segment found for the given datasource and interval',
      );
      expect(await status('')).toBe('Invalid request. forceMetadataRefresh must be specified');
    });

    it.each(['', '/intervals', '/segments', '/loadstatus?forceMetadataRefresh=true'])(
      'answers 204 for an unknown datasource%s',
      async (suffix) => {
        expect((await context.druid.get(path(suffix, 'nope'))).status).toBe(204);
      },
    );

    it('lists datasources, segments and intervals', async () => {
      expect(await context.druid.json('/druid/coordinator/v1/datasources')).toContain(context.data.events);
      expect(await context.druid.json('/druid/coordinator/v1/metadata/datasources')).toContain(
        context.data.events,
      );
      const ids = (
        await context.druid.rows(
          `SELECT segment_id FROM sys.segments WHERE datasource = '${context.data.events}' ORDER BY 1`,
        )
      ).flat();
      expect(await context.druid.json(path('/segments'))).toEqual(ids);
      expect(await context.druid.json(path('/intervals'))).toEqual([
        '2024-01-02T00:00:00.000Z/2024-01-03T00:00:00.000Z',
        '2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z',
      ]);
      expect(await context.druid.json(path(''))).toMatchObject({
        segments: { count: 2, minTime: '2024-01-01T00:00:00.000Z', maxTime: '2024-01-03T00:00:00.000Z' },
      });
    });

    it('gives segment metadata in full', async () => {
      const [first] = (await context.druid.json(path('/segments?full'))) as Record<string, unknown>[];
      expect(first).toMatchObject({
        dataSource: context.data.events,
        interval: '2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z',
        dimensions: 'page,user,n,d',
        metrics: '',
        shardSpec: { type: 'numbered', partitionNum: 0, partitions: 1 },
      });
      expect(
        (await context.druid.get('/druid/coordinator/v1/metadata/datasources/nope/segments')).status,
      ).toBe(404);
    });

    it('is healthy', async () => {
      expect((await context.druid.get('/status/health')).text).toBe('true');
      const bytes = expect.any(Number) as number;
      const memory = Object.fromEntries(
        ['maxMemory', 'totalMemory', 'freeMemory', 'usedMemory', 'directMemory'].map((name) => [name, bytes]),
      );
      expect(await context.druid.json('/status')).toMatchObject({ version: expect.any(String), memory });
    });
  });
}
