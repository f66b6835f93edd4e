/** `/druid/indexer/v1`: tasks, workers, leadership and supervisors. */

import type { Catalog } from './catalog.js';
import { plainAnswer, refusedSpec } from './druid-error.js';
import { addUnusedRoutes } from './retirement-api.js';
import type { Request, Router } from './router.js';
import type { Store } from './store.js';
import type { Supervisors } from './supervisors.js';
import type { TaskRunner } from './task-runner.js';
import { statusJson, type TaskLocation, type TaskRecord, type TaskStore } from './task-store.js';
import { isoTime } from './time-text.js';

export interface OverlordOptions {
  store: Store;
  catalog: Catalog;
  tasks: TaskStore;
  runner: TaskRunner;
  supervisors: Supervisors;
  location: TaskLocation;
  url: string;
  now(): number;
}

const API = '/druid/indexer/v1';
const STATES = ['pending', 'waiting', 'running', 'complete'];
/** Slots of the one worker this server pretends to be; it runs more tasks if asked. */
const CAPACITY = 8;

export function addOverlordRoutes(router: Router, options: OverlordOptions): void {
  addTaskRoutes(router, options);
  addSupervisorRoutes(router, options);
  addUnusedRoutes(router, API, options);
  const { runner, tasks, location, url } = options;
  router
    .on(`GET ${API}/leader`, (_, answer) => answer.send(200, url))
    .on(`GET ${API}/isLeader`, (_, answer) => answer.json({ leader: true }))
    .on(`GET ${API}/totalWorkerCapacity`, (_, answer) =>
      answer.json({
        currentClusterCapacity: CAPACITY,
        maximumCapacityWithAutoScale: -1,
        usedClusterCapacity: runner.runningIds.length,
      }),
    )
    .on(`GET ${API}/workers`, (_, answer) => {
      const last = tasks.list().find(({ status }) => status !== 'RUNNING');
      const lastCompleted = last ? last.createdMs + Math.max(last.durationMs, 0) : 0;
      return answer.json([
        {
          worker: {
            scheme: 'http',
            host: `${location.host}:${location.port}`,
            ip: location.host,
            capacity: CAPACITY,
            version: '0',
            category: '_default_worker_category',
          },
          currCapacityUsed: runner.runningIds.length,
          currParallelIndexCapacityUsed: 0,
          availabilityGroups: runner.runningIds,
          runningTasks: runner.runningIds,
          lastCompletedTaskTime: isoTime(lastCompleted),
        },
      ]);
    });
}

function addTaskRoutes(router: Router, options: OverlordOptions): void {
  const { tasks, runner, location } = options;
  const find = ({ params }: Request): TaskRecord => {
    const id = params['id'] ?? '';
    const task = tasks.get(id);
    if (!task) throw plainAnswer(404, `Cannot find any task with id: [${id}]`);
    return task;
  };
  router
    .on(`POST ${API}/task`, async ({ body }, answer) =>
      answer.json({ task: await runner.submit(readSpec(body)) }),
    )
    .on(`GET ${API}/task/{id}/status`, (request, answer) => {
      const task = find(request);
      return answer.json({ task: task.id, status: statusJson(task, location) });
    })
    .on(`GET ${API}/task/{id}/reports`, (request, answer) => {
      const { report } = find(request);
      if (report === null)
        throw plainAnswer(
          404,
          'No task reports were found for this task. The task may not exist, or it may not have completed yet.',
        );
      return answer.send(200, report);
    })
    .on(`GET ${API}/task/{id}/log`, (request, answer) => {
      const { id, status, error } = find(request);
      const end = status === 'RUNNING' ? '' : `EmbeddedDruid task ${id}: ${status}\n`;
      const log = `EmbeddedDruid task ${id}: RUNNING\n${end}${error === null ? '' : `${error}\n`}`;
      // Bytes to leave out; if negative, bytes to keep of the end.
      const part = Buffer.from(log).subarray(Number(request.query.get('offset') ?? 0));
      return answer.send(200, part.toString(), 'text/plain;charset=utf-8');
    })
    .on(`POST ${API}/task/{id}/shutdown`, async (request, answer) => {
      const { id } = find(request);
      await runner.shutdown(id);
      await answer.json({ task: id });
    })
    .on(`GET ${API}/task/{id}`, async (request, answer) => {
      const { id } = find(request);
      await answer.send(
        200,
        `{"task":${JSON.stringify(id)},"payload":${(await tasks.payload(id)) ?? 'null'}}`,
      );
    })
    .on(`GET ${API}/tasks`, ({ query }, answer) => answer.json(list(options, query)))
    .on(`POST ${API}/taskStatus`, ({ body }, answer) => {
      const ids = JSON.parse(body || '[]') as string[];
      const found = ids.map((id) => tasks.get(id)).filter((task) => task !== undefined);
      const entries = found.map(({ id, status, durationMs, error }) => [
        id,
        { id, status, duration: durationMs, errorMsg: error, location },
      ]);
      return answer.json(Object.fromEntries(entries));
    });
  for (const [path, state] of [
    ['runningTasks', 'running'],
    ['completeTasks', 'complete'],
    ['pendingTasks', 'pending'],
    ['waitingTasks', 'waiting'],
  ] as const) {
    router.on(`GET ${API}/${path}`, (_, answer) =>
      answer.json(list(options, new URLSearchParams({ state }))),
    );
  }
}

