import { describe, expect, it } from 'vitest';
import { answersOf } from './contract-version.js';
import type { ContractContext } from './describe-druid-contract.js';
import { EVENT_DIMENSIONS, EVENTS, ingestionTask } from './fixtures.js';

export function taskContract(context: ContractContext): void {
  const { takenTaskId, badTaskState, reportsSegmentsPublished } = answersOf(context.version);
  const notFound = (id: string): string => `Cannot find any task with id: [${id}]`;

  describe('tasks', () => {
    it('reports a status with id, type, datasource, duration and place', async () => {
      const { task, status } = (await context.druid.json(
        `/druid/indexer/v1/task/${context.data.taskIds.events}/status`,
      )) as { task: string; status: Record<string, unknown> };
      expect(task).toBe(context.data.taskIds.events);
      expect(status).toMatchObject({
        id: task,
        groupId: task,
        type: 'index_parallel',
        statusCode: 'SUCCESS',
        status: 'SUCCESS',
        dataSource: context.data.events,
        errorMsg: null,
      });
      expect(status['duration']).toBeGreaterThanOrEqual(0);
      expect(status['createdTime']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(status['location']).toMatchObject({ tlsPort: -1 });
      expect(Object.keys(status).sort()).toEqual([
        'createdTime',
        'dataSource',
        'duration',
        'errorMsg',
        'groupId',
        'id',
        'location',
        'queueInsertionTime',
        'runnerStatusCode',
        'status',
        'statusCode',
        'type',
      ]);
    });

    it('burns an id: posting it again is refused', async () => {
      const id = context.data.taskIds.events;
      const answer = await context.druid.submit(
        ingestionTask({ id, dataSource: context.data.events, dimensions: EVENT_DIMENSIONS, data: EVENTS }),
      );
      expect(answer.status).toBe(400);
      expect(answer.text).toBe(takenTaskId(id));
    });

    it.each(['/status', '', '/reports', '/log'])('does not know GET task/nope%s', async (suffix) => {
      const answer = await context.druid.get(`/druid/indexer/v1/task/nope${suffix}`);
      expect([answer.status, answer.text]).toEqual([404, notFound('nope')]);
    });

    it('cannot shut down an unknown task, and leaves an ended one alone', async () => {
      const answer = await context.druid.request('POST', '/druid/indexer/v1/task/nope/shutdown');
      expect([answer.status, answer.text]).toEqual([404, notFound('nope')]);
      const id = context.data.taskIds.events;
      const ended = await context.druid.request('POST', `/druid/indexer/v1/task/${id}/shutdown`);
      expect([ended.status, JSON.parse(ended.text)]).toEqual([200, { task: id }]);
      expect(await context.druid.ended(id)).toMatchObject({ status: 'SUCCESS' });
    });

    it('lists tasks, by datasource and by state', async () => {
      const list = (await context.druid.json(
        `/druid/indexer/v1/tasks?datasource=${context.data.events}`,
      )) as { id: string }[];
      expect(list.map(({ id }) => id)).toEqual([context.data.taskIds.events]);
      const complete = (await context.druid.json(
        '/druid/indexer/v1/tasks?state=complete&max=1',
      )) as unknown[];
      expect(complete).toHaveLength(1);
      const answer = await context.druid.get('/druid/indexer/v1/tasks?state=bogus');
      expect([answer.status, answer.text]).toEqual([400, badTaskState]);
    });

    it('gives the status of several tasks and leaves out unknown ones', async () => {
      const { events, clicks } = context.data.taskIds;
      const answer = await context.druid.request('POST', '/druid/indexer/v1/taskStatus', [
        events,
        'nope',
        clicks,
      ]);
      const statuses = JSON.parse(answer.text) as Record<string, { status: string }>;
      expect(Object.keys(statuses).sort()).toEqual([clicks, events].sort());
      expect(statuses[events]).toMatchObject({ id: events, status: 'SUCCESS', errorMsg: null });
    });

    it('gives the payload of a task', async () => {
      const { task, payload } = (await context.druid.json(
        `/druid/indexer/v1/task/${context.data.taskIds.events}`,
      )) as { task: string; payload: Record<string, unknown> };
      expect(task).toBe(context.data.taskIds.events);
      expect(payload).toMatchObject({
        type: 'index_parallel',
        id: task,
        spec: { dataSchema: { dataSource: context.data.events } },
      });
    });

    it('counts the rows of clean input', async () => {
      const report = (await context.druid.json(
        `/druid/indexer/v1/task/${context.data.taskIds.events}/reports`,
      )) as Record<string, Record<string, unknown>>;
      const counts = {
        processed: 6,
        processedBytes: 473,
        processedWithError: 0,
        thrownAway: 0,
        unparseable: 0,
      };
      expect(report['ingestionStatsAndErrors']).toMatchObject({
        type: 'ingestionStatsAndErrors',
        taskId: context.data.taskIds.events,
        payload: {
          ingestionState: 'COMPLETED',
          unparseableEvents: {},
          rowStats: { determinePartitions: counts, buildSegments: counts },
          errorMsg: null,
          ...(reportsSegmentsPublished ? { segmentsPublished: 2 } : {}),
        },
      });
    });

    it('refuses specs that cannot be constructed', async () => {
      const refused = async (task: unknown): Promise<[number, string]> => {
        const answer = await context.druid.submit(task);
        return [answer.status, (JSON.parse(answer.text) as { error: string }).error];
      };
      const task = (more: Record<string, unknown>): Record<string, unknown> => ({
        ...ingestionTask({ dataSource: 'x', dimensions: ['k'], data: '{}' }),
        ...more,
      });
      expect(await refused(task({ id: 'a/b' }))).toEqual([
        400,
        expect.stringContaining("Invalid value for field [task ID]: Value [a/b] cannot contain '/'."),
      ]);
      expect(await refused(task({ id: '.ab' }))).toEqual([
        400,
        expect.stringContaining("Value [.ab] cannot start with '.'."),
      ]);
      expect(await refused({ type: 'nonsense' })).toEqual([
        400,
        expect.stringContaining("Could not resolve type id 'nonsense'"),
      ]);
      expect(await refused(ingestionTask({ dataSource: '', dimensions: ['k'], data: '{}' }))).toEqual([
        400,
        expect.stringContaining('Invalid value for field [dataSource]: must not be null'),
      ]);
      expect(await refused(ingestionTask({ dataSource: 'x', dimensions: ['k'], data: '' }))).toEqual([
        400,
        expect.stringContaining('problem: empty data'),
      ]);
    });
  });

  describe('overlord', () => {
    it('is led by somebody', async () => {
      expect((await context.druid.get('/druid/indexer/v1/leader')).text).toMatch(/^http:\/\//);
      expect(await context.druid.json('/druid/indexer/v1/isLeader')).toEqual({ leader: true });
    });

    it('has workers and slots', async () => {
      const [worker] = (await context.druid.json('/druid/indexer/v1/workers')) as Record<string, unknown>[];
      expect(worker).toMatchObject({ worker: { scheme: 'http' } });
      expect(await context.druid.json('/druid/indexer/v1/totalWorkerCapacity')).toMatchObject({
        maximumCapacityWithAutoScale: -1,
      });
    });

    it('knows no supervisor that nobody posted', async () => {
      const id = context.unique('supervisor');
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '/status'],
        ['POST', '/terminate'],
        ['POST', '/suspend'],
        ['POST', '/resume'],
      ] as const) {
        const answer = await context.druid.request(method, `/druid/indexer/v1/supervisor/${id}${path}`);
        expect([answer.status, answer.text]).toEqual([404, `Cannot find any supervisor with id: [${id}]`]);
      }
    });
  });
}
