/** `task`, `tail` and `supervisor`. */
import type { DruidClient } from '../druid-client.js';
import { DruidAbortedError, DruidError } from '../errors.js';
import type { TaskStatus } from '../management/task-status.js';
import type { TaskProgress } from '../management/tasks.js';
import type { Arguments } from './arguments.js';
import { CliError, exitCodes, UsageError, type Command, type CommandContext } from './command.js';
import { prettyJson } from './json-text.js';
import { duration, durationText, rowsOf, time, type ListColumn } from './list-columns.js';
import { taskState } from './list-commands.js';
import { outputOf, outputOptions } from './output.js';
import { writeRows } from './row-formats.js';

/** The id, and which view of it: the first one unless given. */
function viewOf<T extends string>(args: Arguments, what: string, views: readonly [T, ...T[]]): [string, T] {
  const [id, view = views[0], ...others] = args.operands;
  const known = views.find((one) => one === view);
  if (id === undefined || id === '') throw new UsageError(`there must be the id of a ${what}`);
  if (known === undefined || others.length > 0) {
    throw new UsageError(`after the id comes one of ${views.join(', ')}, got ${[view, ...others].join(' ')}`);
  }
  return [id, known];
}

const statusColumns: readonly ListColumn<TaskStatus>[] = [
  { name: 'task', of: ({ id }) => id },
  { name: 'type', of: ({ type }) => type },
  { name: 'group', of: ({ groupId }) => groupId },
  { name: 'datasource', of: ({ dataSource }) => dataSource },
  { name: 'state', of: taskState },
  time('created', ({ createdTime }) => createdTime),
  duration('duration', ({ durationMs }) => durationMs),
  { name: 'location', of: ({ location }) => location && `${location.host}:${location.port}` },
  { name: 'error', of: ({ errorMsg }) => errorMsg },
];

export const task: Command = {
  summary: 'shows a task: its status, report, log or specification',
  operands: 'ID [status | report | log | spec]',
  options: { last: { value: 'BYTES', help: 'log: only so much of its end' }, ...outputOptions },
  details: `The status is printed by --format, as records unless given; the report and the specification are JSON. Tasks in an
Indexer process have no log.`,
  prepare(args) {
    const [id, view] = viewOf(args, 'task', ['status', 'report', 'log', 'spec']);
    const last = args.wholeNumber('last', 1);
    if (last !== undefined && view !== 'log') throw new UsageError('--last is for log');
    const isFormatted = args.text('format') !== undefined || args.text('width') !== undefined;
    if (isFormatted && view !== 'status') throw new UsageError('--format and --width are for status');
    const output = outputOf(args, 'records');
    return async ({ druid, io, note }) => {
      const { signal } = io;
      if (view === 'status') {
        const status = await statusOf(druid, id, signal);
        // An error's text is what one looks for: it is shown whole.
        const width = args.text('width') === undefined ? { width: 0 } : {};
        const rows = { ...rowsOf(statusColumns, [status]), isSingle: true };
        await writeRows(rows, io, { ...output({ io, note }), ...width });
      } else if (view === 'log') {
        const log = await druid.tasks.log(id, { signal, ...(last !== undefined && { offset: -last }) });
        await io.out(log ?? (await missing(druid, id, 'log', signal)));
      } else {
        const found = await druid.tasks[view === 'report' ? 'reports' : 'payload'](id, { signal });
        await io.out(`${prettyJson(found ?? (await missing(druid, id, view, signal)))}\n`);
      }
      return undefined;
    };
  },
};

async function statusOf(druid: DruidClient, id: string, signal: AbortSignal): Promise<TaskStatus> {
  const status = await druid.tasks.status(id, { signal });
  if (status !== undefined) return status;
  throw new CliError(
    `The Overlord knows no task '${id}'.`,
    'millrace-druid tasks lists those that it knows.',
  );
}

async function missing(druid: DruidClient, id: string, what: string, signal: AbortSignal): Promise<never> {
  const status = await statusOf(druid, id, signal);
  const reason =
    status.statusCode === 'RUNNING'
      ? 'It may come once the task runs: millrace-druid tail follows it.'
      : 'Tasks in an Indexer process have no log, and old logs and reports are deleted.';
  throw new CliError(`Task '${id}' (${taskState(status)}) has no ${what}.`, reason);
}

