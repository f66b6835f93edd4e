import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseRange, SpoolServer } from '../src/spool/spool-server.js';
import { temporaryDirectory } from './support/sink-harness.js';

const content = '0123456789'.repeat(100_000);

async function start(directory: string, port = 0, advertisedHost = '127.0.0.1') {
  const server = await SpoolServer.start({
    advertisedHost,
    port,
    identityFile: join(directory, 'server.json'),
  });
  onTestFinished(() => server.close());
  return server;
}

async function serving() {
  const directory = await temporaryDirectory();
  const path = join(directory, 'rows.ndjson');
  await writeFile(path, content);
  const server = await start(directory);
  return { directory, path, server, url: server.publish('rows', path) };
}

describe('SpoolServer', () => {
  it('serves a file in chunks and without its length, so that Druid notices a cut (invariant 2)', async () => {
    const { url } = await serving();
    const headers = await new Promise<NodeJS.Dict<string | string[]>>((resolve) => {
      get(url, (response) => {
        response.resume();
        response.on('end', () => {
          resolve(response.headers);
        });
      });
    });
    expect(headers).toMatchObject({ 'transfer-encoding': 'chunked', 'accept-ranges': 'bytes' });
    expect(headers).not.toHaveProperty('content-length');
    expect(await (await fetch(url)).text()).toBe(content);
  });

  it('goes on where Druid asks it to', async () => {
    const { url } = await serving();
    const answer = await fetch(url, { headers: { range: 'bytes=999990-' } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe('bytes 999990-999999/1000000');
    expect(await answer.text()).toBe('0123456789');
    expect((await fetch(url, { headers: { range: 'bytes=0-' } })).status).toBe(200);
    expect((await fetch(url, { headers: { range: 'bytes=1000000-' } })).status).toBe(416);
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('serves nothing without the secret, nothing withdrawn, and takes nothing (invariant 1)', async () => {
    const { url, server, path } = await serving();
    const other = url.replace(/\/[^/]+\/rows/, '/AAAA/rows');
    for (const wrong of [other, new URL('/', url).href, new URL('/rows', url).href]) {
      expect((await fetch(wrong)).status).toBe(404);
    }
    expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(405);
    server.withdraw('rows');
    expect((await fetch(url)).status).toBe(404);
    expect(server.publish('rows', path)).toBe(url);
    expect(new URL(url).pathname.length).toBeGreaterThan(40);
  });

  it('breaks the connection rather than end an answer early', async () => {
    const { url, path } = await serving();
    await rm(path);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('answers on the same URLs after a restart (invariant 3)', async () => {
    const { url, server, directory, path } = await serving();
    expect(server.isResumed).toBe(false);
    await server.close();
    const next = await start(directory);
    expect(next.isResumed).toBe(true);
    expect(next.publish('rows', path)).toBe(url);
    expect(await (await fetch(url)).text()).toBe(content);
    expect((await stat(join(directory, 'server.json'))).mode & 0o777).toBe(0o600);
  });

  it('answers on none of them under another host: nobody reads from there (invariant 3)', async () => {
    const { url, server, directory, path } = await serving();
    await server.close();
    const next = await start(directory, 0, 'localhost');
    expect(next.isResumed).toBe(false);
    expect(new URL(next.publish('rows', path)).pathname).not.toBe(new URL(url).pathname);
  });

  it('takes another port and another secret where the last port is taken', async () => {
    const { server, directory, path, url } = await serving();
    await server.close();
    const before = await readFile(join(directory, 'server.json'), 'utf8');
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(Number(new URL(url).port), '127.0.0.1', resolve));
    onTestFinished(() => void squatter.close());
    const next = await start(directory);
    expect(next.isResumed).toBe(false);
    expect(new URL(next.publish('rows', path)).pathname).not.toBe(new URL(url).pathname);
    expect(await readFile(join(directory, 'server.json'), 'utf8')).not.toBe(before);
  });

  it('says that a port that was asked for is taken', async () => {
    const { url } = await serving();
    const elsewhere = await temporaryDirectory();
    await expect(start(elsewhere, Number(new URL(url).port))).rejects.toThrow(/cannot listen on port \d+/);
  });
});

describe('parseRange', () => {
  it('gives the bytes that a range means', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(30), fc.nat(30), (size, first, last) => {
        const bytes = [...Array(size).keys()];
        const slice = (header: string) => {
          const range = parseRange(header, size);
          return range && bytes.slice(range.start, range.end);
        };
        const expected = (from: number, to: number) =>
          from < Math.min(to, size) ? bytes.slice(from, to) : undefined;
        expect(slice(`bytes=${first}-`)).toEqual(expected(first, size));
        expect(slice(`bytes=${first}-${last}`)).toEqual(expected(first, last + 1));
        expect(slice(`bytes=-${last}`)).toEqual(expected(Math.max(0, size - last), size));
      }),
    );
  });

  it('ignores what it does not understand', () => {
    for (const header of [undefined, '', 'bytes=-', 'bytes=1-2,4-5', 'rows=1-2']) {
      expect(parseRange(header, 10)).toEqual({ start: 0, end: 10 });
    }
  });
});
