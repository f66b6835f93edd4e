import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { answersOf } from './contract-version.js';
import type { ContractContext } from './describe-druid-contract.js';
import { EVENTS, EVENT_DIMENSIONS, ingestionTask, lines } from './fixtures.js';

const row = (hour: string, k: string): object => ({ __time: `2024-01-${hour}:00:00Z`, k });

export function ingestionContract(context: ContractContext): void {
  const { reportsSegmentsPublished, unconvertibleLong } = answersOf(context.version);
  const stats = async (id: string): Promise<Record<string, unknown>> => {
    const report = (await context.druid.json(`/druid/indexer/v1/task/${id}/reports`)) as {
      ingestionStatsAndErrors: { payload: Record<string, unknown> };
    };
    return report.ingestionStatsAndErrors.payload;
  };

  describe('ingestion', () => {
    it('rolls up by truncated time and dimensions', async () => {
      const answer = await context.druid.sql(`SELECT * FROM "${context.data.clicks}" ORDER BY __time`, {
        resultFormat: 'csv',
        header: true,
      });
      expect(answer.text).toBe(
        '__time,k,cnt,v_min,v_sum,w_max,w_sum\n2024-01-01T00:00:00.000Z,x,2,1,3,0.5,0.75\n2024-01-01T00:00:00.000Z,y,1,10,10,1.0,1.0\n2024-01-01T01:00:00.000Z,x,1,5,5,2.0,2.0\n\n',
      );
    });

    it('reads dirty rows by rule and counts what it refused', async () => {
      expect(await context.druid.rows(`SELECT page, n FROM "${context.data.dirty}" ORDER BY __time`)).toEqual(
        [
          ['ok', 1],
          ['badnum', null],
          ['strnum', 12],
          ['frac', 3],
          ['{x=1}', 4],
          ['true', 1000],
          ['12.5', '9223372036854775807'],
          ['first', 1],
        ],
      );
      const payload = await stats(context.data.taskIds.dirty);
      expect(payload['rowStats']).toMatchObject({
        determinePartitions: { processed: 8, processedWithError: 0, unparseable: 5, thrownAway: 0 },
        buildSegments: { processed: 7, processedWithError: 1, unparseable: 5, thrownAway: 0 },
      });
      const { buildSegments } = payload['unparseableEvents'] as {
        buildSegments: { input: string; details: string[] }[];
      };
      expect(buildSegments.map(({ details }) => details[0])).toEqual([
        'Timestamp[null] is unparseable! Event: {} (Record: 7, Line: 11)',
        'Unable to parse row [] (Record: 7, Line: 10)',
        unconvertibleLong,
        'Timestamp[null] is unparseable! Event: {page=notime, n=3} (Record: 2, Line: 4)',
        'Timestamp[nonsense] is unparseable! Event: {__time=nonsense, page=badtime, n=2} (Record: 2, Line: 3)',
        'Unable to parse row [{not json] (Record: 2, Line: 2)',
      ]);
    });

    it('fails a task that exceeds maxParseExceptions, publishes nothing and keeps the id', async () => {
      const id = context.unique('strict');
      const spec = {
        id,
        dataSource: context.unique('strict'),
        dimensions: ['k'],
        data: '{"__time":"2024-01-01T00:00:00Z","k":"a"}\n{broken',
        tuningConfig: { maxParseExceptions: 0 },
      };
      const status = await context.druid.run(ingestionTask(spec));
      expect(status['status']).toBe('FAILED');
      expect(status['errorMsg']).toMatch(/Max parse exceptions\[0\] exceeded/);
      expect((await context.druid.sql(`SELECT COUNT(*) FROM "${spec.dataSource}"`)).status).toBe(400);
      expect((await context.druid.submit(ingestionTask(spec))).status).toBe(400);
    });

    it('succeeds without a segment when no row is left', async () => {
      const dataSource = context.unique('nothing');
      const status = await context.druid.run(
        ingestionTask({ id: dataSource, dataSource, dimensions: ['k'], data: '{"__time":"zzz","k":"a"}' }),
      );
      expect(status['status']).toBe('SUCCESS');
      expect(await stats(dataSource)).toMatchObject({
        ...(reportsSegmentsPublished ? { segmentsPublished: 0 } : {}),
        rowStats: { buildSegments: { processed: 0, unparseable: 1 } },
      });
    });

    it('throws away rows outside the intervals', async () => {
      const dataSource = context.unique('inside');
      const data = lines([row('01T00', 'a'), row('02T00', 'b'), row('03T00', 'c')]);
      await context.druid.run(
        ingestionTask({
          id: dataSource,
          dataSource,
          dimensions: ['k'],
          data,
          intervals: ['2024-01-02/2024-01-03'],
        }),
      );
      await context.druid.visible(dataSource, 1);
      expect(await context.druid.rows(`SELECT k FROM "${dataSource}"`)).toEqual([['b']]);
      expect((await stats(dataSource))['rowStats']).toMatchObject({
        buildSegments: { processed: 1, thrownAway: 2 },
      });
    });

    it('splits segments at maxRowsPerSegment', async () => {
      const dataSource = context.unique('split');
      const data = lines(Array.from({ length: 5 }, (_, index) => row('01T00', `k${index}`)));
      await context.druid.run(
        ingestionTask({
          dataSource,
          dimensions: ['k'],
          data,
          tuningConfig: { partitionsSpec: { type: 'dynamic', maxRowsPerSegment: 2 } },
        }),
      );
      await context.druid.visible(dataSource, 5);
      expect(
        await context.druid.rows(
          `SELECT partition_num, num_rows FROM sys.segments WHERE datasource = '${dataSource}' ORDER BY partition_num`,
        ),
      ).toEqual([
        [0, 2],
        [1, 2],
        [2, 1],
      ]);
    });

    it('reads from HTTP, with basic authentication', async () => {
      const dataSource = context.unique('http');
      const source = await serve(EVENTS, `Basic ${Buffer.from('me:secret').toString('base64')}`);
      try {
        const inputSource = {
          type: 'http',
          uris: [source.uri],
          httpAuthenticationUsername: 'me',
          httpAuthenticationPassword: { type: 'default', password: 'secret' },
        };
        expect(
          await context.druid.run(ingestionTask({ dataSource, dimensions: EVENT_DIMENSIONS, inputSource })),
        ).toMatchObject({ status: 'SUCCESS' });
        await context.druid.visible(dataSource, 6);
        expect(await context.druid.rows(`SELECT SUM(n), COUNT(*) FROM "${dataSource}"`)).toEqual([
          ['9007199254741003', 6],
        ]);
      } finally {
        source.server.close();
      }
    });

    it('appends to a chunk, then replaces it, and leaves other chunks alone', async () => {
      const { changing: dataSource } = context.data;
      const task = { dataSource, dimensions: ['k'] };
      await context.druid.run(
        ingestionTask({
          ...task,
          appendToExisting: true,
          data: lines([row('01T02', 'c'), row('02T02', 'd')]),
        }),
      );
      await context.druid.visible(dataSource, 4);
      const before = await context.druid.rows(
        `SELECT "start", version, partition_num, num_rows, shard_spec FROM sys.segments WHERE datasource = '${dataSource}' ORDER BY "start", partition_num`,
      );
      const shard = (partitionNum: number, partitions: number): string =>
        JSON.stringify({ type: 'numbered', partitionNum, partitions });
      expect(before.map(([start, , part, rows, spec]) => [start, part, rows, spec])).toEqual([
        ['2024-01-01T00:00:00.000Z', 0, 2, shard(0, 0)],
        ['2024-01-01T00:00:00.000Z', 1, 1, shard(1, 0)],
        ['2024-01-02T00:00:00.000Z', 0, 1, shard(0, 0)],
      ]);
      expect(before[0]?.[1]).toBe(before[1]?.[1]);

      await context.druid.run(ingestionTask({ ...task, data: lines([row('01T05', 'new')]) }));
      await context.druid.visible(dataSource, 2);
      expect(await context.druid.rows(`SELECT k FROM "${dataSource}" ORDER BY __time`)).toEqual([
        ['new'],
        ['d'],
      ]);
      const after = await context.druid.rows(
        `SELECT version, is_active, is_overshadowed, shard_spec FROM sys.segments WHERE datasource = '${dataSource}' AND "start" = '2024-01-01T00:00:00.000Z' ORDER BY version, partition_num`,
      );
      expect(after.slice(0, 2).map(([, active, overshadowed]) => [active, overshadowed])).toEqual([
        [0, 1],
        [0, 1],
      ]);
      expect(after[2]?.slice(1)).toEqual([1, 0, shard(0, 1)]);
      expect(String(after[2]?.[0]) > String(before[0]?.[1])).toBe(true);

      // What is overshadowed can still be read by name.
      const ver = String(before[0]?.[1]);
      const segments = [{ itvl: '2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z', ver, part: 0 }];
      const batches = (await context.druid.native({
        queryType: 'scan',
        dataSource,
        intervals: { type: 'segments', segments },
        resultFormat: 'compactedList',
        columns: ['k'],
      })) as { events: unknown[] }[];
      expect(batches.flatMap(({ events }) => events)).toEqual([['a'], ['b']]);
    });
  });
}

/** Serves `text` to whoever sends the right credentials. */
async function serve(text: string, authorization: string): Promise<{ uri: string; server: Server }> {
  const server = createServer((request, response) => {
    response.statusCode = request.headers.authorization === authorization ? 200 : 401;
    response.end(response.statusCode === 200 ? text : '');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/rows.json`, server };
}