function readSpec(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch (error) {
    throw refusedSpec(`Cannot read the task: ${(error as Error).message}`);
  }
}

function list({ tasks, location }: OverlordOptions, query: URLSearchParams): unknown[] {
  const state = query.get('state');
  if (state !== null && !STATES.includes(state)) {
    throw plainAnswer(400, `Invalid task state[${state}]. Must be one of [${STATES.join(', ')}].`);
  }
  const max = Number(query.get('max') ?? Infinity);
  return tasks
    .list()
    .filter(({ dataSource }) => (query.get('datasource') ?? dataSource) === dataSource)
    .filter(({ type }) => (query.get('type') ?? type) === type)
    .filter(({ status }) => state === null || (status === 'RUNNING' ? 'running' : 'complete') === state)
    .slice(0, max)
    .map((task) => statusJson(task, location));
}

function addSupervisorRoutes(router: Router, { supervisors }: OverlordOptions): void {
  const id = ({ params }: Request): string => params['id'] ?? '';
  router
    .on(`GET ${API}/supervisor`, ({ query }, answer) => {
      const all = supervisors.list();
      const isSystem = query.has('system');
      if (!query.has('state') && !query.has('full') && !isSystem)
        return answer.json(all.map((supervisor) => supervisor.id));
      return answer.json(
        all.map(({ id: name, type, source, spec }) => ({
          id: name,
          state: 'SUSPENDED',
          detailedState: 'SUSPENDED',
          healthy: true,
          suspended: isSystem, // without it, Druid says that none is
          ...(isSystem ? { type, source, specString: JSON.stringify(spec) } : {}),
          ...(query.has('full') ? { spec } : {}),
        })),
      );
    })
    .on(`POST ${API}/supervisor`, async ({ body }, answer) => {
      const spec = readSpec(body);
      if (typeof spec !== 'object' || spec === null) throw refusedSpec('A supervisor must be a JSON object');
      await answer.json({ id: await supervisors.add(spec as Record<string, unknown>) });
    })
    .on(`GET ${API}/supervisor/{id}`, (request, answer) => answer.json(supervisors.get(id(request)).spec))
    .on(`GET ${API}/supervisor/{id}/status`, (request, answer) =>
      answer.json(supervisors.status(id(request))),
    )
    .on(`GET ${API}/supervisor/{id}/health`, (request, answer) => {
      supervisors.get(id(request));
      return answer.json({ healthy: true });
    })
    .on(`POST ${API}/supervisor/{id}/terminate`, async (request, answer) => {
      await supervisors.remove(id(request));
      await answer.json({ id: id(request) });
    })
    .on(`POST ${API}/supervisor/{id}/suspend`, (request) => {
      throw refusedSpec(`[${supervisors.get(id(request)).id}] is already suspended`);
    })
    .on(`POST ${API}/supervisor/{id}/resume`, (request) => supervisors.refuseToRun(id(request)));
}
