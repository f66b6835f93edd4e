/** `servers`, `supervisors` and `tasks`. */
import type { SupervisorSummary } from '../management/supervisor-status.js';
import type { TaskStatus } from '../management/task-status.js';
import type { ServerRow } from '../sql-system-tables.js';
import type { Command } from './command.js';
import { bytes, duration, name, rowsOf, time, type ListColumn } from './list-columns.js';
import { outputOf, outputOptions } from './output.js';
import { writeRows } from './row-formats.js';

const serverColumns: readonly ListColumn<ServerRow>[] = [
  name('server', ({ server }) => server),
  { name: 'type', of: ({ server_type }) => server_type },
  { name: 'tier', of: ({ tier }) => tier },
  bytes('bytes', ({ curr_size }) => curr_size),
  bytes('capacity', ({ max_size }) => max_size),
  {
    name: 'leader',
    of: ({ is_leader }) => is_leader,
    show: (isLeader) => (isLeader === true ? 'leader' : ''),
  },
];

export const servers: Command = {
  summary: 'lists the processes of the cluster, and who leads',
  operands: '',
  options: { type: { value: 'TYPE', help: 'only of this type, such as historical' }, ...outputOptions },
  details: 'They are what the Broker sees (sys.servers).',
  prepare(args) {
    args.none();
    const serverType = args.text('type');
    const output = outputOf(args);
    return async ({ druid, io, note }) => {
      const { signal } = io;
      const found = await druid.sql.system.servers({
        signal,
        ...(serverType !== undefined && { serverType }),
      });
      await writeRows(rowsOf(serverColumns, found), io, output({ io, note }));
      return undefined;
    };
  },
};

const supervisorColumns: readonly ListColumn<SupervisorSummary>[] = [
  name('supervisor', ({ id }) => id),
  { name: 'state', of: ({ state }) => state },
  { name: 'detail', of: ({ detailedState }) => detailedState },
  { name: 'healthy', of: ({ healthy }) => healthy },
  { name: 'suspended', of: ({ suspended }) => suspended },
];

export const supervisors: Command = {
  summary: 'lists supervisors and their states',
  operands: '',
  options: outputOptions,
  prepare(args) {
    args.none();
    const output = outputOf(args);
    return async ({ druid, io, note }) => {
      const found = await druid.supervisors.list({ signal: io.signal });
      await writeRows(rowsOf(supervisorColumns, found), io, output({ io, note }));
      return undefined;
    };
  },
};

const taskColumns: readonly ListColumn<TaskStatus>[] = [
  name('task', ({ id }) => id),
  { name: 'type', of: ({ type }) => type },
  { name: 'datasource', of: ({ dataSource }) => dataSource },
  { name: 'state', of: taskState },
  time('created', ({ createdTime }) => createdTime),
  duration('duration', ({ durationMs }) => durationMs),
  { name: 'error', of: ({ errorMsg }) => errorMsg, show: (text) => String(text) },
];

/** SUCCESS, FAILED, RUNNING; PENDING or WAITING while it has no slot. */
export function taskState({ statusCode, runnerStatusCode }: TaskStatus): string {
  if (statusCode !== 'RUNNING' || runnerStatusCode === undefined || runnerStatusCode === 'NONE')
    return statusCode;
  return runnerStatusCode;
}

const listed = ['running', 'pending', 'waiting', 'complete'] as const;
const outcomes = { success: 'SUCCESS', failed: 'FAILED' } as const;
const states = [...listed, 'success', 'failed'] as const;
const defaultLimit = 100;

export const tasks: Command = {
  summary: 'lists tasks, the newest first within a state',
  operands: '',
  options: {
    state: { value: 'STATE', help: `${states.join(', ')}; all unless given` },
    datasource: { value: 'NAME', help: 'only of this datasource' },
    type: { value: 'TYPE', help: 'only of this type, such as index_kafka' },
    limit: { value: 'N', help: `at most so many; ${defaultLimit} unless given` },
    ...outputOptions,
  },
  details:
    'Tasks that are over are listed as long as the Overlord remembers them, by default those of the last week.',
  prepare(args) {
    args.none();
    const wanted = args.oneOf('state', states);
    const limit = args.wholeNumber('limit', 1) ?? defaultLimit;
    const [datasource, type] = [args.text('datasource'), args.text('type')];
    const output = outputOf(args);
    const outcome = wanted === 'success' || wanted === 'failed' ? outcomes[wanted] : undefined;
    const state = outcome === undefined ? listed.find((known) => known === wanted) : 'complete';
    return async ({ druid, io, note }) => {
      const found = await druid.tasks.list({
        signal: io.signal,
        ...(state !== undefined && { state }),
        ...(datasource !== undefined && { datasource }),
        ...(type !== undefined && { type }),
        // One more than is shown tells that there are more. The Overlord cannot count outcomes apart.
        ...(outcome === undefined && { max: limit + 1 }),
      });
      const matching = found.filter(({ statusCode }) => outcome === undefined || statusCode === outcome);
      await writeRows(rowsOf(taskColumns, matching.slice(0, limit)), io, output({ io, note }));
      if (matching.length > limit) note(`There are more tasks than these ${limit}: --limit shows them.`);
      return undefined;
    };
  },
};