export const tail: Command = {
  summary: 'follows the status and the log of a task until it is over, and ends as it does',
  operands: 'ID',
  options: {
    last: {
      value: 'BYTES',
      help: 'begin so far before the present end of the log; at its beginning unless given',
    },
    interval: { value: 'SECONDS', help: 'between looks at the server; 1 unless given' },
  },
  details: `The log goes to standard output, the status to standard error. Exit code 0 for SUCCESS, ${exitCodes.taskFailed} for FAILED. Ctrl-C leaves
the task alone.`,
  // A restart of the Overlord must not end a look that may last for hours: this waits about a minute.
  retry: { maxAttempts: 12 },
  prepare(args) {
    const id = args.one('id of a task');
    const last = args.wholeNumber('last', 1);
    const pollIntervalMs = (args.wholeNumber('interval', 1) ?? 1) * 1000;
    return async (context) => {
      const { druid, io, note } = context;
      await statusOf(druid, id, io.signal);
      const status = await untilOver(context, id, pollIntervalMs, last);
      const took = status.durationMs === undefined ? '' : ` after ${durationText(status.durationMs)}`;
      const reason = status.errorMsg === undefined ? '' : `: ${status.errorMsg}`;
      note(`${status.statusCode}${took}${reason}`);
      return status.statusCode === 'SUCCESS' ? exitCodes.done : exitCodes.taskFailed;
    };
  },
};

async function untilOver(
  { druid, io, note }: CommandContext,
  id: string,
  pollIntervalMs: number,
  last: number | undefined,
): Promise<TaskStatus> {
  // Whichever fails ends the other.
  const failed = new AbortController();
  const signal = AbortSignal.any([io.signal, failed.signal]);
  let shownLine = '';
  const show = (line: string) => {
    if (line !== shownLine) note((shownLine = line));
  };
  const over = druid.tasks.waitFor(id, {
    pollIntervalMs,
    timeoutMs: Infinity,
    signal,
    onStatus: (status) => {
      if (status.statusCode === 'RUNNING' && shownLine === '') show(taskState(status));
    },
    onProgress: (progress) => void (progress.status.statusCode === 'RUNNING' && show(progressText(progress))),
  });
  try {
    const [status] = await Promise.all([
      over,
      followLog({ druid, io, note }, id, { pollIntervalMs, signal, last }),
    ]);
    return status;
  } catch (error) {
    failed.abort();
    await over.catch(() => undefined); // the error is at hand
    throw error;
  }
}

function progressText({ status, report }: TaskProgress): string {
  const rows = report?.buildSegments;
  if (rows === undefined) return taskState(status);
  const { processed, unparseable, thrownAway } = rows;
  const others = [
    ...(unparseable > 0 ? [`${unparseable} unparseable`] : []),
    ...(thrownAway > 0 ? [`${thrownAway} thrown away`] : []),
  ];
  return [`${taskState(status)}: ${processed} rows`, ...others].join(', ');
}

async function followLog(
  { druid, io, note }: CommandContext,
  id: string,
  options: {
    readonly pollIntervalMs: number;
    readonly signal: AbortSignal;
    readonly last: number | undefined;
  },
): Promise<void> {
  const { pollIntervalMs, signal, last } = options;
  let hasLog = false;
  try {
    const offset = last === undefined ? 0 : -last;
    for await (const text of druid.tasks.tailLog(id, { pollIntervalMs, offset, signal })) {
      hasLog = true;
      await io.out(text);
    }
  } catch (error) {
    // The status goes on without the log, which may lie in a store of its own.
    if (!DruidError.is(error) || DruidAbortedError.is(error)) throw error;
    note(`The log cannot be read, only the status: ${error.message}`);
    return;
  }
  if (!hasLog) note('There is no log: tasks in an Indexer process have none.');
}

export const supervisor: Command = {
  summary: 'shows a supervisor: its status with lag and errors, its rows, its specification or its history',
  operands: 'ID [status | stats | errors | spec | history]',
  options: {},
  details: 'All of it is JSON.',
  prepare(args) {
    const views = ['status', 'stats', 'errors', 'spec', 'history'] as const;
    const [id, view] = viewOf(args, 'supervisor', views);
    const calls = {
      status: 'status',
      stats: 'stats',
      errors: 'parseErrors',
      spec: 'get',
      history: 'history',
    } as const;
    return async ({ druid, io }) => {
      const found = await druid.supervisors[calls[view]](id, { signal: io.signal });
      if (found === undefined) {
        throw new CliError(
          `The Overlord knows no supervisor '${id}'.`,
          'millrace-druid supervisors lists them.',
        );
      }
      await io.out(`${prettyJson(found)}\n`);
      return undefined;
    };
  },
};
