import { execFile, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DruidCluster, requireRealServers } from '../src/index.js';
import { isProcessAlive } from '../src/java-runtime/build-once.js';
import { appendTask, druidHttp, until } from './druid-http.js';

const ROW = '{"t":"2024-01-01T00:00:00Z","a":"x"}\n';

describe.skipIf(!requireRealServers())('DruidCluster', () => {
  let dataDir: string;
  let druid: DruidCluster;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'druid-cluster-test-'));
    druid = await DruidCluster.start({ dataDir });
  });
  afterAll(async () => {
    await druid?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('is ready for queries when start settles (invariant 1)', async () => {
    const rows = await druidHttp(druid.url).sql('SELECT server_type FROM sys.servers');
    expect(rows.flat().sort()).toEqual([
      'broker',
      'coordinator',
      'historical',
      'indexer',
      'overlord',
      'router',
    ]);
    expect(Object.keys(druid.urls).sort()).toEqual([
      'broker',
      'coordinator',
      'historical',
      'indexer',
      'router',
    ]);
    for (const url of Object.values(druid.urls)) {
      expect((await fetch(`${url}/status/health`)).status).toBe(200);
    }
  });

  it('is ready for tasks when start settles: two inline rows become queryable (invariant 1)', async () => {
    const { submit, untilDone, untilRows } = druidHttp(druid.url);
    const id = await submit(appendTask('inline', { type: 'inline', data: ROW + ROW }));
    expect(await untilDone(id)).toBe('SUCCESS');
    await untilRows('inline', 2);
  });

  it('runs appends to one interval side by side, from a local HTTP server that asks for a token', async () => {
    const { submit, untilDone, untilRows } = druidHttp(druid.url);
    const tasks = 4;
    // Nobody is answered until every task has asked: this passes only if they all run at the same time.
    const waiting = new Map<string, ServerResponse>();
    const refused: string[] = [];
    const server = await serve((request, response) => {
      if (request.headers.authorization !== 'Bearer secret') refused.push(String(request.url));
      waiting.set(String(request.url), response);
      if (waiting.size === tasks) for (const each of waiting.values()) each.end(ROW);
    });
    const ids = await Promise.all(
      Array.from({ length: tasks }, (_, index) =>
        submit(
          appendTask('parallel', {
            type: 'http',
            uris: [`${server.url}/${index}`],
            requestHeaders: { Authorization: 'Bearer secret' },
          }),
        ),
      ),
    );
    expect(await Promise.all(ids.map(untilDone))).toEqual(ids.map(() => 'SUCCESS'));
    expect(refused).toEqual([]);
    await untilRows('parallel', tasks);
    server.close();
  });

  it('adds a Historical that is killed, started again at its address with its segments, and stopped', async () => {
    const historical = await druid.addHistorical({ tier: 'hot' });
    const { sql, submit, untilDone } = druidHttp(druid.url);
    const rules = [{ type: 'loadForever', tieredReplicants: { hot: 1, _default_tier: 1 } }];
    await fetch(`${druid.url}/druid/coordinator/v1/rules/tiered`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(rules),
    });
    await untilDone(await submit(appendTask('tiered', { type: 'inline', data: ROW + ROW })));
    const rowsThere = async (): Promise<number> => {
      const query = { queryType: 'scan', dataSource: 'tiered', intervals: ['2024/2025'], columns: ['a'] };
      const { status, body } = await druidHttp(historical.url).post('/druid/v2', query);
      if (status !== 200) return 0;
      return (body as { events: unknown[] }[]).reduce((sum, { events }) => sum + events.length, 0);
    };
    await until(async () => (await rowsThere()) === 2);
    const { pid, url } = historical;
    expect(historical.name).toBe('historical-1');

    await historical.kill();
    expect(isProcessAlive(Number(pid))).toBe(false);
    expect(historical.pid).toBeUndefined();
    await expect(rowsThere()).rejects.toThrow('fetch failed');

    await historical.start();
    await historical.start(); // it runs
    expect(historical.url).toBe(url);
    expect(historical.pid).not.toBe(pid);
    expect(await rowsThere()).toBe(2); // invariants 1 and 2 of druid-historical.ts

    await historical.stop();
    const servers = `SELECT server FROM sys.servers WHERE tier = 'hot'`;
    await until(async () => (await sql(servers)).length === 0);
    await expect(historical.start()).rejects.toMatchObject({ code: 'aborted' });
  });

  it('refuses a second server on the same folder', async () => {
    await expect(DruidCluster.start({ dataDir })).rejects.toMatchObject({
      code: 'data-dir-in-use',
      details: { pid: druid.pid },
    });
  });

  it('brings rows back after a crash, and runs a task again that was running (invariant 4)', async () => {
    let held: ServerResponse[] = [];
    const server = await serve((_, response) => void held.push(response));
    await druidHttp(druid.url).submit(
      appendTask('inline', { type: 'http', uris: [`${server.url}/rows`] }, 'crashed'),
    );
    await until(() => held.length > 0);
    await druid.kill();
    expect(isProcessAlive(druid.pid)).toBe(false);
    held = [];

    druid = await DruidCluster.start({ dataDir });
    const { taskState, untilDone, untilRows } = druidHttp(druid.url);
    await untilRows('inline', 2); // the Broker gets to know a datasource shortly after it is ready
    expect(await taskState('crashed')).toBe('RUNNING');
    await until(() => held.length > 0);
    held[0]?.end(ROW);
    expect(await untilDone('crashed')).toBe('SUCCESS');
    await untilRows('inline', 3);
    server.close();
  });

  it('runs side by side with that of another process, and leaves no JVM behind when that process is killed (invariant 3)', async () => {
    const compiled = await compileForPlainNode();
    const program = join(compiled, 'parent.js');
    await writeFile(
      program,
      `import { DruidCluster } from './druid-cluster/druid-cluster.js';
       const { url, pid, ports, dataDir } = await DruidCluster.start();
       process.send({ url, pid, ports, dataDir });
       setInterval(() => {}, 1000);`,
    );
    const parent = fork(program, { execArgv: [] });
    const other = await new Promise<Pick<DruidCluster, 'url' | 'pid' | 'ports' | 'dataDir'>>(
      (resolve, reject) => {
        parent.once('message', (message) => resolve(message as typeof other));
        parent.once('exit', (code) => reject(new Error(`the parent ended early, with ${code}`)));
      },
    );
    const ports = [...Object.values(druid.ports), ...Object.values(other.ports)];
    expect(new Set(ports).size).toBe(ports.length);
    const tables = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = 'inline'";
    expect(await druidHttp(druid.url).sql(tables)).toEqual([['inline']]);
    expect(await druidHttp(other.url).sql(tables)).toEqual([]);

    expect(isProcessAlive(other.pid)).toBe(true);
    parent.removeAllListeners('exit');
    parent.kill('SIGKILL');
    await until(() => !isProcessAlive(other.pid));
    expect(isProcessAlive(druid.pid)).toBe(true);
    await rm(other.dataDir, { recursive: true, force: true });
    await rm(compiled, { recursive: true, force: true });
  });

  it('stops, more than once, and keeps a folder that the caller named', async () => {
    const added = expect(druid.addHistorical()).rejects.toMatchObject({ code: 'aborted' });
    await Promise.all([druid.stop(), druid.stop()]);
    await added; // invariant 3 of druid-historical.ts
    await druid.stop();
    expect(isProcessAlive(druid.pid)).toBe(false);
    expect(existsSync(join(dataDir, 'metadata.db'))).toBe(true);
    expect(existsSync(join(dataDir, 'server.pid'))).toBe(false);
  });

  it('fails with the log’s reason and the next step when a role cannot start', async () => {
    const start = DruidCluster.start({
      dataDir,
      properties: { broker: { 'druid.processing.numThreads': 'many' } },
    });
    const error: unknown = await start.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'server-died', details: { exitCode: 70, logFile: druid.logFile } });
    expect(String(error)).toContain(druid.logFile);
    expect(String(error)).toMatch(/role broker failed|numThreads/);
    expect(String(error)).toContain('mend `properties`');
  });
});

const serve = async (
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; close: () => void }> => {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

/** Node 20 runs no TypeScript, and `dist` may be stale. */
const compileForPlainNode = async (): Promise<string> => {
  const packageFolder = fileURLToPath(new URL('..', import.meta.url));
  const root = await mkdtemp(join(tmpdir(), 'testkit-js-'));
  const outDir = join(root, 'out');
  await mkdir(outDir);
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  await symlink(join(packageFolder, 'java'), join(root, 'java'));
  const config = JSON.parse(await readFile(join(packageFolder, 'tsconfig.json'), 'utf8')) as {
    extends: string;
  };
  await writeFile(
    join(root, 'tsconfig.json'),
    JSON.stringify({
      extends: join(packageFolder, config.extends),
      compilerOptions: {
        rootDir: join(packageFolder, 'src'),
        outDir,
        composite: false,
        noCheck: true,
        types: [],
      },
      files: [join(packageFolder, 'src', 'druid-cluster', 'druid-cluster.ts')],
    }),
  );
  const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));
  await promisify(execFile)(process.execPath, [tsc, '-p', root]);
  return outDir;
};
