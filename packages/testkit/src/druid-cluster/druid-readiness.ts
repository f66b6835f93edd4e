import { setTimeout as sleep } from 'node:timers/promises';

import type { DruidCredentials } from './druid-flavour.js';

const POLL_MS = 100;
const REQUEST_TIMEOUT_MS = 5_000;
/** As `sys.servers` names the roles. */
const SERVER_TYPES = ['broker', 'coordinator', 'historical', 'indexer', 'overlord', 'router'];

/** A condition that a usable cluster fulfils; returns what is missing, or undefined. */
type Check = (druid: StartingDruid, signal: AbortSignal) => Promise<string | undefined>;

export interface StartingDruid {
  /** The Router's address. */
  readonly url: string;
  readonly credentials: DruidCredentials | undefined;
}

/**
 * Waits until the cluster takes queries and tasks, which is later than `/status/health` says.
 *
 * @returns When every check has passed once; rejects with the signal's reason.
 */
export const untilDruidIsReady = async (
  druid: StartingDruid,
  onMissing: (missing: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  // Side by side: the Broker's first SQL query loads its planner while the data servers still start.
  await Promise.all([taskChecks, queryChecks].map((checks) => untilPassed(checks, druid, onMissing, signal)));
};

/** Waits until a Historical at `url` has loaded the segments that it had, and the Broker sees it. */
export const untilHistoricalServes = (
  druid: StartingDruid,
  url: string,
  onMissing: (missing: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  const isLoaded: Check = async (_, checkSignal) => {
    const own = { ...druid, url };
    const response = await request(own, '/druid/historical/v1/readiness', checkSignal).catch(() => undefined);
    await response?.text();
    return response?.ok === true ? undefined : 'the Historical has not loaded its segments yet';
  };
  const isSeen: Check = async (_, checkSignal) => {
    const servers = `SELECT server FROM sys.servers WHERE server_type = 'historical' AND server = '${new URL(url).host}'`;
    const rows = await sql(druid, servers, checkSignal);
    return rows?.length === 1 ? undefined : 'the Broker does not see the Historical';
  };
  return untilPassed([isLoaded, isSeen], druid, onMissing, signal);
};

/** Repeats each check, one after the other, until it passes. */
const untilPassed = async (
  checks: readonly Check[],
  druid: StartingDruid,
  onMissing: (missing: string) => void,
  signal: AbortSignal,
): Promise<void> => {
  for (const check of checks) {
    for (;;) {
      const missing = await attempt(check, druid, signal);
      if (missing === undefined) break;
      onMissing(missing);
      await sleep(POLL_MS, undefined, { signal });
    }
  }
};

const attempt: (...args: [Check, ...Parameters<Check>]) => Promise<string | undefined> = async (
  check,
  druid,
  signal,
) => {
  signal.throwIfAborted();
  try {
    return await check(druid, AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]));
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof LoginRefused ? error.message : 'the Router does not answer';
  }
};

/** Also what a role answers that has not got the users yet, so it is waited for. */
class LoginRefused extends Error {
  constructor() {
    super('the login of the user admin is refused (a data folder keeps the password of its first start)');
  }
}

/** A GET, or a POST where there is a body. */
const request = async (
  { url, credentials }: StartingDruid,
  path: string,
  signal: AbortSignal,
  body?: object,
): Promise<Response> => {
  const response = await fetch(`${url}${path}`, {
    headers: {
      ...(credentials && { authorization: credentials.authorization }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    signal,
  });
  if (response.status === 401) throw new LoginRefused();
  return response;
};

/**
 * Submits a task that does nothing: only that proves that tasks are taken. It also wakes the tasks that an earlier run left
 * behind; the Overlord had no worker when it queued them, and would look again only after a minute.
 */
const takesTasks: Check = async (druid, signal) => {
  const id = `millrace_testkit_wake_${Date.now()}`;
  const task = { type: 'noop', id, dataSource: 'millrace_testkit_wake', runTime: 1 };
  const response = await request(druid, '/druid/indexer/v1/task', signal, task);
  await response.text();
  return response.ok ? undefined : `the Overlord takes no task (${response.status})`;
};

const taskChecks: readonly Check[] = [
  async (druid, signal) => {
    const response = await request(druid, '/status/health', signal);
    return (await response.text()) === 'true' ? undefined : 'the Router is not healthy';
  },
  async (druid, signal) => {
    const response = await request(druid, '/druid/indexer/v1/leader', signal);
    return response.ok && (await response.text()) !== '' ? undefined : 'no Overlord leads';
  },
  async (druid, signal) => {
    const response = await request(druid, '/druid/indexer/v1/workers', signal);
    const workers: unknown = response.ok ? await response.json() : [];
    return Array.isArray(workers) && workers.length > 0 ? undefined : 'the Overlord has no worker';
  },
  takesTasks,
];

const queryChecks: readonly Check[] = [
  async (druid, signal) => {
    const rows = await sql(druid, 'SELECT server_type FROM sys.servers', signal);
    if (rows === undefined) return 'the Broker answers no SQL';
    const seen = new Set(rows.flat());
    const missing = SERVER_TYPES.filter((type) => !seen.has(type));
    return missing.length === 0 ? undefined : `the Broker does not see: ${missing.join(', ')}`;
  },
  async (druid, signal) => {
    const rows = await sql(druid, UNAVAILABLE_SEGMENTS, signal);
    if (rows === undefined) return 'the Broker answers no SQL';
    return rows.length === 0 ? undefined : `${rows.length} segments of an earlier run are not loaded yet`;
  },
];

/** Published segments that rules want loaded (a replication factor of 0 means that they do not) and no server has. */
const UNAVAILABLE_SEGMENTS =
  'SELECT segment_id FROM sys.segments ' +
  'WHERE is_published = 1 AND is_overshadowed = 0 AND is_available = 0 AND replication_factor <> 0';

const sql = async (
  druid: StartingDruid,
  query: string,
  signal: AbortSignal,
): Promise<unknown[][] | undefined> => {
  const response = await request(druid, '/druid/v2/sql', signal, { query, resultFormat: 'array' });
  return response.ok ? ((await response.json()) as unknown[][]) : undefined;
};
