import { describe, expect, it } from 'vitest';
import type { DruidClient } from '../../src/index.js';
import { runTool } from './run-tool.js';

/** What the tool must do on a real Druid with the table of `describeSql`. */
export function describeTool(
  client: () => DruidClient,
  table: string,
  env: () => Readonly<Record<string, string>> = () => ({}),
): void {
  describe('the command line', () => {
    const run = async (...argv: string[]): Promise<string> => {
      const { code, out, err } = await runTool([...argv, '--url', client().url], { env: env() });
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
      return out;
    };
    const objects = async (...argv: string[]) =>
      JSON.parse(await run(...argv, '--format', 'json')) as Record<string, unknown>[];

    it('runs SQL with parameters', async () => {
      const query = `SELECT s, n FROM "${table}" WHERE n = ? AND __time >= ?;\n`;
      const parameters = ['--param', 'BIGINT:9007199254740993', '--param', 'TIMESTAMP:2026-01-01 01:00:00'];
      expect(await run('query', query, ...parameters, '--format', 'csv')).toBe(
        "s,n\nx' OR 1=1 --,9007199254740993\n",
      );
      // Druid 27 would cut this time to whole seconds, and find the row before it.
      const later = [...parameters.slice(0, 3), 'TIMESTAMP:2026-01-01 01:00:00.001'];
      expect(await run('query', query, ...later, '--format', 'csv')).toBe('s,n\n');
    });

    it('explains SQL', async () => {
      const plan = JSON.parse(await run('explain', `SELECT COUNT(*) FROM "${table}"`)) as object;
      expect(plan).toMatchObject({ queries: [{ query: { queryType: 'timeseries' } }] });
      expect(await run('explain', 'SELECT * FROM sys.servers')).toContain('sys');
    });

    it('lists what there is', async () => {
      const day = { start: '2026-01-01T00:00:00.000Z', end: '2026-01-02T00:00:00.000Z' };
      const listed = (await objects('datasources')).find(({ datasource }) => datasource === table);
      expect(listed).toMatchObject({ segments: 1, rows: 5, loaded: 100, ...day });
      expect(await objects('segments', table, '--interval', '2026-01-01/2026-01-02')).toEqual([
        expect.objectContaining({ ...day, rows: 5, state: 'available' }),
      ]);
      expect(await objects('segments', table, '--interval', '2025-01-01/2026-01-01')).toEqual([]);
      expect((await objects('servers')).map(({ type }) => type)).toContain('historical');
      expect(await objects('supervisors')).toEqual([]);
      const tasks = await objects('tasks', '--state', 'success', '--datasource', table);
      expect(tasks).toContainEqual(expect.objectContaining({ task: `load-${table}`, state: 'SUCCESS' }));
    });

    it('shows a task, and follows it to its end', async () => {
      expect(await run('task', `load-${table}`)).toMatch(/^state {7}SUCCESS$/m);
      expect(await run('task', `load-${table}`, 'report')).toContain('"ingestionState": "COMPLETED"');
      expect(await run('task', `load-${table}`, 'spec')).toContain('"type": "index_parallel"');
      const { code, err } = await runTool(['tail', `load-${table}`, '--url', client().url], {
        env: env(),
      });
      expect(code).toBe(0);
      expect(err).toMatch(/SUCCESS after \d/);
    });
  });
}
