import { createHash } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ask, proxyOf, serve, serveTcp, talk } from './support/http.js';

/** An upstream server that answers each request with `answer`, as it is, and keeps what it was sent. */
async function verbatim(answer: string) {
  let sent = '';
  const url = await serveTcp((socket) =>
    socket.on('data', (part) => {
      sent += part.toString('latin1');
      socket.write(answer, 'latin1');
    }),
  );
  return { url, sent: () => sent };
}

describe('what passes unchanged (invariant 1)', () => {
  it('is a request: its line, its headers with case and order, its body', async () => {
    const upstream = await verbatim('HTTP/1.1 204 None\r\nConnection: keep-alive\r\n\r\n');
    const proxy = await proxyOf(upstream.url);
    const request =
      'POST /a%2Fb;c?x=%20&y HTTP/1.1\r\nhOST: example\r\nX-b: 2\r\nx-A: 1\r\nX-b: 3\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nh\u00e9\u0000\r\n';
    await talk(proxy.url, request, (seen) => seen.includes('\r\n\r\n'));
    expect(upstream.sent()).toBe(request);
  });

  it.each([
    [
      'a plain body',
      'HTTP/1.1 200 Fine by me\r\ndate: then\r\nX-b: 1\r\nx-B: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc',
    ],
    ['an unknown status', 'HTTP/1.1 299 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n'],
    [
      'a chunked body with trailers',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
    ],
    ['no body', 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nConnection: close\r\n\r\n'],
    [
      'repeated cookies',
      'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    ],
  ])('is an answer with %s', async (_, answer) => {
    const proxy = await proxyOf((await verbatim(answer)).url);
    expect(await talk(proxy.url, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toBe(answer);
  });

  it('is an answer that ends with its connection', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end';
    const proxy = await proxyOf(await serveTcp((socket) => socket.once('data', () => socket.end(answer))));
    expect(await talk(proxy.url, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toBe(answer);
  });

  it('is any sequence of bytes, both ways, in pieces of any size', async () => {
    const upstream = await serve(async (request, response) => {
      for await (const part of request) response.write(part);
      response.end();
    });
    const proxy = await proxyOf(upstream);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 5_000 }), { maxLength: 20 }),
        async (parts) => {
          const request = httpRequest(proxy.url, { method: 'POST', agent: false });
          for (const part of parts) request.write(part);
          request.addTrailers({ 'x-request-trailer': '1' });
          request.end();
          const [answer] = (await once(request, 'response')) as [IncomingMessage];
          const back = Buffer.concat(await answer.toArray());
          expect(back.equals(Buffer.concat(parts))).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
    expect(proxy.requests.every(({ outcome }) => outcome === 'answered')).toBe(true);
  });

  it('is an interim 100 for a client that waits for it', async () => {
    const proxy = await proxyOf(await serve((request, response) => request.pipe(response)));
    const request = httpRequest(proxy.url, {
      method: 'POST',
      headers: { expect: '100-continue' },
      agent: false,
    });
    request.flushHeaders();
    await once(request, 'continue');
    request.end('now');
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    expect(Buffer.concat(await answer.toArray()).toString()).toBe('now');
  });
});

describe('streaming', () => {
  it('hands over each piece as it comes, the head first', async () => {
    const steps: ((text?: string) => void)[] = [];
    const proxy = await proxyOf(
      await serve((_, response) => {
        response.flushHeaders();
        steps.push((text) => (text === undefined ? response.end() : response.write(text)));
      }),
    );
    const request = httpRequest(proxy.url, { agent: false }).end();
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    const parts: string[] = [];
    for (const text of ['one', 'two']) {
      steps[0]?.(text);
      parts.push(String((await once(answer, 'data'))[0]));
    }
    steps[0]?.();
    await once(answer, 'end');
    expect(parts).toEqual(['one', 'two']);
  });

  it('does not read ahead of a client that has stopped reading (invariant 2)', async () => {
    const piece = Buffer.alloc(65_536, 'x');
    let written = 0;
    let stalls = () => {};
    const stalled = new Promise<void>((resolve) => (stalls = resolve));
    const total = 64 * 1024 * 1024;
    const proxy = await proxyOf(
      await serve((_, response) => {
        // The upstream counts as stalled when the pipe has been full for a hundred turns of the event loop.
        const pump = () => {
          while (written < total) {
            written += piece.length;
            if (response.write(piece)) continue;
            let turns = 0;
            const turn = () =>
              response.writableNeedDrain && ++turns === 100 ? stalls() : turns < 100 && setImmediate(turn);
            turn();
            return void response.once('drain', pump);
          }
          response.end();
        };
        pump();
      }),
    );
    const request = httpRequest(proxy.url, { agent: false }).end();
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    await stalled;
    expect(written).toBeLessThan(total);
    let bytes = 0;
    for await (const part of answer) bytes += (part as Buffer).length;
    expect(bytes).toBe(total);
  });
});

describe('connections', () => {
  it('are kept, one upstream for each of a client (invariant 2)', async () => {
    const sockets = new Set<Socket>();
    const proxy = await proxyOf(
      await serve((request, response) => response.end(String(sockets.add(request.socket).size))),
    );
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    for (let n = 0; n < 3; n++) expect(String((await ask(proxy.url, { agent })).body)).toBe('1');
    expect(proxy.connections).toBe(1);
    expect(String((await ask(proxy.url)).body)).toBe('2');
  });

  it('of an idle client end when the upstream server closes its own', async () => {
    const upstream: Socket[] = [];
    const proxy = await proxyOf(
      await serve((request, response) => {
        upstream.push(request.socket);
        response.end();
      }),
    );
    const agent = new Agent({ keepAlive: true });
    let client: Socket | undefined;
    agent.on('free', (socket: Socket) => (client = socket));
    await ask(proxy.url, { agent });
    const closed = once(client as Socket, 'close');
    upstream[0]?.end();
    await closed;
  });

  it('that a client leaves end the upstream request (invariant 3)', async () => {
    let begun = () => {};
    const started = new Promise<void>((resolve) => (begun = resolve));
    let ended = () => {};
    const over = new Promise<void>((resolve) => (ended = resolve));
    const proxy = await proxyOf(
      await serve((_, response) => {
        response.once('close', ended);
        begun();
      }),
    );
    const abort = new AbortController();
    const answer = ask(proxy.url, { signal: abort.signal });
    await started;
    abort.abort();
    await over;
    await answer;
    await proxy.received({}, ({ outcome }) => outcome === 'client-gone');
  });

  it('break when the upstream breaks, before the answer and inside it (invariant 3)', async () => {
    const proxy = await proxyOf(
      await serve((request, response) => {
        if (request.url === '/inside') response.write('some');
        setImmediate(() => response.destroy());
      }),
    );
    expect(await ask(`${proxy.url}/before`)).toMatchObject({ error: 'ECONNRESET' });
    expect(await ask(`${proxy.url}/inside`)).toMatchObject({ status: 200, error: 'ECONNRESET' });
    expect(proxy.requests.map(({ outcome }) => outcome)).toEqual(['broken', 'broken']);
    expect(proxy.requests[0]?.error).toBeInstanceOf(Error);
  });

  it('break when nothing listens behind the proxy', async () => {
    const proxy = await proxyOf('http://127.0.0.1:1');
    expect(await ask(proxy.url)).toMatchObject({ error: 'ECONNRESET' });
    expect(proxy.requests[0]).toMatchObject({ outcome: 'broken', error: { code: 'ECONNREFUSED' } });
  });
});

describe('the log', () => {
  it('has what was asked and what became of it', async () => {
    const proxy = await proxyOf(
      await serve((request, response) =>
        request.resume().on('end', () => response.writeHead(201).end('done')),
      ),
      { maxLoggedBodyBytes: 4 },
    );
    const body = 'long enough';
    await ask(`${proxy.url}/a?b=c`, { method: 'POST', body, headers: { 'X-Id': '7' } });
    expect(proxy.requests).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/a',
        query: '?b=c',
        headers: expect.objectContaining({ 'x-id': '7' }),
        bodyBytes: body.length,
        forwarded: true,
        status: 201,
        sentBytes: 4,
        outcome: 'answered',
      }),
    ]);
    expect(proxy.requests[0]?.body).toBe('long');
    proxy.reset();
    expect(proxy.requests).toEqual([]);
  });

  it('counts the bytes of a large body without keeping them', async () => {
    const body = Buffer.alloc(3_000_000, 'abc');
    const proxy = await proxyOf(
      await serve(async (request, response) => {
        const hash = createHash('sha256');
        for await (const part of request) hash.update(part);
        response.end(hash.digest('hex'));
      }),
    );
    const seen = await ask(proxy.url, { method: 'PUT', body });
    expect(String(seen.body)).toBe(createHash('sha256').update(body).digest('hex'));
    expect(proxy.requests[0]).toMatchObject({ bodyBytes: body.length });
    expect(proxy.requests[0]?.body).toHaveLength(65_536);
  });
});
