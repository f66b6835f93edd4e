import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { fakeDruid, json } from '../fake-druid.js';
import { runTool } from './run-tool.js';

const task = '/druid/indexer/v1/task/load';

/** A task that goes one step further with every look at its status. */
interface Step {
  readonly status: object;
  /** Undefined for none. */
  readonly log?: string;
  readonly report?: object;
}

const running = { statusCode: 'RUNNING', runnerStatusCode: 'RUNNING', duration: -1 };
const success = { statusCode: 'SUCCESS', duration: 6_500 };
const processed = (rows: number, unparseable = 0) => ({
  ingestionStatsAndErrors: {
    taskId: 'load',
    payload: { rowStats: { buildSegments: { processed: rows, unparseable } } },
  },
});

async function taskThat(...steps: readonly Step[]) {
  let looks = 0;
  const fake = await fakeDruid(({ url }, response) => {
    const step = steps[Math.min(looks, steps.length - 1)]!;
    if (url === `${task}/status`) {
      looks++;
      return json(response, 200, { task: 'load', status: { id: 'load', ...step.status } });
    }
    if (url.startsWith(`${task}/log`)) return answerLog(response, url, step.log);
    if (url === `${task}/reports`) return json(response, step.report ? 200 : 404, step.report ?? {});
    return json(response, 404, { error: 'no such thing' });
  });
  return fake;
}

function answerLog(response: ServerResponse, url: string, log: string | undefined): void {
  if (log === undefined) return json(response, 404, {});
  const offset = Number(new URLSearchParams(url.split('?')[1]).get('offset'));
  response.writeHead(200, { 'content-type': 'text/plain' }).end(Buffer.from(log).subarray(offset));
}

const run = ({ url }: { url: string }, ...argv: string[]) => runTool([...argv, '--url', url]);

