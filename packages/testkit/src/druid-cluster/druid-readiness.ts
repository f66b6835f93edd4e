import { setTimeout as sleep } from 'node:timers/promises';

import type { DruidRole } from './druid-properties.js';

const POLL_MS = 100;
const REQUEST_TIMEOUT_MS = 5_000;
/** As `sys.servers` names the roles. */
const SERVER_TYPES = ['broker', 'coordinator', 'historical', 'indexer', 'overlord', 'router'];

/** A condition that a usable cluster fulfils; returns what is missing, or undefined. */
type Check = (urls: Readonly<Record<DruidRole, string>>, signal: AbortSignal) => Promise<string | undefined>;

/**
 * Waits until the cluster takes queries and tasks, which is later than `/status/health` says.
 *
 * @returns When every check has passed once; rejects with the signal's reason.
 */
export const untilDruidIsReady = async (
  urls: Readonly<Record<DruidRole, string>>,
  onMissing: (missing: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  // Side by side: the Broker's first SQL query loads its planner while the data servers still start.
  await Promise.all(
    [taskChecks, queryChecks].map(async (checks) => {
      for (const check of checks) {
        for (;;) {
          const missing = await attempt(check, urls, signal);
          if (missing === undefined) break;
          onMissing(missing);
          await sleep(POLL_MS, undefined, { signal });
        }
      }
    }),
  );
};

const attempt: (...args: [Check, ...Parameters<Check>]) => Promise<string | undefined> = async (
  check,
  urls,
  signal,
) => {
  signal.throwIfAborted();
  try {
    return await check(urls, AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]));
  } catch {
    signal.throwIfAborted();
    return 'the Router does not answer';
  }
};

/**
 * Submits a task that does nothing: only that proves that tasks are taken. It also wakes the tasks that an earlier run left
 * behind; the Overlord had no worker when it queued them, and would look again only after a minute.
 */
const takesTasks: Check = async ({ router }, signal) => {
  const id = `millrace_testkit_wake_${Date.now()}`;
  const response = await fetch(`${router}/druid/indexer/v1/task`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'noop', id, dataSource: 'millrace_testkit_wake', runTime: 1 }),
    signal,
  });
  await response.text();
  return response.ok ? undefined : `the Overlord takes no task (${response.status})`;
};

const taskChecks: readonly Check[] = [
  async ({ router }, signal) => {
    const response = await fetch(`${router}/status/health`, { signal });
    return (await response.text()) === 'true' ? undefined : 'the Router is not healthy';
  },
  async ({ router }, signal) => {
    const response = await fetch(`${router}/druid/indexer/v1/leader`, { signal });
    return response.ok && (await response.text()) !== '' ? undefined : 'no Overlord leads';
  },
  async ({ router }, signal) => {
    const response = await fetch(`${router}/druid/indexer/v1/workers`, { signal });
    const workers: unknown = response.ok ? await response.json() : [];
    return Array.isArray(workers) && workers.length > 0 ? undefined : 'the Overlord has no worker';
  },
  takesTasks,
];

const queryChecks: readonly Check[] = [
  async ({ router }, signal) => {
    const rows = await sql(router, 'SELECT server_type FROM sys.servers', signal);
    if (rows === undefined) return 'the Broker answers no SQL';
    const seen = new Set(rows.flat());
    const missing = SERVER_TYPES.filter((type) => !seen.has(type));
    return missing.length === 0 ? undefined : `the Broker does not see: ${missing.join(', ')}`;
  },
  async ({ router }, signal) => {
    const rows = await sql(router, UNAVAILABLE_SEGMENTS, signal);
    if (rows === undefined) return 'the Broker answers no SQL';
    return rows.length === 0 ? undefined : `${rows.length} segments of an earlier run are not loaded yet`;
  },
];

/** Published segments that rules want loaded (a replication factor of 0 means that they do not) and no server has. */
const UNAVAILABLE_SEGMENTS =
  'SELECT segment_id FROM sys.segments ' +
  'WHERE is_published = 1 AND is_overshadowed = 0 AND is_available = 0 AND replication_factor <> 0';

const sql = async (router: string, query: string, signal: AbortSignal): Promise<unknown[][] | undefined> => {
  const response = await fetch(`${router}/druid/v2/sql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, resultFormat: 'array' }),
    signal,
  });
  return response.ok ? ((await response.json()) as unknown[][]) : undefined;
};
