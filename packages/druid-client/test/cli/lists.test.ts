import { EmbeddedDruid } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { timeText } from '../../src/cli/list-columns.js';
import { DruidClient } from '../../src/index.js';
import { arrayLines, fakeDruid, inPieces, json } from '../fake-druid.js';
import { runTool } from './run-tool.js';

let druid: EmbeddedDruid;
let created: string;

beforeAll(async () => {
  druid = await EmbeddedDruid.start();
  const client = new DruidClient({ url: druid.url });
  const load = async (id: string, dataSource: string, rows: readonly string[]) => {
    const data = rows.join('\n');
    await client.tasks.submit({
      type: 'index_parallel',
      id,
      spec: {
        dataSchema: {
          dataSource,
          timestampSpec: { column: 't', format: 'iso' },
          dimensionsSpec: { dimensions: ['s'] },
          granularitySpec: { segmentGranularity: 'DAY', queryGranularity: 'NONE', rollup: false },
        },
        ioConfig: {
          type: 'index_parallel',
          inputSource: { type: 'inline', data },
          inputFormat: { type: 'json' },
        },
        tuningConfig: { type: 'index_parallel', partitionsSpec: { type: 'dynamic' } },
      },
    });
    return client.tasks.waitFor(id);
  };
  await load('load-edits', 'edits', ['{"t":"2026-01-01","s":"a"}', '{"t":"2026-01-05T10:00:00Z","s":"b"}']);
  await load('load-views', 'views', ['{"t":"2026-02-01","s":"a"}']);
  const failed = await load('load-bad', 'bad', ['{"t":"2026-01-01","s":["a","b"]}']);
  created = failed.createdTime ?? '';
  client.close();
});
afterAll(() => druid.stop());

const run = (...argv: string[]) => runTool([...argv, '--url', druid.url]);
const objects = async (...argv: string[]): Promise<Record<string, unknown>[]> => {
  const { code, out, err } = await run(...argv, '--format', 'json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as Record<string, unknown>[];
};

describe('millrace-druid datasources', () => {
  it('lists them with what they hold', async () => {
    const { out } = await run('datasources');
    expect(out.replaceAll(/ +[\d.]+ (K|M)?i?B/g, ' N')).toBe(
      [
        'datasource  segments  rows    bytes  loaded  start       end',
        '----------  --------  ----  -------  ------  ----------  ----------',
        'edits              2     2 N  100.0%  2026-01-01  2026-01-06',
        'views              1     1 N  100.0%  2026-02-01  2026-02-02',
        '(2 rows)',
        '',
      ].join('\n'),
    );
    expect((await objects('datasources'))[0]).toMatchObject({
      datasource: 'edits',
      rows: 2,
      loaded: 100,
      start: '2026-01-01T00:00:00.000Z',
    });
  });

  it('lists those out of use where asked to, and takes "all time" for the longest interval', async () => {
    const columns = ['datasource', 'start', 'end'].map((name) => [name, 'STRING', 'VARCHAR'] as const);
    const numbers = ['segments', 'num_rows', 'size'].map((name) => [name, 'LONG', 'BIGINT'] as const);
    const allTime = ['-146136543-09-08T08:23:32.096Z', '146140482-04-24T15:36:27.903Z'];
    const day = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];
    const rows = [day, allTime, day].map((interval) => JSON.stringify(['edits', ...interval, 1, 2, 3]));
    const fake = await fakeDruid(({ url }, response) => {
      if (url.startsWith('/druid/v2/sql'))
        return inPieces(response, arrayLines([...columns, ...numbers], rows));
      return json(response, 200, url.includes('loadstatus') ? {} : ['edits', 'old']);
    });
    const { out } = await runTool(['datasources', '--all', '--format', 'ndjson', '--url', fake.url]);
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      {
        datasource: 'edits',
        segments: 3,
        rows: 6,
        bytes: 9,
        loaded: null,
        start: allTime[0],
        end: allTime[1],
      },
      { datasource: 'old', segments: 0, rows: null, bytes: null, loaded: null, start: null, end: null },
    ]);
    expect(fake.seen.some(({ url }) => url.includes('includeUnused'))).toBe(true);
  });
});

