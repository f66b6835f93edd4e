import { EmbeddedDruid, FaultProxy } from '@millrace/testkit';
import { DruidClient } from '../../src/druid-client.js';
import type { DruidClientOptions } from '../../src/options.js';

/** Rows of the table `edits`: long enough for several chunks, with text that is worth cutting in the middle. */
export const rowCount = 120;

const scanQuery = {
  dataSource: 'edits',
  intervals: ['2024-01-01/2024-01-02'],
  columns: ['__time', 'page', 'n'],
  batchSize: 20,
} as const;

/** The SQL that all cases run. */
export const editsSql = 'SELECT __time, page, n FROM edits';

/** A Druid that has the table `edits`, for a whole test file. */
export async function druidWithEdits(): Promise<EmbeddedDruid> {
  const druid = await EmbeddedDruid.start();
  const client = new DruidClient({ url: druid.url });
  try {
    const { taskId } = await client.tasks.submit(editsTask());
    const { statusCode, errorMsg } = await client.tasks.waitFor(taskId, { pollIntervalMs: 5 });
    if (statusCode !== 'SUCCESS') throw new Error(`The fixture was not loaded: ${errorMsg}`);
    return druid;
  } finally {
    client.close();
  }
}

function editsTask(): { readonly type: string; readonly id: string; readonly spec: unknown } {
  const data = Array.from({ length: rowCount }, (_, n) =>
    JSON.stringify({
      __time: new Date(Date.UTC(2024, 0, 1, 0, 0, n)).toISOString(),
      page: `页 ${n}, "x"\n`,
      n,
    }),
  ).join('\n');
  return {
    type: 'index_parallel',
    id: 'edits-fixture',
    spec: {
      dataSchema: {
        dataSource: 'edits',
        timestampSpec: { column: '__time', format: 'iso' },
        dimensionsSpec: { dimensions: ['page', { type: 'long', name: 'n' }] },
        granularitySpec: { segmentGranularity: 'DAY', queryGranularity: 'NONE', rollup: false },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: { type: 'inline', data },
        inputFormat: { type: 'json' },
      },
      tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' } },
    },
  };
}

const opened: (() => Promise<void>)[] = [];

/** Ends what {@link behindProxy} has opened. */
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((close) => close()));
}

/** Milliseconds that the client waits in silence; time passes in the tests that are about it only. */
export const timeoutMs = 60_000;

/** A proxy in front of `druid`, and a client whose pauses are recorded instead of slept. `before`: servers to ask first. */
export async function behindProxy(
  druid: { readonly url: string },
  options: Partial<DruidClientOptions> & {
    readonly onSleep?: () => unknown;
    readonly before?: readonly string[];
  } = {},
): Promise<{ proxy: FaultProxy; client: DruidClient; sleeps: number[] }> {
  const { onSleep, before = [], ...clientOptions } = options;
  const proxy = await FaultProxy.start({ upstream: druid.url });
  const sleeps: number[] = [];
  const client = new DruidClient({
    url: [...before, proxy.url],
    sleep: async (ms) => {
      sleeps.push(ms);
      await onSleep?.();
      await new Promise(setImmediate);
    },
    random: () => 1,
    timeoutMs,
    ...clientOptions,
  });
  opened.push(() => {
    client.close();
    return proxy.stop();
  });
  return { proxy, client, sleeps };
}

/** A call of the client that the suite takes through every fault. */
export interface Operation {
  readonly name: string;
  readonly path: string | RegExp;
  /** What the client may do again: see the table "Retries" in the README. */
  readonly kind: 'query' | 'read' | 'identified' | 'once';
  /** Runs it, and adds what it delivers to `items` at once. */
  readonly run: (client: DruidClient, items: unknown[], id: string) => Promise<unknown>;
}

async function all(batches: AsyncIterable<unknown>, items: unknown[]): Promise<void> {
  for await (const batch of batches) items.push(...(Array.isArray(batch) ? (batch as unknown[]) : [batch]));
}

/** The task of {@link operations}: it does nothing but exist. */
function smallTask(id: string | undefined): { readonly type: string; readonly id?: string } {
  const { spec } = editsTask() as { spec: { dataSchema: object; ioConfig: object } };
  const inputSource = { type: 'inline', data: '{"__time":"2024-01-01T00:00:00Z","page":"a","n":1}' };
  return {
    type: 'index_parallel',
    ...(id === undefined ? {} : { id }),
    spec: {
      ...spec,
      dataSchema: { ...spec.dataSchema, dataSource: 'submitted' },
      ioConfig: { ...spec.ioConfig, inputSource, appendToExisting: true },
    },
  } as { type: string; id?: string };
}

const sql = '/druid/v2/sql';
const task = '/druid/indexer/v1/task';

export const operations: readonly Operation[] = [
  {
    name: 'sql.query',
    path: sql,
    kind: 'query',
    run: async (client, items) => items.push(...(await client.sql.query(editsSql))),
  },
  {
    name: 'sql.stream, objects',
    path: sql,
    kind: 'query',
    run: (client, items) => all(client.sql.stream(editsSql), items),
  },
  {
    name: 'sql.stream, arrays',
    path: sql,
    kind: 'query',
    run: (client, items) => all(client.sql.stream(editsSql, { rowFormat: 'array' }), items),
  },
  ...(['object', 'array', 'objectLines', 'arrayLines', 'csv'] as const).map((resultFormat): Operation => ({
    name: `sql.streamBytes, ${resultFormat}`,
    path: sql,
    kind: 'query',
    run: async (client, items) => {
      items.push('');
      for await (const bytes of client.sql.streamBytes(editsSql, { resultFormat, header: true })) {
        items[0] += bytes.toString('latin1');
      }
    },
  })),
  {
    name: 'native.scan',
    path: '/druid/v2',
    kind: 'query',
    run: async (client, items) => {
      for await (const { rows } of client.native.scan(scanQuery)) items.push(...rows);
    },
  },
  {
    name: 'native.streamGroupBy',
    path: '/druid/v2',
    kind: 'query',
    run: async (client, items) => {
      const { dataSource, intervals } = scanQuery;
      const query = { dataSource, intervals, granularity: 'all', dimensions: ['page'] } as const;
      for await (const groups of client.native.streamGroupBy(query)) items.push(...groups);
    },
  },
  {
    name: 'native.query',
    path: '/druid/v2',
    kind: 'query',
    run: async (client, items) =>
      items.push(await client.native.query({ queryType: 'timeBoundary', dataSource: 'edits' })),
  },
  {
    name: 'tasks.status',
    path: `${task}/edits-fixture/status`,
    kind: 'read',
    run: async (client, items) => items.push(await client.tasks.status('edits-fixture')),
  },
  {
    name: 'tasks.waitFor',
    path: `${task}/edits-fixture/status`,
    kind: 'read',
    run: async (client, items) => items.push(await client.tasks.waitFor('edits-fixture')),
  },
  {
    name: 'datasources.list',
    path: /^\/druid\/coordinator\/v1\//,
    kind: 'read',
    run: async (client, items) => items.push(await client.datasources.list()),
  },
  {
    name: 'tasks.submit, with an id',
    path: task,
    kind: 'identified',
    run: async (client, items, id) => items.push((await client.tasks.submit(smallTask(id))).taskId === id),
  },
  {
    name: 'tasks.submit, without an id',
    path: task,
    kind: 'once',
    run: async (client, items) =>
      items.push((await client.tasks.submit(smallTask(undefined))).taskId.includes('submitted')),
  },
];
