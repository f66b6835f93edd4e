import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DruidClient } from '@millrace/druid-client';
import { EmbeddedDruid } from '@millrace/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildDemo } from './support/build-demo.js';
import { runDemo, startDemo, startDemoWithSmallFiles, type DemoRun } from './support/run-demo.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** A failure as a person should see it: exit code 1, one message, no stack trace, no report. */
function expectFailure({ code, stdout, stderr }: DemoRun, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect({ code, stdout: stdout.replaceAll(/^ALERT .*\n/gm, '') }).toEqual({ code: 1, stdout: '' });
  expect(stderr.match(/^Error: /gm)).toHaveLength(1);
  expect(stderr).not.toMatch(/^\s+at /m);
}

describe('the command', { timeout: 240_000 }, () => {
  const cleanUp: (() => unknown)[] = [];
  beforeAll(buildDemo, 180_000);
  afterEach(async () => {
    for (const work of cleanUp.splice(0).reverse()) await work();
  });

  it('explains its flags', async () => {
    const { code, stdout } = await runDemo('--help');
    expect(code).toBe(0);
    for (const flag of ['--rows', '--druid', '--parallelism', '--data-dir', '--corrupt', '--json']) {
      expect(stdout).toContain(flag);
    }
  });

  it.each([
    [['--nope'], /Unknown option '--nope'\. The flags are listed by --help/],
    [['--rows', 'many'], /--rows is 'many'; it must be a whole number from 1 to 3000000/],
    [['--corrupt', '2'], /--corrupt is '2'; it must be a fraction/],
    [['--druid', 'localhost:8888'], /--druid is 'localhost:8888'; it must be 'embedded', 'real' or the http/],
    [['--flights', '/no/such.parquet'], /\/no\/such\.parquet does not exist\. Run `pnpm install`/],
    [['--data-dir', ''], /--data-dir is empty; it must be the path of a directory/],
    [['--rows', '10', '--data-dir', import.meta.filename], /There is a file at that path/],
    [['--rows', '10', '--airports', '/dev/null'], /is not a table of airports/],
    [['--airports', '/no/such.csv'], /airports file \/no\/such\.csv cannot be read/],
    [['--rows', '10', '--flights', import.meta.filename], /is not a Parquet file/],
    [['--rows', '10', '--airports', import.meta.filename], /is not a table of airports/],
    [
      ['--rows', '10', '--druid', 'http://127.0.0.1:1'],
      /nothing answers there \(ECONNREFUSED\)\. Check the address/,
    ],
    [
      ['--rows', '1', '--corrupt', '1', '--on-invalid', 'fail'],
      /Row \d+ is not a valid flight: missing_timestamp .*leave --on-invalid at 'dead-letter'/,
    ],
  ])('says what is wrong with %j', async (flags, message) => {
    expectFailure(await runDemo(...flags), message);
  });

  it('shows the stack only with --verbose', async () => {
    const { code, stderr } = await runDemo('--flights', '/no/such.parquet', '--verbose');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^\s+at /m);
  });

  it.each([
    [401, /it answers 401\. Give the right user and password/],
    [503, /it answers 503\. Wait until its Broker is up/],
    [404, /it answers 404\. Check that --druid is the address of a Router/],
  ])('says what to do where Druid answers %i, and never shows the password', async (status, message) => {
    const url = await scriptedServer(status);
    const run = await runDemo(
      '--rows',
      '10',
      '--verbose',
      '--druid',
      url.replace('//', '//root:secret-word@'),
    );
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(message);
    expect(run.stderr).not.toContain('secret-word');
  });

  it('refuses to mix its rows with those of another run, or with other columns', async () => {
    const druid = await EmbeddedDruid.start();
    const client = new DruidClient({ url: druid.url });
    cleanUp.push(
      () => druid.stop(),
      () => client.close(),
    );
    const flags = ['--rows', '100', '--druid', druid.url];
    expect((await runDemo(...flags)).code).toBe(0);
    expectFailure(
      await runDemo(...flags),
      /The datasource 'flights' already holds 100 rows .*--data-dir.*--datasource-prefix/,
    );
    expect((await runDemo(...flags, '--datasource-prefix', 'other_')).code).toBe(0);

    await ingestOneRow(client, 'odd_flights', { delay: 'soon' });
    expectFailure(
      await runDemo(...flags, '--datasource-prefix', 'odd_'),
      /'odd_flights' exists, and its columns do not fit: 'delay' is VARCHAR, the demo writes BIGINT/,
    );
  });

  it('stops cleanly on Ctrl-C, goes on when started again, and lets one process at a time use its directory', async () => {
    const folder = await temporaryFolder();
    const flags = ['--rows', '200000', '--checkpoint-interval', '200', '--data-dir', folder, '--json'];
    const first = startDemo(...flags);
    await first.said('the job, in');
    const { pid } = first.process;
    first.process.kill('SIGSTOP'); // however long the second one takes to start, this one is not at its end
    expectFailure(
      await runDemo(...flags),
      new RegExp(`is in use by process ${pid}\\. Wait for it or stop it`),
    );
    first.process.kill('SIGINT');
    first.process.kill('SIGCONT');
    const { code, stderr } = await first.ended;
    expect(code).toBe(130);
    expect(stderr).toMatch(/Interrupted by SIGINT\./);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(await readdir(folder)).not.toContain('lock');
    const { rowsIn, datasources } = (await runDemo(...flags)).report;
    expect([rowsIn, datasources.flights.rows]).toEqual([200_000, 200_000]);
    expectFailure(
      await runDemo('--rows', '10', '--data-dir', folder),
      /other parameters: --rows was 200000, now 10\. Repeat those/,
    );
  });

  it('takes over the lock of a process that is gone, and names the disk where it cannot write', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'lock'), '4194305'); // above the largest process id
    expect((await runDemo('--rows', '100', '--data-dir', folder)).code).toBe(0);
    const file = join(folder, 'run.json');
    expectFailure(
      await runDemo('--rows', '100', '--data-dir', join(file, 'x')),
      /A part of that path is a file/,
    );
  });

  it.skipIf(process.platform === 'win32')(
    'says what to do about a full disk, and goes on when there is room',
    async () => {
      const folder = await temporaryFolder();
      const flags = ['--rows', '50000', '--data-dir', folder, '--json'];
      expectFailure(
        await startDemoWithSmallFiles(...flags).ended,
        /spool directory .* cannot be written: EFBIG/,
      );
      expect((await runDemo(...flags)).report.datasources.flights.rows).toBe(50_000);
    },
  );

  async function scriptedServer(status: number): Promise<string> {
    const server: Server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'text/html' }).end('<html>no</html>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUp.push(() => server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});

async function ingestOneRow(
  druid: DruidClient,
  dataSource: string,
  row: Record<string, string>,
): Promise<void> {
  const { taskId } = await druid.tasks.submit({
    type: 'index_parallel',
    spec: {
      dataSchema: {
        dataSource,
        timestampSpec: { column: 'at', format: 'iso' },
        dimensionsSpec: { dimensions: Object.keys(row) },
        granularitySpec: { segmentGranularity: 'month', queryGranularity: 'none', rollup: false },
      },
      ioConfig: {
        type: 'index_parallel',
        inputSource: { type: 'inline', data: JSON.stringify({ at: '2001-01-01T00:00:00Z', ...row }) },
        inputFormat: { type: 'json' },
      },
      tuningConfig: { type: 'index_parallel' },
    },
  });
  const { statusCode } = await druid.tasks.waitFor(taskId, { pollIntervalMs: 20 });
  expect(statusCode).toBe('SUCCESS');
}