describe('millrace-druid tail', () => {
  it('follows log and status to the end, and ends with 0 for SUCCESS', async () => {
    const fake = await taskThat(
      { status: { ...running, runnerStatusCode: 'PENDING' } },
      { status: { ...running, runnerStatusCode: 'PENDING' } },
      { status: running, log: 'one\n', report: processed(10) },
      { status: running, log: 'one\ntwo\n', report: processed(10) },
      { status: running, log: 'one\ntwo\nthree\n', report: processed(20, 1) },
      { status: success, log: 'one\ntwo\nthree\nfour\n' },
    );
    const { code, out, err } = await run(fake, 'tail', 'load');
    expect(code).toBe(0);
    expect(out).toBe('one\ntwo\nthree\nfour\n');
    const notes = err.trimEnd().split('\n');
    expect(notes[0]).toBe('PENDING');
    expect(notes.at(-1)).toBe('SUCCESS after 6.5 s');
    // Two calls look at the status here, so a step may pass unseen; none comes twice.
    expect(new Set(notes).size).toBe(notes.length);
    for (const note of notes)
      expect(note).toMatch(/^(PENDING|RUNNING: 10 rows|RUNNING: 20 rows, 1 unparseable|SUCCESS .*)$/);
  });

  it('ends with 3 for FAILED, and says why', async () => {
    const failed = { statusCode: 'FAILED', duration: 100, errorMsg: 'no\nsuch topic' };
    const { code, out, err } = await run(await taskThat({ status: failed, log: 'oops\n' }), 'tail', 'load');
    expect({ code, out }).toEqual({ code: 3, out: 'oops\n' });
    expect(err).toBe('FAILED after 0.1 s: no\\nsuch topic\n');
  });

  it('follows the status alone where there is no log', async () => {
    const fake = await taskThat({ status: running }, { status: running }, { status: success });
    const { code, out, err } = await run(fake, 'tail', 'load');
    expect({ code, out }).toEqual({ code: 0, out: '' });
    expect(err).toContain('There is no log: tasks in an Indexer process have none.\n');
    expect(err).toMatch(/\nSUCCESS after 6\.5 s\n$/);
  });

  it('follows the status alone where the log cannot be read, and says so', async () => {
    let looks = 0;
    const fake = await fakeDruid(({ url }, response) => {
      if (url.includes('/log')) return json(response, 403, { error: 'no access to the bucket' });
      const status = ++looks < 6 ? running : success;
      return url.endsWith('/status')
        ? json(response, 200, { status: { id: 'load', ...status } })
        : json(response, 404, {});
    });
    const { code, err } = await run(fake, 'tail', 'load');
    expect(code).toBe(0);
    expect(err).toMatch(/The log cannot be read, only the status: .*no access to the bucket/);
    expect(err).toMatch(/SUCCESS after 6\.5 s\n$/);
  });

  it('begins near the end of the log where asked to', async () => {
    const fake = await taskThat({ status: success, log: 'one\ntwo\n' });
    expect((await run(fake, 'tail', 'load', '--last', '4')).out).toBe('two\n');
    expect((await run(fake, 'tail', 'load', '--last', '400')).out).toBe('one\ntwo\n');
  });

  it('goes on after a restart of the Overlord', async () => {
    let failures = 0;
    const fake = await fakeDruid(({ url }, response, n) => {
      if (n > 1 && failures < 9) {
        failures++;
        return json(response, 503, {});
      }
      if (!url.endsWith('/status')) return json(response, 404, {});
      return json(response, 200, { status: { id: 'load', ...success } });
    });
    expect((await run(fake, 'tail', 'load')).code).toBe(0);
  });

  it('ends with 1 where the status cannot be had any more', async () => {
    const fake = await fakeDruid(({ url }, response, n) => {
      if (n === 1) return json(response, 200, { status: { id: 'load', ...running } });
      return json(response, url.endsWith('/status') ? 403 : 404, { error: 'forbidden' });
    });
    const { code, err } = await run(fake, 'tail', 'load');
    expect(code).toBe(1);
    expect(err).toContain('answered 403: forbidden');
  });

  it('ends with 1 for a task that nobody knows', async () => {
    const fake = await fakeDruid((_, response) => json(response, 404, {}));
    expect(await run(fake, 'tail', 'load')).toEqual({
      code: 1,
      out: '',
      err: "millrace-druid: The Overlord knows no task 'load'.\nmillrace-druid tasks lists those that it knows.\n",
    });
  });

  it.each([
    [['tail'], 'there must be one id of a task, got 0'],
    [['tail', 'a', 'b'], 'there must be one id of a task, got 2'],
    [['tail', 'a', '--interval', '0'], '--interval is a whole number from 1 on, got 0'],
  ])('ends with 2 for %j', async (argv, message) => {
    const { code, err } = await runTool(argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});

describe('millrace-druid task', () => {
  it('shows the status, with the whole error', async () => {
    const errorMsg = `failed ${'because '.repeat(50)}`.trimEnd();
    const status = {
      statusCode: 'FAILED',
      type: 'index',
      duration: 754_000,
      errorMsg,
      location: { host: 'h', port: 1 },
    };
    const fake = await taskThat({ status: { ...status, createdTime: '2026-01-01T10:00:00.000Z' } });
    const { out } = await run(fake, 'task', 'load');
    expect(out).toBe(
      [
        'task        load',
        'type        index',
        'group',
        'datasource',
        'state       FAILED',
        'created     2026-01-01T10:00Z',
        'duration    12 min 34 s',
        'location    h:1',
        `error       ${errorMsg}`,
        '',
      ].join('\n'),
    );
    expect(await run(fake, 'task', 'load', 'status', '--format', 'ndjson')).toMatchObject({
      code: 0,
      out: expect.stringContaining('"duration":754000') as string,
    });
  });

  it('shows the report, the log and the specification', async () => {
    const fake = await fakeDruid(({ url }, response) => {
      if (url.startsWith(`${task}/log`)) return answerLog(response, url, 'one\ntwo\n');
      if (url === task) return json(response, 200, { task: 'load', payload: { type: 'index' } });
      return json(response, 200, { some: 'report' });
    });
    expect((await run(fake, 'task', 'load', 'report')).out).toBe('{\n  "some": "report"\n}\n');
    expect((await run(fake, 'task', 'load', 'log')).out).toBe('one\ntwo\n');
    expect((await run(fake, 'task', 'load', 'log', '--last', '4')).out).toBe('two\n');
    expect((await run(fake, 'task', 'load', 'spec')).out).toBe('{\n  "type": "index"\n}\n');
  });

  it('says what there is not, and why', async () => {
    const over = await taskThat({ status: success });
    expect(await run(over, 'task', 'load', 'log')).toEqual({
      code: 1,
      out: '',
      err: "millrace-druid: Task 'load' (SUCCESS) has no log.\nTasks in an Indexer process have no log, and old logs and reports are deleted.\n",
    });
    const waiting = await taskThat({ status: running });
    expect((await run(waiting, 'task', 'load', 'report')).err).toContain(
      "Task 'load' (RUNNING) has no report.\nIt may come once the task runs",
    );
    const unknown = await fakeDruid((_, response) => json(response, 404, {}));
    expect((await run(unknown, 'task', 'load', 'spec')).err).toContain("The Overlord knows no task 'load'.");
  });

  it.each([
    [['task'], 'there must be the id of a task'],
    [['task', 'a', 'lag'], 'after the id comes one of status, report, log, spec, got lag'],
    [['task', 'a', 'log', 'b'], 'after the id comes one of status, report, log, spec, got log b'],
    [['task', 'a', '--last', '5'], '--last is for log'],
    [['task', 'a', 'report', '--format', 'csv'], '--format and --width are for status'],
    [['supervisor', 'a', 'lag'], 'after the id comes one of status, stats, errors, spec, history, got lag'],
  ])('ends with 2 for %j', async (argv, message) => {
    const { code, err } = await runTool(argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});

describe('millrace-druid supervisor', () => {
  it('shows each of its sides as JSON', async () => {
    const payload = { state: 'RUNNING', detailedState: 'RUNNING', healthy: true, suspended: false };
    const bodies: Readonly<Record<string, unknown>> = {
      '/status': { id: 'edits', payload: { ...payload, aggregateLag: 7 } },
      '/stats': { '0': {} },
      '/parseErrors': [],
      '': { type: 'kafka' },
      '/history': [{ version: '2026-01-01T00:00:00.000Z', spec: { type: 'kafka' } }],
    };
    const fake = await fakeDruid(({ url }, response) =>
      json(response, 200, bodies[url.replace('/druid/indexer/v1/supervisor/edits', '')]),
    );
    const show = async (...view: string[]) =>
      JSON.parse((await run(fake, 'supervisor', 'edits', ...view)).out) as unknown;
    expect(await show()).toMatchObject({ id: 'edits', state: 'RUNNING', aggregateLag: 7 });
    expect(await show('stats')).toEqual({ '0': {} });
    expect(await show('errors')).toEqual([]);
    expect(await show('spec')).toEqual({ type: 'kafka' });
    expect(await show('history')).toEqual(bodies['/history']);
  });

  it('ends with 1 for one that nobody knows', async () => {
    const fake = await fakeDruid((_, response) => json(response, 404, {}));
    const { code, err } = await run(fake, 'supervisor', 'edits');
    expect(code).toBe(1);
    expect(err).toContain(
      "The Overlord knows no supervisor 'edits'.\nmillrace-druid supervisors lists them.\n",
    );
  });
});