describe('millrace-druid segments', () => {
  it('lists those of all datasources, of one, and of an interval', async () => {
    expect(await objects('segments')).toHaveLength(3);
    expect(await objects('segments', 'nothing')).toEqual([]);
    const [segment, ...others] = await objects('segments', 'edits', '--interval', '2026-01-04/2026-01-06');
    expect(others).toEqual([]);
    expect(segment).toMatchObject({
      datasource: 'edits',
      start: '2026-01-05T00:00:00.000Z',
      end: '2026-01-06T00:00:00.000Z',
      partition: 0,
      rows: 1,
      replicas: 1,
      state: 'available',
    });
  });

  it.each(['2026', '2026-01-02/2026-01-01', '2026-01-01/2026-01-02/2026-01-03', 'a/b'])(
    'refuses the interval %s',
    async (interval) => {
      const { code, err } = await run('segments', '--interval', interval);
      expect(code).toBe(2);
      expect(err).toContain(`--interval is two ISO 8601 times with a slash between them, got ${interval}`);
    },
  );
});

describe('millrace-druid servers', () => {
  it('lists the processes, or those of a type', async () => {
    expect((await objects('servers')).map(({ type }) => type)).toContain('broker');
    const historicals = await objects('servers', '--type', 'historical');
    expect(historicals).toEqual([expect.objectContaining({ type: 'historical', tier: '_default_tier' })]);
    expect((await run('servers')).out).toMatch(/ overlord .* leader\n/);
  });
});

describe('millrace-druid supervisors', () => {
  it('lists them with their states', async () => {
    const supervisor = { id: 'edits', state: 'UNHEALTHY_TASKS', detailedState: 'x' };
    const fake = await fakeDruid((_, response) =>
      json(response, 200, [{ ...supervisor, healthy: false, suspended: false }]),
    );
    const { out } = await runTool(['supervisors', '--format', 'csv', '--url', fake.url]);
    expect(out).toBe('supervisor,state,detail,healthy,suspended\nedits,UNHEALTHY_TASKS,x,false,false\n');
  });
});

describe('millrace-druid tasks', () => {
  it('lists them with their outcomes', async () => {
    const { out } = await run('tasks', '--width', '0');
    expect(out).toContain(`load-bad    index_parallel  bad         FAILED   ${timeText(created)} `);
    expect(out).toContain('A multi-value string [[a, b]] is not supported');
    expect(out).toMatch(/^load-edits {2}index_parallel {2}edits {7}SUCCESS /m);
  });

  it('lists those of a state, a datasource or a type', async () => {
    const ids = async (...argv: string[]) => (await objects('tasks', ...argv)).map(({ task }) => task);
    expect(await ids('--state', 'failed')).toEqual(['load-bad']);
    expect(await ids('--state', 'success', '--datasource', 'edits')).toEqual(['load-edits']);
    expect(await ids('--state', 'running')).toEqual([]);
    expect(await ids('--state', 'complete', '--type', 'compact')).toEqual([]);
  });

  it('says where there are more than it shows', async () => {
    const { out, err } = await run('tasks', '--limit', '2', '--format', 'ndjson');
    expect(out.trimEnd().split('\n')).toHaveLength(2);
    expect(err).toBe('There are more tasks than these 2: --limit shows them.\n');
    expect((await run('tasks', '--limit', '3')).err).not.toContain('more');
  });

  it('shows the state of tasks without a slot', async () => {
    const task = { id: 'a', statusCode: 'RUNNING', duration: -1 };
    const fake = await fakeDruid((_, response) =>
      json(response, 200, [
        { ...task, runnerStatusCode: 'PENDING' },
        { ...task, runnerStatusCode: 'NONE' },
      ]),
    );
    const { out } = await runTool(['tasks', '--format', 'csv', '--url', fake.url]);
    expect(out).toContain('\na,,,PENDING,,,\na,,,RUNNING,,,\n');
  });

  it('refuses other states', async () => {
    const { code, err } = await run('tasks', '--state', 'odd');
    expect(code).toBe(2);
    expect(err).toContain('--state is one of running, pending, waiting, complete, success, failed, got odd');
  });
});

describe('millrace-druid tail', () => {
  it('follows the log of a task, from its beginning or near its end', async () => {
    const log = 'EmbeddedDruid task load-edits: RUNNING\nEmbeddedDruid task load-edits: SUCCESS\n';
    expect(await run('tail', 'load-edits')).toMatchObject({ code: 0, out: log });
    expect((await run('tail', 'load-edits', '--last', '8')).out).toBe('SUCCESS\n');
    expect((await run('task', 'load-edits', 'log', '--last', '8')).out).toBe('SUCCESS\n');
    expect((await run('tail', 'load-bad')).code).toBe(3);
  });
});

it.each(['datasources', 'servers', 'supervisors', 'tasks'])('%s takes no operand', async (command) => {
  const { code, err } = await run(command, 'x');
  expect(code).toBe(2);
  expect(err).toContain("there is no argument 'x' here");
});
