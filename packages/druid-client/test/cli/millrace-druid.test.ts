/** The tool as a process of its own. */
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.js';
import { buildTool, type BuiltTool } from './built-tool.js';
import { runTool } from './run-tool.js';

let tool: BuiltTool;
beforeAll(async () => {
  tool = await buildTool();
}, 240_000);
afterAll(() => tool.remove());

/** A Druid whose one result has no end, until somebody cancels it. */
class EndlessDruid {
  readonly cancelled: string[] = [];
  readonly #server: Server;

  constructor() {
    const header = '["text"]\n["STRING"]\n["VARCHAR"]\n';
    const rows = `${JSON.stringify(['x'.repeat(200)])}\n`.repeat(100);
    this.#server = createServer((request, response) => {
      request.resume();
      if (request.method === 'DELETE') {
        this.cancelled.push(request.url ?? '');
        response.writeHead(202).end();
        return;
      }
      response.writeHead(200, { 'content-type': 'application/json' }).write(header);
      const more = () => {
        if (response.destroyed) return;
        if (response.write(rows)) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const druids: EndlessDruid[] = [];
afterEach(() => druids.splice(0).forEach((druid) => druid.stop()));

async function endlessDruid(): Promise<{ druid: EndlessDruid; url: string }> {
  const druid = new EndlessDruid();
  druids.push(druid);
  return { druid, url: await druid.start() };
}

function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [tool.path, ...argv], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
    child.stdin?.end();
  });
}

/** Starts a query without end; resolves once its first rows are there. */
async function startQuery(url: string) {
  const argv = ['query', 'SELECT 1', '--url', url, '--format', 'csv'];
  const child = spawn(process.execPath, [tool.path, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  const ended = new Promise<{ code: number | null; errors: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, errors })),
  );
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return { child, ended };
}

describe('millrace-druid', () => {
  it('prints what it can do', async () => {
    const { code, out, err } = await run('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('Usage: millrace-druid COMMAND');
    for (const name of Object.keys(commands)) expect(out).toContain(`\n  ${name} `);
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  });

  it.each([
    [[], 'the first argument is a command, got nothing'],
    [['look'], 'the first argument is a command, got look'],
    [['constructor'], 'the first argument is a command, got constructor'],
    [['--url', 'x', 'query'], 'the first argument is a command, got --url'],
  ])('ends with 2 for %j', async (argv, message) => {
    const { code, out, err } = await run(...argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toBe(`millrace-druid: ${message}\nSee millrace-druid --help.\n`);
  });

  it('ends with 1 for an error, without a stack', async () => {
    const { code, err } = await run('servers', '--url', 'http://127.0.0.1:1', '--timeout', '1');
    expect(code).toBe(1);
    expect(err).not.toContain('    at ');
  });

  it('invariant 1: stops without a word where nobody reads on, and cancels the query', async () => {
    const { druid, url } = await endlessDruid();
    const { child, ended } = await startQuery(url);
    child.stdout.destroy();
    expect(await ended).toEqual({ code: 0, errors: '' });
    expect(druid.cancelled).toEqual([expect.stringMatching(/^\/druid\/v2\/sql\/./)]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('invariant 1: cancels the query at %s, and ends with %i', async (signal, code) => {
    const { druid, url } = await endlessDruid();
    const { child, ended } = await startQuery(url);
    child.stdout.resume();
    child.kill(signal);
    expect(await ended).toEqual({ code, errors: 'millrace-druid: interrupted\n' });
    expect(druid.cancelled).toHaveLength(1);
  });

  it('invariant 1: cancels the query where its rows cannot be written, and ends with 1', async () => {
    const { druid, url } = await endlessDruid();
    const readOnly = openSync(import.meta.filename, 'r');
    const argv = ['query', 'SELECT 1', '--url', url, '--format', 'csv'];
    const child = spawn(process.execPath, [tool.path, ...argv], { stdio: ['ignore', readOnly, 'pipe'] });
    let errors = '';
    child.stderr!.on('data', (chunk) => (errors += String(chunk)));
    const code = await new Promise((resolve) => child.on('close', resolve));
    closeSync(readOnly);
    expect({ code, errors }).toEqual({
      code: 1,
      errors: expect.stringMatching(/^millrace-druid: the output cannot be written: E.*\n$/) as string,
    });
    expect(druid.cancelled).toHaveLength(1);
  });

  it('can be interrupted while it waits for its input', async () => {
    const child = spawn(process.execPath, [tool.path, 'query', '--verbose'], { stdio: 'pipe' });
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += String(chunk)));
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.stdin.write('SELECT');
    // Once it reads, it has its signal handlers.
    await new Promise(
      (resolve) => child.stdin.once('drain', resolve) && child.stdin.write(' '.repeat(1 << 20)),
    );
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(errors).toBe('millrace-druid: interrupted\n');
  });
});

describe('help', () => {
  it.each(Object.keys(commands))('of %s names its options', async (name) => {
    const { code, out } = await runTool([name, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: millrace-druid ${name} `);
    for (const option of Object.keys(commands[name]!.options)) expect(out).toContain(`\n  --${option}`);
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(130);
  });
});
